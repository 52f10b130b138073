/**
 * Lists: repositories, and the tags and referrers of one.
 *
 * @module
 */
import {
  describeReferrer,
  isDocumentType,
  MEDIA_TYPE_OCI_INDEX,
  parseDocument,
  parseIndex,
  referrersTag,
} from '@varve/oci-manifest'
import { type Descriptor, type Digest, parseDigest, readAll } from '@varve/digest'
import type { Context } from './context.ts'
import { Fault } from './fault.ts'
import { cutPage, linkAfter } from './page.ts'
import type { RouteOf } from './route.ts'

/** Manifests read at once, where each is a request to a store far away. */
const AT_ONCE = 16

/** Of a list of referrers, beside its entries. */
const ENVELOPE_BYTES = 256

/** GET `/v2/<name>/tags/list`: distribution-spec, "Listing Tags". */
export async function listTags(
  context: Context,
  request: Request,
  route: RouteOf<'tags'>,
): Promise<Response> {
  const { repository } = route
  const url = new URL(request.url)
  const tags = await context.catalog.tags.list(repository, url.searchParams.has('last'))
  if (tags.length === 0 && (await isUnknown(context, repository))) {
    throw new Fault(404, 'NAME_UNKNOWN', 'There is no such repository', { detail: { name: repository } })
  }
  const page = cutPage(tags, url, context.limits.pageEntries)
  return jsonResponse('application/json', { name: repository, tags: page.entries }, page.headers)
}

/** GET `/v2/_catalog`: Docker Registry HTTP API V2, "Listing Repositories". Those that hold a manifest. */
export async function listRepositories(context: Context, request: Request): Promise<Response> {
  const names = await context.catalog.names.list()
  const page = cutPage(names, new URL(request.url), context.limits.pageEntries)
  return jsonResponse('application/json', { repositories: page.entries }, page.headers)
}

/**
 * GET `/v2/<name>/referrers/<digest>`: distribution-spec, "Listing Referrers". An unknown subject has no referrers;
 * it is never an error.
 */
export async function listReferrers(
  context: Context,
  request: Request,
  route: RouteOf<'referrers'>,
): Promise<Response> {
  const { repository, digest: subject } = route
  const url = new URL(request.url)
  const wanted = url.searchParams.get('artifactType')
  const digests = new Set(await context.catalog.referrers.list(repository, subject))
  for (const listed of await listedUnderTag(context, repository, subject)) digests.add(listed)

  const { pageEntries } = context.limits
  const sorted = [...digests].toSorted()
  // Only a filter has to look into those of other pages.
  const page =
    wanted === null
      ? cutPage(sorted, url, pageEntries)
      : cutPage(await filtered(context, repository, sorted, wanted), url, pageEntries)
  const { manifests, last } = await describePage(context, repository, page.entries)
  const headers = last === undefined ? page.headers : linkAfter(url, page.count, last)
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPE_OCI_INDEX, manifests }
  const filters = wanted === null ? {} : { 'OCI-Filters-Applied': 'artifactType' }
  return jsonResponse(MEDIA_TYPE_OCI_INDEX, index, { ...headers, ...filters })
}

/** As many as a manifest has room for; `last` is where it ended, if that is not the end. */
async function describePage(
  context: Context,
  repository: string,
  digests: readonly string[],
): Promise<{ readonly manifests: readonly Descriptor[]; readonly last?: string }> {
  const manifests: Descriptor[] = []
  let [room, last] = [context.limits.manifestBytes - ENVELOPE_BYTES, '']
  for await (const [digest, descriptor] of describeAll(context, repository, digests)) {
    room -= descriptor === undefined ? 0 : Buffer.byteLength(JSON.stringify(descriptor)) + 1
    // One is always sent, or there would be no end.
    if (room < 0 && manifests.length > 0) return { manifests, last }
    if (descriptor !== undefined) manifests.push(descriptor)
    last = digest
  }
  return { manifests }
}

/**
 * What a client of a registry without this endpoint listed under the tag of the subject: distribution-spec,
 * "Enabling the Referrers API". Only manifests that are here count.
 */
async function listedUnderTag(context: Context, repository: string, subject: Digest): Promise<Digest[]> {
  const digest = await context.catalog.tags.get(repository, referrersTag(subject))
  const row = digest && (await context.catalog.manifests.get(repository, digest))
  if (digest === undefined || row?.mediaType !== MEDIA_TYPE_OCI_INDEX) return []
  const source = await context.blobs.get(digest)
  if (source === undefined) return []
  const bytes = await readAll(source.open(), row.size)
  const { value } = parseIndex(bytes, { maxBytes: row.size })
  return value.manifests.filter(({ mediaType }) => isDocumentType(mediaType)).map((each) => each.digest)
}

async function filtered(
  context: Context,
  repository: string,
  digests: readonly string[],
  artifactType: string,
): Promise<string[]> {
  const found: string[] = []
  for await (const [digest, descriptor] of describeAll(context, repository, digests)) {
    if (descriptor?.artifactType === artifactType) found.push(digest)
  }
  return found
}

/** Each as it is listed, or nothing if it is not here any more. */
async function* describeAll(
  context: Context,
  repository: string,
  digests: readonly string[],
): AsyncGenerator<readonly [digest: string, descriptor: Descriptor | undefined], void, void> {
  for (let from = 0; from < digests.length; from += AT_ONCE) {
    const part = digests.slice(from, from + AT_ONCE)
    const described = await Promise.all(
      part.map((digest) => describe(context, repository, parseDigest(digest))),
    )
    for (const [at, digest] of part.entries()) yield [digest, described[at]]
  }
}

async function describe(
  context: Context,
  repository: string,
  digest: Digest,
): Promise<Descriptor | undefined> {
  const row = await context.catalog.manifests.get(repository, digest)
  const source = row && (await context.blobs.get(digest))
  if (row === undefined || source === undefined) return undefined
  const { mediaType, size } = row
  const bytes = await readAll(source.open(), size)
  const options = { descriptor: { mediaType, digest, size }, maxBytes: size }
  return describeReferrer(parseDocument(bytes, options))
}

async function isUnknown({ catalog }: Context, repository: string): Promise<boolean> {
  return (await catalog.manifests.isEmpty(repository)) && (await catalog.blobs.isEmpty(repository))
}

function jsonResponse(
  mediaType: string,
  value: unknown,
  headers: Readonly<Record<string, string>>,
): Response {
  const body = new TextEncoder().encode(JSON.stringify(value))
  return new Response(body, {
    headers: { 'Content-Type': mediaType, 'Content-Length': String(body.byteLength), ...headers },
  })
}
