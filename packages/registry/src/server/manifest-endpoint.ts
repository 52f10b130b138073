/**
 * Manifests: `/v2/<name>/manifests/<tag or digest>`.
 *
 * The bytes are kept as they came; the parsers only decide whether they may come in.
 *
 * @module
 */
import { algorithmOf, bytesSource, type Digest, digestOf, withSignal } from '@varve/digest'
import { readBody, streamOf } from './body.ts'
import type { Context } from './context.ts'
import { Fault } from './fault.ts'
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
  const { repository, reference } = route
  const tags = tagsOf(request, reference)
  const mediaType = (request.headers.get('content-type') ?? '').split(';', 1).join('').trim()
  const bytes = await readBody(request, context.limits.manifestBytes)
  const digest = digestOf(bytes, reference.digest && algorithmOf(reference.digest))
  if (reference.digest !== undefined && reference.digest !== digest) {
    throw new Fault(400, 'DIGEST_INVALID', `The body hashes to ${digest}`)
  }
  const facts = readManifestFacts(mediaType, bytes)
  if (!context.allowMissing) await assertComplete(context, repository, facts)

  const outcome = await context.blobs.put(digest, bytesSource(bytes), withSignal(request.signal))
  if (outcome === 'skipped') throw new Fault(503, 'UNKNOWN', 'The store takes nothing at the moment')
  const { subject } = facts
  await context.catalog.manifests.add(repository, {
    digest,
    mediaType,
    size: bytes.byteLength,
    ...(subject === undefined ? {} : { subject }),
  })
  if (subject !== undefined) await context.catalog.referrers.add(repository, subject, digest)
  const guard = tagGuard(request)
  for (const tag of tags) await context.catalog.tags.set(repository, tag, digest, guard)

  const headers = new Headers({
    Location: `/v2/${repository}/manifests/${digest}`,
    'Docker-Content-Digest': digest,
    'Content-Length': '0',
  })
  if (subject !== undefined) headers.set('OCI-Subject', subject)
  if (reference.tag === undefined) for (const tag of tags) headers.append('OCI-Tag', tag)
  return new Response(null, { status: 201, headers })
}

/** Takes a tag away, or a manifest with its tags and its place among the referrers. */
export async function deleteManifest(context: Context, route: RouteOf<'manifest'>): Promise<Response> {
  const { repository, reference } = route
  const { catalog } = context
  if (reference.tag !== undefined) {
    if (!(await catalog.tags.remove(repository, reference.tag))) throw unknownManifest(reference)
  } else {
    const row = await catalog.manifests.get(repository, reference.digest)
    // The row goes first: from then on nobody gets the manifest, however far the rest comes.
    if (!(await catalog.manifests.remove(repository, reference.digest))) throw unknownManifest(reference)
    await catalog.tags.removeAll(repository, reference.digest)
    if (row?.subject !== undefined) {
      await catalog.referrers.remove(repository, row.subject, reference.digest)
    }
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

/** Every child must be here, or the image could not be pulled. The subject may come later, or never. */
async function assertComplete(context: Context, repository: string, facts: ManifestFacts): Promise<void> {
  const { catalog, blobs } = context
  const missing = new Set<Digest>()
  for (const digest of new Set(facts.blobs)) {
    if ((await catalog.blobs.get(repository, digest)) === undefined) missing.add(digest)
  }
  for (const digest of new Set(facts.manifests)) {
    if ((await catalog.manifests.get(repository, digest)) === undefined) missing.add(digest)
  }
  // Also asks the store to keep what is about to be referred to.
  for (const digest of await blobs.missing([...facts.blobs, ...facts.manifests])) missing.add(digest)
  if (missing.size === 0) return
  const code = 'MANIFEST_BLOB_UNKNOWN'
  const message = 'The manifest refers to content that is not in this repository'
  const errors = [...missing].map((digest) => ({ code, message, detail: { digest } }))
  throw new Fault(404, code, message, { errors })
}

function unknownManifest(reference: ManifestReference): Fault {
  return new Fault(404, 'MANIFEST_UNKNOWN', 'The manifest is not in this repository', { detail: reference })
}
