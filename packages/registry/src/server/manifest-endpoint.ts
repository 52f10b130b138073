/**
 * Manifests: `/v2/<name>/manifests/<tag or digest>`.
 *
 * The bytes are kept as they came; the parsers only decide whether they may come in.
 *
 * @module
 */
import { algorithmOf, bytesSource, type Digest, digestOf, withSignal } from '@varve/digest'
import { streamOf } from './body.ts'
import type { ManifestRow } from './catalog.ts'
import type { Context } from './context.ts'
import { Fault, storeTakesNothing } from './fault.ts'
import { type ManifestFacts, readManifestFacts } from './manifest-facts.ts'
import { type ManifestReference, type RouteOf, tagOrFault } from './route.ts'
import type { TagGuard } from './tag-table.ts'

/** Tags that one push by digest may set; the spec wants at least ten. */
const MAX_TAGS = 32

/** Sends a manifest as it was pushed, under the media type it was pushed with. `Accept` changes nothing. */
export async function getManifest(
  context: Context,
  request: Request,
  route: RouteOf<'manifest'>,
): Promise<Response> {
  const { repository, reference } = route
  const digest = reference.digest ?? (await context.catalog.tags.get(repository, reference.tag))
  const row = digest && (await context.catalog.manifests.get(repository, digest))
  const source = digest && (await context.blobs.get(digest, withSignal(request.signal)))
  if (digest === undefined || row === undefined || source === undefined) throw unknownManifest(reference)
  const headers = {
    'Content-Type': row.mediaType,
    'Content-Length': String(row.size),
    'Docker-Content-Digest': digest,
    ETag: `"${digest}"`,
  }
  if (request.method === 'HEAD') return new Response(null, { headers })
  return new Response(streamOf(source.open(withSignal(request.signal)), context.report), { headers })
}

/** Takes a manifest whose content is already here, and points tags at it. */
export async function putManifest(
  context: Context,
  request: Request,
  route: RouteOf<'manifest'>,
): Promise<Response> {
  // Before its bytes are read.
  const tags = tagsOf(request, route.reference)
  return context.withBody(request, (bytes) => takeManifest(context, request, route, tags, bytes))
}

async function takeManifest(
  context: Context,
  request: Request,
  { repository, reference }: RouteOf<'manifest'>,
  tags: readonly string[],
  bytes: Uint8Array,
): Promise<Response> {
  const mediaType = (request.headers.get('content-type') ?? '').split(';', 1).join('').trim()
  const digest = digestOf(bytes, reference.digest && algorithmOf(reference.digest))
  if (reference.digest !== undefined && reference.digest !== digest) {
    throw new Fault(400, 'DIGEST_INVALID', `The body hashes to ${digest}`)
  }
  const facts = readManifestFacts(mediaType, bytes)
  const { subject } = facts
  const row = {
    digest,
    mediaType,
    size: bytes.byteLength,
    at: context.now(),
    ...(subject === undefined ? {} : { subject }),
  }
  const { catalog, inTurn, underLease } = context
  await inTurn(`${repository}@${digest}`, () =>
    underLease(async () => {
      await relyOnChildren(context, repository, facts)
      await store(context, repository, row, bytes, request.signal)
      const guard = tagGuard(request)
      for (const tag of tags) await catalog.tags.set(repository, tag, digest, guard)
    }),
  )

  const headers = new Headers({
    Location: `/v2/${repository}/manifests/${digest}`,
    'Docker-Content-Digest': digest,
    'Content-Length': '0',
  })
  if (subject !== undefined) headers.set('OCI-Subject', subject)
  if (reference.tag === undefined) for (const tag of tags) headers.append('OCI-Tag', tag)
  return new Response(null, { status: 201, headers })
}

/** Bytes, then the row that gives them out, then what points to it: who sees one of them sees the ones before. */
async function store(
  { blobs, catalog, quota }: Context,
  repository: string,
  row: ManifestRow,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const known = await catalog.manifests.get(repository, row.digest)
  await quota.adding(repository, known === undefined ? row.size : 0, async () => {
    const outcome = await blobs.put(row.digest, bytesSource(bytes), { signal })
    if (outcome === 'skipped') throw storeTakesNothing()
    return catalog.manifests.add(repository, row)
  })
  if (row.subject !== undefined) await catalog.referrers.add(repository, row.subject, row.digest)
}

