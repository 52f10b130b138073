/**
 * Manifests to a registry: distribution-spec, "Pushing manifests", with several tags and with a subject.
 *
 * @module
 */
import {
  algorithmOf,
  assertExpected,
  bytesSource,
  type Descriptor,
  type Digest,
  digestOf,
} from '@varve/digest'
import { describeReferrer, type Document, isDocumentType, isTag, parseDocument } from '@varve/oci-manifest'
import { type Endpoint, sendTo } from '../endpoint.ts'
import { RegistryError } from '../errors.ts'
import type { FollowedResponse } from '../http/follow.ts'
import { contentDigest, singleHeader } from '../http/reply-headers.ts'
import { retryable, withRetries } from '../http/retry.ts'
import { addReferrer } from '../referrers/tag-index.ts'
import { abilityOf, noteAbility } from './abilities.ts'
import { manifestTarget } from './target.ts'

/** A push of one manifest. */
interface Push {
  readonly endpoint: Endpoint
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
  readonly signal: AbortSignal | undefined
  /** What the manifest is about. */
  readonly subject: Digest | undefined
  /** Whether the registry says that it lists the manifest as a referrer of its subject. */
  isListed: boolean
}

/** So many tags every registry takes at once that takes several at all. */
const TAGS_AT_ONCE = 10
/** Host and name together; some clients go no further: distribution-spec, "Pulling manifests". */
const MAX_FULL_NAME = 255

const UNSEEN_RETRIES = 2
const UNSEEN: ReadonlySet<string> = new Set(['MANIFEST_BLOB_UNKNOWN', 'BLOB_UNKNOWN'])

const warned = new WeakSet<Endpoint>()

/**
 * Pushes a manifest, byte for byte, under its digest or under tags. If it has a subject and the registry keeps no list
 * of referrers, it is added to the one under the subject's tag.
 *
 * @throws {RegistryError} `ERR_REGISTRY_TOO_LARGE`; `ERR_REGISTRY_RESPONSE` if the subject's tag holds something else.
 * @throws {TypeError} if a name is not a tag.
 */
export async function pushManifest(
  endpoint: Endpoint,
  descriptor: Descriptor,
  bytes: Uint8Array,
  {
    tags = [],
    signal,
  }: { readonly tags?: readonly string[]; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  for (const tag of tags) if (!isTag(tag)) throw new TypeError(`Not a tag: ${JSON.stringify(tag)}`)
  const algorithm = algorithmOf(descriptor.digest)
  assertExpected({ digest: digestOf(bytes, algorithm), size: bytes.byteLength }, descriptor)
  warnOfLongName(endpoint)
  const document = isDocumentType(descriptor.mediaType)
    ? parseDocument(bytes, { descriptor, maxBytes: endpoint.exchange.limits.documentBytes })
    : undefined
  const subject = document && subjectOf(document)
  const push: Push = { endpoint, descriptor, bytes, signal, subject, isListed: false }
  // Under a tag, only sha256 can be meant.
  const isTogether = tags.length > 1 || (tags.length === 1 && algorithm !== 'sha256')
  const left = isTogether ? await putTogether(push, tags) : tags
  for (const tag of left) await put(push, tag)
  if (tags.length === 0) await put(push, descriptor.digest)
  if (document === undefined || subject === undefined || push.isListed) return
  await addReferrer(endpoint, subject, describeReferrer(document), signal)
}

/** Pushes with as many tags at once as the registry takes, which may be none; gives those that are left. */
async function putTogether(push: Push, tags: readonly string[]): Promise<readonly string[]> {
  const { endpoint, descriptor } = push
  const left = [...tags]
  while (left.length > 0 && abilityOf(endpoint, 'tags') !== false) {
    const wanted = left.slice(0, TAGS_AT_ONCE)
    const query = wanted.map((tag) => `tag=${tag}`).join('&')
    const reply = await put(push, descriptor.digest, `?${query}`, [414, 431])
    // One header for each, or a list in one.
    const confirmed = new Set(
      (reply.headers.get('oci-tag') ?? []).flatMap((value) => value.split(/[ \t]*,[ \t]*/)),
    )
    const unconfirmed = wanted.filter((tag) => !confirmed.has(tag))
    noteAbility(endpoint, 'tags', unconfirmed.length < wanted.length)
    left.splice(0, wanted.length)
    for (const tag of unconfirmed) await put(push, tag)
  }
  return left
}

async function put(
  push: Push,
  reference: string,
  query = '',
  tolerated: readonly number[] = [],
): Promise<FollowedResponse> {
  const { endpoint, descriptor, bytes, signal } = push
  const send = () =>
    sendTo(endpoint, {
      method: 'PUT',
      target: manifestTarget(reference) + query,
      access: 'push',
      headers: { 'content-type': descriptor.mediaType },
      body: bytesSource(bytes),
      expect: [200, 201, 202, ...tolerated],
      signal,
    })
  const response = await againIfUnseen(endpoint, send, signal)
  await response.discard()
  const announced = contentDigest(response.headers)
  if (announced !== undefined && algorithmOf(announced) === algorithmOf(descriptor.digest)) {
    assertExpected({ digest: announced, size: descriptor.size }, descriptor)
  }
  if (push.subject !== undefined && singleHeader(response.headers, 'oci-subject') === push.subject) {
    push.isListed = true
    noteAbility(endpoint, 'referrers', true)
  }
  return response
}

/**
 * Some registries do not see at once what they have just taken; docker-registry 2.8 loses sight of a blob for the moment
 * in which another client pushes the same one. Content that is really missing is missing still after a second.
 */
function againIfUnseen<T>(
  { exchange, host }: Endpoint,
  send: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const policy = exchange.retryAt(host.origin)
  const patience = { ...policy, retries: Math.min(policy.retries, UNSEEN_RETRIES) }
  const attempt = async (): Promise<T> => {
    try {
      return await send()
    } catch (error) {
      const isUnseen = error instanceof RegistryError && error.errors.some(({ code }) => UNSEEN.has(code))
      throw isUnseen ? retryable(error) : error
    }
  }
  return withRetries(patience, attempt, signal)
}

/** What a document is about. */
export function subjectOf({ document }: Document): Digest | undefined {
  return document.value.subject?.digest
}

function warnOfLongName(endpoint: Endpoint): void {
  const { host, repository, onProgress } = endpoint
  const length = host.name.length + 1 + repository.length
  if (length <= MAX_FULL_NAME || warned.has(endpoint)) return
  warned.add(endpoint)
  const text = `The name has ${length} characters with its host; some clients refuse more than ${MAX_FULL_NAME}`
  onProgress?.({ kind: 'warning', host: host.name, text })
}
