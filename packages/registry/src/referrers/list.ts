/**
 * What is about a manifest: distribution-spec, "Listing Referrers" and "Unavailable Referrers API".
 *
 * @module
 */
import type { Descriptor, Digest } from '@varve/digest'
import {
  type ContentOptions,
  MEDIA_TYPE_OCI_INDEX,
  OciManifestError,
  parseIndex,
  parseJson,
  referrersTag,
} from '@varve/oci-manifest'
import type { Endpoint } from '../endpoint.ts'
import type { FollowedResponse } from '../http/follow.ts'
import { appendQuery } from '../http/location.ts'
import { readJsonReply, readReply } from '../http/reply-body.ts'
import { contentType } from '../http/reply-headers.ts'
import { abilityOf, noteAbility } from '../manifest/abilities.ts'
import { fetchManifest, ifFound } from '../manifest/request.ts'
import { endless, nextPage, requestPage } from '../tags/pages.ts'

/** Which referrers to list. */
export interface ReferrersOptions extends ContentOptions {
  /** Only those of this type. */
  readonly artifactType?: string
}

/** How registries say that they know nothing of this endpoint, each in its own way. */
const UNAVAILABLE: readonly number[] = [400, 404, 405, 406]
const MAX_REFERRERS = 100_000
/** Of all pages of a list together: few entries can have long annotations. */
const MAX_LIST_BYTES = 64 * 1024 * 1024

/**
 * All referrers of a manifest, which need not be there itself: by the registry's own list, else by the one under the
 * tag of its digest. A tag that holds something else than an index is as good as none.
 *
 * Mirrors are not asked: one that has no list cannot be told from one that has an empty list.
 *
 * @throws {RegistryError} `ERR_REGISTRY_REFUSED` for a link that leaves the registry; `ERR_REGISTRY_LIMIT` for a list
 *   without end.
 */
export async function listReferrers(
  endpoint: Endpoint,
  subject: Digest,
  { artifactType, signal }: ReferrersOptions = {},
): Promise<readonly Descriptor[]> {
  const isOffered = abilityOf(endpoint, 'referrers') !== false
  const listed = isOffered ? await listFromApi(endpoint, subject, artifactType, signal) : undefined
  const { entries, isFiltered } = listed ?? (await listFromTag(endpoint, subject, signal))
  const seen = new Set<Digest>()
  const unique = entries.filter(({ digest }) => !seen.has(digest) && seen.add(digest))
  return artifactType === undefined || isFiltered
    ? unique
    : unique.filter((entry) => entry.artifactType === artifactType)
}

/** Whether the registry keeps lists of referrers, so that nobody else has to. */
export async function keepsReferrers(
  endpoint: Endpoint,
  subject: Digest,
  signal?: AbortSignal,
): Promise<boolean> {
  const known = abilityOf(endpoint, 'referrers')
  if (known !== undefined) return known
  return (await listFromApi(endpoint, subject, undefined, signal)) !== undefined
}

interface Listing {
  readonly entries: readonly Descriptor[]
  /** Whether the registry has left out what was not asked for. */
  readonly isFiltered: boolean
}

async function listFromApi(
  endpoint: Endpoint,
  subject: Digest,
  artifactType: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Listing | undefined> {
  const base = `referrers/${subject}`
  const maxBytes = endpoint.exchange.limits.documentBytes
  let target: string | undefined =
    artifactType === undefined ? base : appendQuery(base, 'artifactType', artifactType)
  const headers = { accept: MEDIA_TYPE_OCI_INDEX }
  const visited = new Set<string>()
  const entries: Descriptor[] = []
  let isFiltered = true
  let listBytes = 0
  while (target !== undefined) {
    const expect = visited.size === 0 ? [200, ...UNAVAILABLE] : [200]
    const response: FollowedResponse = await requestPage(
      endpoint,
      { target, headers, expect, signal },
      visited,
    )
    if (response.status !== 200 || contentType(response.headers) !== MEDIA_TYPE_OCI_INDEX) {
      if (!(await isUnknownName(endpoint, response))) noteAbility(endpoint, 'referrers', false)
      return undefined
    }
    const bytes = await readReply(response, maxBytes, 'A page of referrers')
    listBytes += bytes.byteLength
    if (listBytes > MAX_LIST_BYTES) throw endless(`${MAX_LIST_BYTES} bytes`)
    for (const entry of readPage(bytes)) entries.push(entry)
    if (entries.length > MAX_REFERRERS) throw endless(`${MAX_REFERRERS} referrers`)
    const applied = (response.headers.get('oci-filters-applied') ?? []).flatMap((value) =>
      value.split(/[ \t]*,[ \t]*/),
    )
    isFiltered &&= applied.includes('artifactType')
    target = nextPage(endpoint, response)
  }
  noteAbility(endpoint, 'referrers', true)
  return { entries, isFiltered }
}

/** Some registries write an empty list as null. */
function readPage(bytes: Uint8Array): readonly Descriptor[] {
  const options = { mediaType: MEDIA_TYPE_OCI_INDEX, maxBytes: bytes.byteLength }
  const page = parseJson(bytes, options)
  if (page instanceof Map && page.get('manifests') === null) return []
  return parseIndex(bytes, options).value.manifests
}

/** A repository that is not there yet says nothing about the registry. */
async function isUnknownName({ exchange }: Endpoint, response: FollowedResponse): Promise<boolean> {
  try {
    const errors = (await readJsonReply(response, exchange.limits.errorBytes, 'The reply')).get('errors')
    return Array.isArray(errors) && errors.some((each) => isObject(each) && each['code'] === 'NAME_UNKNOWN')
  } catch {
    // Whatever it is, it is no such answer.
    return false
  }
}

async function listFromTag(
  endpoint: Endpoint,
  subject: Digest,
  signal: AbortSignal | undefined,
): Promise<Listing> {
  const found = await ifFound(fetchManifest(endpoint, referrersTag(subject), signal)).catch(ifReadable)
  const isIndex = found?.descriptor.mediaType === MEDIA_TYPE_OCI_INDEX
  const entries = isIndex
    ? parseIndex(found.bytes, { descriptor: found.descriptor, maxBytes: found.bytes.byteLength }).value
        .manifests
    : []
  return { entries, isFiltered: false }
}

/** `undefined` for a document that can be no list. */
function ifReadable(error: unknown): undefined {
  if (error instanceof OciManifestError) return undefined
  throw error
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