/** Takes a tag away, or a manifest with its tags and its place among the referrers. */
export async function deleteManifest(context: Context, route: RouteOf<'manifest'>): Promise<Response> {
  const { repository, reference } = route
  const { catalog, quota } = context
  if (reference.tag !== undefined) {
    if (!(await catalog.tags.remove(repository, reference.tag))) throw unknownManifest(reference)
  } else {
    const { digest } = reference
    await context.inTurn(`${repository}@${digest}`, async () => {
      const row = await catalog.manifests.get(repository, digest)
      if (row === undefined) throw unknownManifest(reference)
      // The row goes last: whoever is killed in between has left no tag or referrer that leads nowhere.
      await catalog.tags.removeAll(repository, digest)
      if (row.subject !== undefined) await catalog.referrers.remove(repository, row.subject, digest)
      const removed = await catalog.manifests.remove(repository, digest)
      if (removed !== undefined) quota.removed(repository, removed.size)
    })
  }
  return new Response(null, { status: 202, headers: { 'Content-Length': '0' } })
}

/** The tags to set: that of the URL, or those of `?tag=` when pushing by digest. */
function tagsOf(request: Request, reference: ManifestReference): readonly string[] {
  if (reference.tag !== undefined) return [reference.tag]
  const tags = new URL(request.url).searchParams.getAll('tag').map(tagOrFault)
  if (tags.length > MAX_TAGS) throw new Fault(414, 'TAG_INVALID', `At most ${MAX_TAGS} tags at once`)
  return tags
}

/** `If-Match` and `If-None-Match: *` on a tag: RFC 9110 §13.1. They let two writers of a tag notice each other. */
function tagGuard(request: Request): TagGuard | undefined {
  const expected = request.headers.get('if-match')
  const mustBeNew = request.headers.get('if-none-match') === '*'
  if (expected === null && !mustBeNew) return undefined
  return (old) => {
    const matches = expected === null || (expected === '*' ? old !== undefined : expected === `"${old}"`)
    if (matches && !(mustBeNew && old !== undefined)) return
    throw new Fault(412, 'MANIFEST_INVALID', 'The tag points elsewhere by now')
  }
}

/** Missing children that are named in the answer; whoever has more of them knows enough. */
const MAX_MISSING = 64

/** Children looked up at once, where each is a request to a store far away. */
const AT_ONCE = 32

/**
 * Every child must be here, or the image could not be pulled, and must not be pruned before the manifest is here. The
 * subject may come later, or never.
 */
async function relyOnChildren(context: Context, repository: string, facts: ManifestFacts): Promise<void> {
  const { catalog, blobs, allowMissing, now } = context
  const missing = new Set<Digest>()
  const most = allowMissing ? Infinity : MAX_MISSING
  for (const [table, digests] of [
    [catalog.blobs, [...new Set(facts.blobs)]],
    [catalog.manifests, [...new Set(facts.manifests)]],
  ] as const) {
    for (let from = 0; from < digests.length && missing.size < most; from += AT_ONCE) {
      const part = digests.slice(from, from + AT_ONCE)
      const found = await Promise.all(part.map((digest) => table.rely(repository, digest, now())))
      for (const [at, digest] of part.entries()) if (found[at] !== true) missing.add(digest)
      // Also asks the store to keep what is about to be referred to.
      for (const digest of await blobs.missing(part)) missing.add(digest)
      await new Promise(setImmediate)
    }
  }
  if (missing.size === 0 || allowMissing) return
  const code = 'MANIFEST_BLOB_UNKNOWN'
  const message = 'The manifest refers to content that is not in this repository'
  const errors = [...missing].map((digest) => ({ code, message, detail: { digest } }))
  throw new Fault(404, code, message, { errors })
}

function unknownManifest(reference: ManifestReference): Fault {
  return new Fault(404, 'MANIFEST_UNKNOWN', 'The manifest is not in this repository', { detail: reference })
}
