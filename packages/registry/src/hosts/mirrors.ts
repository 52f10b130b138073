/**
 * Reads that a mirror may answer.
 *
 * Mirrors are asked first, in their order, and the registry last. Whatever goes wrong at a mirror, also wrong bytes,
 * is the mirror's affair and leads to the next; what goes wrong at the registry is the error of the read. One that
 * does not answer at all is left alone for a while, since each read would wait for it.
 *
 * @module
 */
import { DigestError } from '@varve/digest'
import { OciManifestError } from '@varve/oci-manifest'
import type { Endpoint, RepositoryPlaces } from '../endpoint.ts'
import { RegistryError, type RegistryErrorCode } from '../errors.ts'
import type { Host } from './host.ts'

/** What kind of read. */
export interface ReadingOptions {
  /** Whether the read is for a tag, which some mirrors must not be asked for. */
  readonly byTag: boolean
  readonly signal?: AbortSignal | undefined
}

const REST_MS = 30_000

/** What says of a mirror that it is not well, and not only that it lacks something. */
const UNWELL: ReadonlySet<RegistryErrorCode> = new Set<RegistryErrorCode>([
  'ERR_REGISTRY_CONNECTION',
  'ERR_REGISTRY_TIMEOUT',
  'ERR_REGISTRY_SERVER',
  'ERR_REGISTRY_RATE_LIMITED',
])

/** A client makes its mirrors once, so the host itself is the key. */
const restingUntil = new WeakMap<Host, number>()

/** Whom to ask, in this order; the registry is always the last. */
export function readingOrder(places: RepositoryPlaces, byTag: boolean): readonly Endpoint[] {
  const mirrors = places.mirrors
    .filter(({ byDigestOnly }) => !(byTag && byDigestOnly))
    .map(({ endpoint }) => endpoint)
    .filter(({ host }) => (restingUntil.get(host) ?? 0) <= Date.now())
  return [...mirrors, places.registry]
}

/** Notes what went wrong at a mirror: tells the listener, and lets a mirror rest that is not well. */
export function noteMirrorFailure(endpoint: Endpoint, error: unknown): void {
  const { host, onProgress } = endpoint
  if (error instanceof RegistryError && UNWELL.has(error.code)) restingUntil.set(host, Date.now() + REST_MS)
  onProgress?.({ kind: 'mirror', host: host.name, error })
}

/**
 * The first answer to a read. An operation that gives `undefined` or `false` at a mirror has found nothing there, and
 * the next is asked; what it gives at the registry is the answer.
 *
 * Rejects with the error of the registry; with `signal.reason`; and, at any place, with errors that are none of a
 * reply, such as a `TypeError`.
 */
export async function firstAnswer<T>(
  places: RepositoryPlaces,
  { byTag, signal }: ReadingOptions,
  operation: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  for (const endpoint of readingOrder(places, byTag)) {
    if (endpoint === places.registry) break
    try {
      const answer = await operation(endpoint)
      if (answer !== undefined && answer !== false) return answer
      noteMirrorFailure(endpoint, nothingThere(endpoint))
    } catch (error) {
      signal?.throwIfAborted()
      if (!isOfReply(error)) throw error
      noteMirrorFailure(endpoint, error)
    }
  }
  return operation(places.registry)
}

/** Whether an error is about what a mirror answered, or did not answer. */
function isOfReply(error: unknown): boolean {
  return error instanceof RegistryError || error instanceof DigestError || error instanceof OciManifestError
}

function nothingThere({ host, repository }: Endpoint): RegistryError {
  const message = `The mirror ${host.name} has nothing of this name in ${host.pathPrefix}${repository}`
  return new RegistryError('ERR_REGISTRY_NOT_FOUND', message, { status: 404 })
}
