/**
 * What belongs to an image without being part of it: its referrers, and what cosign puts beside it under tags.
 *
 * @module
 */
import { type Descriptor, type Digest, readAll } from '@varve/digest'
import {
  describeReferrer,
  eachOf,
  isDocumentType,
  isTag,
  MAX_DOCUMENT_BYTES,
  parseDocument,
} from '@varve/oci-manifest'
import { RegistryError } from '../errors.ts'
import type { CopyImageOptions } from './copy-options.ts'
import type { ImageSource } from './places.ts'

/** A signature, an attestation, an SBOM, or anything else that is about a manifest. */
export interface Companion {
  /** With its artifact type and annotations, as far as whoever lists it tells them. */
  readonly descriptor: Descriptor
  /** What it is about. */
  readonly subject: Digest
  /** Its name, where only that tells what it is about: cosign's `sha256-….sig`, `.att` and `.sbom`. */
  readonly tag?: string
}

/** Signatures of signatures of signatures. */
const MAX_DEPTH = 8
const MAX_COMPANIONS = 10_000
/** One that is about several images is in several lists. */
const MAX_LISTED = 10 * MAX_COMPANIONS
/** What BuildKit lists in an index anyway. */
const BUILDKIT_ATTESTATION = 'application/vnd.docker.attestation.manifest.v1+json'
const COSIGN_SUFFIXES: readonly string[] = ['sig', 'att', 'sbom']

/**
 * Finds the companions of documents, and theirs in turn, each once. Whatever `wants` does not want is left out, with
 * all that is about it.
 *
 * @throws {RegistryError} `ERR_REGISTRY_LIMIT` if there are too many, or too deep.
 */
async function findCompanions(
  documents: readonly Descriptor[],
  from: ImageSource,
  wants: (companion: Companion) => boolean,
  { concurrency, signal }: CopyImageOptions,
): Promise<readonly Companion[]> {
  const visited = new Set(documents.map(({ digest }) => digest))
  const found: Companion[] = []
  const search = createSearch(from)
  let level: readonly Descriptor[] = documents
  for (let depth = 0; level.length > 0; depth++) {
    const lists = new Map<Digest, readonly Companion[]>()
    let listed = 0
    await eachOf(level, { concurrency, signal }, async ({ digest }, stop) => {
      const list = await search(digest, stop)
      listed += list.length
      if (listed > MAX_LISTED) throw withoutEnd(`${MAX_LISTED} referrers in lists`)
      lists.set(digest, list)
    })
    const next: Descriptor[] = []
    for (const companion of level.flatMap(({ digest }) => lists.get(digest) ?? [])) {
      const { descriptor } = companion
      if (visited.has(descriptor.digest) || !isDocumentType(descriptor.mediaType) || !wants(companion))
        continue
      visited.add(descriptor.digest)
      found.push(companion)
      next.push(descriptor)
    }
    if (found.length > MAX_COMPANIONS || (next.length > 0 && depth >= MAX_DEPTH)) {
      throw withoutEnd(`${MAX_COMPANIONS} referrers, or ${MAX_DEPTH} deep`)
    }
    level = next
  }
  return found
}

function withoutEnd(than: string): RegistryError {
  return new RegistryError('ERR_REGISTRY_LIMIT', `More than ${than}`)
}

/** The companions that a copy of these documents takes along. */
export async function companionsOf(
  options: CopyImageOptions,
  documents: readonly Descriptor[],
): Promise<readonly Companion[]> {
  const { from, referrers = false, attestations = true } = options
  if (referrers === false) return []
  const wants = (companion: Companion): boolean =>
    (attestations || companion.descriptor.artifactType !== BUILDKIT_ATTESTATION) &&
    (referrers === true || referrers(companion))
  return findCompanions(documents, from, wants, options)
}

function createSearch(
  from: ImageSource,
): (subject: Digest, signal: AbortSignal) => Promise<readonly Companion[]> {
  let roots: Promise<readonly Companion[]> | undefined
  const listed = async (subject: Digest, signal: AbortSignal): Promise<readonly Companion[]> => {
    if (from.referrers !== undefined) {
      const referrers = await from.referrers(subject, { signal })
      return referrers.map((descriptor) => ({ descriptor, subject }))
    }
    roots ??= rootsAbout(from, signal)
    return (await roots).filter((root) => root.subject === subject)
  }
  return async (subject, signal) => [
    ...(await listed(subject, signal)),
    ...(await cosignOf(from, subject, signal)),
  ]
}

async function cosignOf(
  from: ImageSource,
  subject: Digest,
  signal: AbortSignal,
): Promise<readonly Companion[]> {
  const found: Companion[] = []
  for (const suffix of COSIGN_SUFFIXES) {
    const tag = `${subject.replace(':', '-')}.${suffix}`
    if (!isTag(tag)) continue
    const descriptor = await ifNamed(async () => from.resolve(tag, { signal }))
    if (descriptor !== undefined) found.push({ descriptor, subject, tag })
  }
  return found
}

/** The roots of a layout or an archive that are about something. */
async function rootsAbout(from: ImageSource, signal: AbortSignal): Promise<readonly Companion[]> {
  const index = typeof from.index === 'function' ? await from.index() : from.index
  const found: Companion[] = []
  for (const root of index?.value.manifests ?? []) {
    if (!isDocumentType(root.mediaType)) continue
    const source = await from.read(root, { signal })
    if (source === undefined) continue
    const bytes = await readAll(source.open({ signal }), MAX_DOCUMENT_BYTES)
    const { platform: _, ...descriptor } = root
    const document = parseDocument(bytes, { descriptor })
    const subject = document.document.value.subject?.digest
    if (subject !== undefined) found.push({ descriptor: describeReferrer(document), subject })
  }
  return found
}

/** What a name means, or `undefined` if nothing. */
export async function ifNamed<T>(resolve: () => Promise<T>): Promise<T | undefined> {
  try {
    return await resolve()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ERR_REGISTRY_NOT_FOUND' || code === 'ERR_OCI_MANIFEST_NOT_FOUND') return undefined
    throw error
  }
}
