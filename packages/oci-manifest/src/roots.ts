/**
 * Roots: the entries of a layout's `index.json`, and the names they go by.
 *
 * image-spec v1.1.1, image-layout.md, "index.json file", and annotations.md for the grammar of names.
 *
 * @module
 */
import { isDigest } from '@varve/digest'
import { ANNOTATION_REF_NAME } from './annotations.ts'
import { OciManifestError, quoted } from './errors.ts'
import type { ImageIndex, IndexEntry } from './image-index.ts'
import { compareText } from './json-writer.ts'
import { formatPlatform } from './platform.ts'

const COMPONENT = '[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*'
const REF_NAME = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`)
const MAX_REF_NAME = 1024

/** The name of an entry, if it has one. */
export function refNameOf({ annotations }: IndexEntry): string | undefined {
  return annotations?.[ANNOTATION_REF_NAME]
}

/** All names, sorted. */
export function refNamesOf(index: ImageIndex): readonly string[] {
  const names = index.manifests.map(refNameOf).filter((name) => name !== undefined)
  return [...new Set(names)].toSorted(compareText)
}

/**
 * Finds a root by its name or its digest, or the only one there is.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_NOT_FOUND`, or `ERR_OCI_MANIFEST_REFERENCE` if several fit; both with
 *   `available`.
 */
export function findRoot(index: ImageIndex, wanted?: string): IndexEntry {
  const found = index.manifests.filter((entry) => {
    if (wanted === undefined) return true
    return refNameOf(entry) === wanted || (isDigest(wanted) && entry.digest === wanted)
  })
  const [first] = found
  if (first === undefined) {
    const what = wanted === undefined ? 'The index has no entries' : `No image is called ${quoted(wanted)}`
    throw new OciManifestError('ERR_OCI_MANIFEST_NOT_FOUND', what, { available: refNamesOf(index) })
  }
  if (found.every(({ digest, mediaType }) => digest === first.digest && mediaType === first.mediaType))
    return first
  throw new OciManifestError(
    'ERR_OCI_MANIFEST_REFERENCE',
    wanted === undefined ? 'Several images; name one of them' : `Several images are called ${quoted(wanted)}`,
    { available: found.map(nameOf) },
  )
}

/** @throws {OciManifestError} `ERR_OCI_MANIFEST_REFERENCE` unless `name` may be written. Any name may be read. */
export function assertRefName(name: string): void {
  if (name.length <= MAX_REF_NAME && REF_NAME.test(name)) return
  throw new OciManifestError('ERR_OCI_MANIFEST_REFERENCE', `Not a name for a layout: ${quoted(name)}`)
}

function nameOf(entry: IndexEntry): string {
  const platform = entry.platform === undefined ? '' : ` (${formatPlatform(entry.platform)})`
  return `${refNameOf(entry) ?? entry.digest}${platform}`
}
