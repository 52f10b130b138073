/**
 * The registry: from a request to a response, with no server around it.
 *
 * @module
 */
import type { BlobStore, Pins, RefStore } from '@varve/cache-store'
import type { Access, Authorize } from './access.ts'
import { quoted } from './authorizers.ts'
import { deleteBlob, getBlob } from './blob-endpoint.ts'
import { createCatalog } from './catalog.ts'
import type { Context } from './context.ts'
import { Fault, faultResponse } from './fault.ts'
import { createLeases } from './leases.ts'
import { DEFAULT_LIMITS, type RegistryLimits } from './limits.ts'
import { listReferrers, listRepositories, listTags } from './listing-endpoint.ts'
import { createMemory } from './memory.ts'
import { deleteManifest, getManifest, putManifest } from './manifest-endpoint.ts'
import { createQuota, type RegistryQuota } from './quota.ts'
import { parseRoute, type Route } from './route.ts'
import { createTurns } from '../turns.ts'
import { appendChunk, cancelUpload, finishUpload, startUpload, uploadStatus } from './upload-endpoint.ts'
import { createUploads } from './uploads.ts'

/** What can be deleted. Without its tags a manifest can still be pulled by digest. */
export type DeleteKind = 'tag' | 'manifest' | 'blob'

/** What a registry is made of. */
export interface RegistryHandlerOptions {
  /** Where the bytes are. Other users of the store do not see repositories, and repositories do not see their blobs. */
  readonly blobs: BlobStore
  /** Where the names are: documents below `registry/`. */
  readonly refs: RefStore
  /** Pins of the same store: its collections then leave alone what is just being pushed. */
  readonly pins?: Pins
  /** Answers every push, delete and upload with 405. */
  readonly readOnly?: boolean
  /** What may be deleted: all, or some kinds. Default none; other deletes are answered with 405. */
  readonly allowDelete?: boolean | readonly DeleteKind[]
  /** Takes manifests although content they name is not in the repository: sparse indexes. */
  readonly allowMissing?: boolean
  readonly limits?: Partial<RegistryLimits>
  /** What is beyond it is refused with 403. */
  readonly quota?: RegistryQuota
  /**
   * Asked before anything is done, and once more about the source of a mount. A response it gives is sent instead; see
   * `basicAuthorizer` and `bearerAuthorizer`.
   */
  readonly authorize?: Authorize
  /**
   * What the caller is told beside the answer, such as that a repository will move: distribution-spec, "Warnings". Texts
   * beyond 4096 bytes in all are left out. Asked after `authorize` let the request through.
   */
  readonly warn?: (access: Access, request: Request) => readonly string[] | undefined
  /** Told why an answer was 500, or broke off; the client is not. */
  readonly onError?: (error: unknown) => void
  /** Clock in milliseconds. Default `Date.now`. */
  readonly now?: () => number
}

/** Answers a request. Never rejects. The body of the response may end with an error, if a blob is found damaged. */
export type RegistryHandler = (request: Request) => Promise<Response>

/**
 * Makes a registry of a store: distribution-spec v1.1, with nothing shared between repositories but bytes.
 *
 * @example
 * const { blobs, refs } = createMemoryStore()
 * const handler = createRegistryHandler({ blobs, refs })
 * await handler(new Request('http://registry.test/v2/'))
 */
