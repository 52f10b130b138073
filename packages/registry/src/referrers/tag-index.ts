/**
 * The list of referrers that clients keep under a tag where the registry keeps none: distribution-spec, "Pushing
 * Manifests with Subject".
 *
 * A tag knows no transactions, so a list that is read, changed and written can undo what another client wrote in
 * between. Against that: writers of one process take turns; a write says which state it replaces, which some registries
 * heed; and since others do not, the list is read again when all who had read it before are likely to have written, and
 * written again if the change is gone, until a while has passed in which nobody wrote. Lists that were replaced stay as untagged manifests: deleting one by its digest
 * would take the tag along if another client had just written the same bytes.
 *
 * @module
 */
import { bytesSource, type Descriptor, type Digest, digestOf } from '@varve/digest'
import {
  type JsonInput,
  JsonNumber,
  type JsonObject,
  type JsonValue,
  MEDIA_TYPE_OCI_INDEX,
  parseJson,
  referrersTag,
  sortedMap,
  writeJson,
} from '@varve/oci-manifest'
import { type Endpoint, sendTo } from '../endpoint.ts'
import { RegistryError } from '../errors.ts'
import { sleep, withRetries } from '../http/retry.ts'
import { fetchTagged, ifFound, type TaggedManifest } from '../manifest/request.ts'
import { manifestTarget } from '../manifest/target.ts'
import { createTurns } from '../turns.ts'

/** Entries as they should be, or `undefined` if they are. */
type Change = (entries: readonly JsonObject[]) => readonly JsonInput[] | undefined

/** One attempt. */
interface Attempt {
  readonly outcome: 'unchanged' | 'written' | 'refused'
  /** The list that was read; `undefined` if there was none. */
  readonly before: Digest | undefined
  /** The list as it is, as far as we know. */
  readonly after: Digest | undefined
  /** From before the read until after the write. */
  readonly tookMs: number
}

/** Every attempt that fails is one that another writer won. */
const MAX_ATTEMPTS = 50
/** Others may go on for ever; their lists have our change by then. */
const MAX_WATCHES = 5
const MIN_PAUSE_MS = 100
const MAX_PAUSE_MS = 3000

/** Of all clients of this process. */
const inTurn = createTurns()

/**
 * Adds a referrer to the list of its subject, once.
 *
 * @throws {RegistryError} `ERR_REGISTRY_RESPONSE` if the tag holds something else than an index; it is left as it is.
 */
export function addReferrer(
  endpoint: Endpoint,
  subject: Digest,
  referrer: Descriptor,
  signal?: AbortSignal,
): Promise<void> {
  const { mediaType, digest, size, artifactType, annotations } = referrer
  const entry: JsonInput = {
    mediaType,
    digest,
    size,
    annotations: annotations && sortedMap(annotations),
    artifactType,
  }
  const add: Change = (entries) =>
    entries.some((each) => each.get('digest') === digest) ? undefined : [...entries, entry]
  return changeList(endpoint, subject, add, signal)
}

/** Takes a referrer out of the list of its subject; errors as {@link addReferrer}. */
export function removeReferrer(
  endpoint: Endpoint,
  subject: Digest,
  referrer: Digest,
  signal?: AbortSignal,
): Promise<void> {
  const remove: Change = (entries) => {
    const left = entries.filter((each) => each.get('digest') !== referrer)
    return left.length === entries.length ? undefined : left
  }
  return changeList(endpoint, subject, remove, signal)
}

async function changeList(
  endpoint: Endpoint,
  subject: Digest,
  change: Change,
  signal: AbortSignal | undefined,
): Promise<void> {
  const tag = referrersTag(subject)
  const key = `${endpoint.host.origin}/${endpoint.host.pathPrefix}${endpoint.repository}:${tag}`
  let last: Attempt | undefined
  let watches = 0
  let pause = MIN_PAUSE_MS
  for (let count = 0; count < MAX_ATTEMPTS; count++) {
    const before = last
    const attempt = await withRetries(
      endpoint.exchange.retryAt(endpoint.host.origin),
      () => inTurn(key, () => changeOnce(endpoint, tag, change, before, signal), signal),
      signal,
    )
    if (attempt.outcome === 'unchanged') {
      const isQuiet = last === undefined || last.after === attempt.after
      if (isQuiet || ++watches > MAX_WATCHES) return
    }
    last = attempt
    // Others are as slow as we are, more or less: twice the time covers those who had read the list before we wrote it.
    pause = Math.min(MAX_PAUSE_MS, Math.max(pause, 2 * attempt.tookMs))
    await sleep(Math.round(pause * (1 + Math.random())), signal)
  }
  throw new RegistryError(
    'ERR_REGISTRY_REJECTED',
    `The list of referrers under ${tag} was changed by others in each of ${MAX_ATTEMPTS} attempts`,
  )
}

async function changeOnce(
  endpoint: Endpoint,
  tag: string,
  change: Change,
  last: Attempt | undefined,
  signal: AbortSignal | undefined,
): Promise<Attempt> {
  signal?.throwIfAborted()
  const began = performance.now()
  const found = await ifFound(fetchTagged(endpoint, tag, signal))
  const before = found?.descriptor.digest
  const index = openList(found, tag)
  const entries = change(index.get('manifests') as readonly JsonObject[])
  if (entries === undefined) return { outcome: 'unchanged', before, after: before, tookMs: 0 }
  const bytes = writeJson(new Map<string, JsonInput>([...index, ['manifests', entries]]))
  // Refused though nobody came in between: a registry that makes nothing of conditions must not stop us for ever.
  const isHeeded = last?.outcome !== 'refused' || last.before !== before
  const response = await sendTo(endpoint, {
    method: 'PUT',
    target: manifestTarget(tag),
    access: 'push',
    headers: { 'content-type': MEDIA_TYPE_OCI_INDEX, ...(isHeeded ? condition(found) : {}) },
    body: bytesSource(bytes),
    expect: [200, 201, 202, 409, 412],
    // What was read is old by the time that a repetition would write it.
    retry: false,
    signal,
  })
  await response.discard()
  const isWritten = response.status < 300
  return {
    outcome: isWritten ? 'written' : 'refused',
    before,
    after: isWritten ? digestOf(bytes) : before,
    tookMs: performance.now() - began,
  }
}

/** The list under a tag, with every field it has; an empty one if there is none. */
function openList(found: TaggedManifest | undefined, tag: string): JsonObject {
  if (found === undefined) {
    return new Map<string, JsonValue>([
      ['schemaVersion', new JsonNumber('2')],
      ['mediaType', MEDIA_TYPE_OCI_INDEX],
      ['manifests', []],
    ])
  }
  if (found.descriptor.mediaType === MEDIA_TYPE_OCI_INDEX)
    return parseJson(found.bytes, { maxBytes: found.bytes.byteLength }) as JsonObject
  const what = `The tag ${tag}, meant for a list of referrers, holds something else`
  throw new RegistryError('ERR_REGISTRY_RESPONSE', what)
}

/** A weak tag compares nothing byte for byte: RFC 9110 §13.1.1. */
function condition(found: TaggedManifest | undefined): Readonly<Record<string, string>> {
  if (found === undefined) return { 'if-none-match': '*' }
  const { etag } = found
  return etag === undefined || !/^"[\x21\x23-\x7e]*"$/.test(etag) ? {} : { 'if-match': etag }
}
