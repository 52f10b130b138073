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
import { formatPlatform, type Platform } from './platform.ts'
import { type MatchOptions, matchPlatform } from './platform-match.ts'
import { dockerReference, formatReference, parseReference } from './reference.ts'

const COMPONENT = '[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*'
const REF_NAME = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`)
const MAX_REF_NAME = 1024

/** The whole name of an image, which containerd, BuildKit and `docker save` write beside a mere tag. */
export const ANNOTATION_IMAGE_NAME = 'io.containerd.image.name'

/** Which of several roots of one name. */
export interface ResolveOptions extends MatchOptions {
  /** Where names are shared, as some tools do by platform, the best root for this one. */
  readonly platform?: Platform
}

/** The name of an entry, if it has one. */
export function refNameOf({ annotations }: IndexEntry): string | undefined {
  return annotations?.[ANNOTATION_REF_NAME]
}

/** All names by which {@link findRoot} finds something, sorted. */
export function namesOf(index: ImageIndex): readonly string[] {
  const names = index.manifests.flatMap((entry) => namesOfEntry(entry))
  return [...new Set(names)].toSorted(compareText)
}

/**
 * Finds a root by its name or its digest, or the only one there is.
 *
 * A name is looked for as it is written, then among whole names of images (`io.containerd.image.name`), then as the
 * image it means: `alpine:3.20` finds `docker.io/library/alpine:3.20`.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_NOT_FOUND`, or `ERR_OCI_MANIFEST_REFERENCE` if several fit, both with
 *   `available`; `_PLATFORM` if several fit, and none of them the platform.
 */
export function findRoot(index: ImageIndex, wanted?: string, options: ResolveOptions = {}): IndexEntry {
  const found = entriesFor(index, wanted)
  const [first] = found
  if (first === undefined) {
    const what = wanted === undefined ? 'The index has no entries' : `No image is called ${quoted(wanted)}`
    throw new OciManifestError('ERR_OCI_MANIFEST_NOT_FOUND', what, { available: namesOf(index) })
  }
  if (found.every(({ digest, mediaType }) => digest === first.digest && mediaType === first.mediaType))
    return first
  const available = found.map(labelOf)
  if (options.platform !== undefined) {
    const [best] = matchPlatform(found, options.platform, options)
    if (best !== undefined) return best
    throw new OciManifestError('ERR_OCI_MANIFEST_PLATFORM', 'None of several images is for the platform', {
      available,
    })
  }
  throw new OciManifestError(
    'ERR_OCI_MANIFEST_REFERENCE',
    wanted === undefined ? 'Several images; name one of them' : `Several images are called ${quoted(wanted)}`,
    { available },
  )
}

/** @throws {OciManifestError} `ERR_OCI_MANIFEST_REFERENCE` unless `name` may be written. Any name may be read. */
export function assertRefName(name: string): void {
  if (name.length <= MAX_REF_NAME && REF_NAME.test(name)) return
  throw new OciManifestError('ERR_OCI_MANIFEST_REFERENCE', `Not a name for a layout: ${quoted(name)}`)
}

function entriesFor({ manifests }: ImageIndex, wanted: string | undefined): readonly IndexEntry[] {
  if (wanted === undefined) return manifests
  const written = manifests.filter(
    (entry) => refNameOf(entry) === wanted || (isDigest(wanted) && entry.digest === wanted),
  )
  if (written.length > 0) return written
  const named = manifests.filter(({ annotations }) => annotations?.[ANNOTATION_IMAGE_NAME] === wanted)
  const meaning = named.length > 0 ? undefined : meaningOf(wanted)
  if (meaning === undefined) return named
  return manifests.filter((entry) =>
    // A name without a colon or a slash is a mere tag, and may be one of any image.
    namesOfEntry(entry).some((name) => /[:/]/.test(name) && meaningOf(name) === meaning),
  )
}

/** The image that a name means. */
function meaningOf(name: string): string | undefined {
  try {
    return formatReference(dockerReference(parseReference(name)))
  } catch {
    return undefined
  }
}

function namesOfEntry(entry: IndexEntry): readonly string[] {
  return [refNameOf(entry), entry.annotations?.[ANNOTATION_IMAGE_NAME]].filter((name) => name !== undefined)
}

function labelOf(entry: IndexEntry): string {
  const platform = entry.platform === undefined ? '' : ` (${formatPlatform(entry.platform)})`
  return `${namesOfEntry(entry).at(-1) ?? entry.digest}${platform}`
}