export function createRegistryHandler(options: RegistryHandlerOptions): RegistryHandler {
  const { blobs, refs, readOnly = false, allowMissing = false, authorize, now = Date.now } = options
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const quota = createQuota(refs, options.quota ?? {}, now)
  const shared = {
    blobs,
    catalog: createCatalog(refs, now),
    uploads: createUploads(blobs, limits, quota, now),
    limits,
    withBody: createMemory({ each: limits.manifestBytes, all: limits.pendingManifestBytes }),
    quota,
    underLease: createLeases(options.pins),
    inTurn: createTurns(),
    now,
    allowMissing,
  }

  const answer = async (request: Request): Promise<Response> => {
    const route = parseRoute(new URL(request.url).pathname)
    const endpoint = findEndpoint(route, request.method)
    if (endpoint === undefined) throw unsupported('This endpoint has no such method')
    const { action, run } = endpoint
    if (readOnly && (action === 'push' || action === 'delete'))
      throw unsupported('This registry is read-only')
    if (action === 'delete' && !mayDelete(options.allowDelete, route)) {
      throw unsupported('This registry does not delete this')
    }
    const repository = 'repository' in route ? route.repository : undefined
    const denied = await authorize?.({ repository, action }, request)
    // A copy, since the headers of a response that came from elsewhere may be frozen.
    if (denied !== undefined) return new Response(denied.body, denied)
    const warnings = warningsOf(options.warn?.({ repository, action }, request) ?? [])
    const mayPull = async (other: string): Promise<boolean> =>
      (await authorize?.({ repository: other, action: 'pull' }, request)) === undefined
    const report = (error: unknown): void => {
      if (!request.signal.aborted) options.onError?.(error)
    }
    const response = await run({ ...shared, mayPull, report }, request)
    for (const warning of warnings) response.headers.append('Warning', warning)
    return response
  }

  return async (request) => {
    try {
      return withVersion(await answer(request))
    } catch (error) {
      if (error instanceof Fault) {
        if (error.status >= 500) options.onError?.(error.cause ?? error)
        return withVersion(faultResponse(error))
      }
      options.onError?.(error)
      return withVersion(faultResponse(new Fault(500, 'UNKNOWN', 'The registry failed; its log says why')))
    }
  }
}

function mayDelete(allowed: RegistryHandlerOptions['allowDelete'] = false, route: Route): boolean {
  if (typeof allowed === 'boolean') return allowed
  const kind = route.kind === 'manifest' ? (route.reference.tag === undefined ? 'manifest' : 'tag') : 'blob'
  return allowed.includes(kind)
}

interface Endpoint {
  readonly action: Access['action']
  readonly run: (context: Context, request: Request) => Promise<Response>
}

/** The table of endpoints: distribution-spec, "Endpoints". */
function findEndpoint(route: Route, method: string): Endpoint | undefined {
  const isRead = method === 'GET' || method === 'HEAD'
  switch (route.kind) {
    case 'base':
      if (isRead) return { action: 'pull', run: async () => baseResponse() }
      break
    case 'catalog':
      if (isRead) return { action: 'list', run: listRepositories }
      break
    case 'blob':
      if (isRead) return { action: 'pull', run: (context, request) => getBlob(context, request, route) }
      if (method === 'DELETE') return { action: 'delete', run: (context) => deleteBlob(context, route) }
      break
    case 'uploads':
      if (method === 'POST') {
        return { action: 'push', run: (context, request) => startUpload(context, request, route) }
      }
      break
    case 'upload':
      if (isRead) return { action: 'push', run: (context) => uploadStatus(context, route) }
      if (method === 'PATCH') {
        return { action: 'push', run: (context, request) => appendChunk(context, request, route) }
      }
      if (method === 'PUT') {
        return { action: 'push', run: (context, request) => finishUpload(context, request, route) }
      }
      if (method === 'DELETE') return { action: 'push', run: (context) => cancelUpload(context, route) }
      break
    case 'manifest':
      if (isRead) return { action: 'pull', run: (context, request) => getManifest(context, request, route) }
      if (method === 'PUT') {
        return { action: 'push', run: (context, request) => putManifest(context, request, route) }
      }
      if (method === 'DELETE') return { action: 'delete', run: (context) => deleteManifest(context, route) }
      break
    case 'tags':
      if (isRead) return { action: 'pull', run: (context, request) => listTags(context, request, route) }
      break
    case 'referrers':
      if (isRead) return { action: 'pull', run: (context, request) => listReferrers(context, request, route) }
  }
  return undefined
}

function baseResponse(): Response {
  return new Response('{}', { headers: { 'Content-Type': 'application/json', 'Content-Length': '2' } })
}

/** Docker clients look for this header before they believe that it is a registry. */
function withVersion(response: Response): Response {
  response.headers.set('Docker-Distribution-API-Version', 'registry/2.0')
  return response
}

/** distribution-spec, "Warnings": of all together. */
const MAX_WARNING_BYTES = 4096

/** Header values of RFC 7234 §5.5: a code for what does not go away, and no agent. */
function warningsOf(texts: readonly string[]): readonly string[] {
  let left = MAX_WARNING_BYTES
  return texts
    .map((text) => `299 - ${quoted(text)}`)
    .filter((warning) => {
      left -= warning.length
      return left >= 0
    })
}

function unsupported(message: string): Fault {
  return new Fault(405, 'UNSUPPORTED', message)
}
