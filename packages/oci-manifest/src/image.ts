/**
 * Reading images: from whatever a tag names to one manifest and its config.
 *
 * @module
 */
import { type Descriptor, withSignal } from '@varve/digest'
import { ANNOTATION_REFERENCE_TYPE } from './annotations.ts'
import { type ImageConfig, parseConfig, platformOf } from './config.ts'
import type { ContentOptions, ContentReader } from './content.ts'
import type { Parsed } from './document.ts'
import { invalid, OciManifestError, quoted } from './errors.ts'
import { assertNesting, readBytes, readDocument, visit, type Visited } from './graph.ts'
import type { ImageIndex, IndexEntry } from './image-index.ts'
import { type Manifest } from './manifest.ts'
import { isConfigType, isDocumentType, isIndexType } from './media-types.ts'
import { formatPlatform, hostPlatform, normalizePlatform, type Platform } from './platform.ts'
import { isPlatformMatch, type MatchOptions, matchPlatform } from './platform-match.ts'

/** One image, ready to be run or built on. */
export interface Image {
  /** Of the manifest. */
  readonly descriptor: Descriptor
  readonly manifest: Parsed<Manifest>
  readonly config: Parsed<ImageConfig>
  /** As the index lists it, else as the config says; in normal form. */
  readonly platform: Platform
}

/** Which image of an index to read. */
export interface ReadImageOptions extends ContentOptions, MatchOptions {
  /** Default: {@link hostPlatform} for an index; for a lone manifest, whatever it is for. */
  readonly platform?: Platform
}

/** Platforms in a message; the error has all of them. */
const MAX_LISTED = 32

/** A search in progress. */
interface Search {
  readonly reader: ContentReader
  readonly options: ReadImageOptions
  readonly visited: Visited
  /** Platforms met, for the error. */
  readonly available: Set<string>
}

/**
 * Reads the image that `descriptor` names: a manifest, or the best match of an index, nested ones included.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_PLATFORM` if nothing matches, with `available`;
 *   `ERR_OCI_MANIFEST_UNSUPPORTED` if it is an artifact; `_NOT_FOUND`, `_INVALID`, `_LIMIT`.
 * @throws {DigestError} if bytes are not what their descriptor says.
 */
export async function readImage(
  reader: ContentReader,
  descriptor: Descriptor,
  options: ReadImageOptions = {},
): Promise<Image> {
  const search: Search = { reader, options, visited: new Map(), available: new Set() }
  const image = isIndexType(descriptor.mediaType)
    ? await findInIndex(search, descriptor, options.platform ?? hostPlatform(), 1)
    : await readManifest(search, descriptor, options.platform, false)
  if (image !== undefined) return image
  const wanted = formatPlatform(options.platform ?? hostPlatform())
  const available = [...search.available]
  throw new OciManifestError(
    'ERR_OCI_MANIFEST_PLATFORM',
    `Nothing for ${wanted}; there is ${available.slice(0, MAX_LISTED).map(printable).join(', ') || 'no image at all'}`,
    { available, digest: descriptor.digest },
  )
}

async function findInIndex(
  search: Search,
  descriptor: Descriptor,
  wanted: Platform,
  depth: number,
): Promise<Image | undefined> {
  assertNesting(depth)
  if (!visit(search.visited, descriptor)) return undefined
  const { kind, document } = await readDocument(search.reader, descriptor, search.options)
  if (kind !== 'index') throw invalid('', 'Expected an index')
  for (const entry of matchPlatform(imageEntries(search, document.value), wanted, search.options)) {
    const image = isIndexType(entry.mediaType)
      ? await findInIndex(search, entry, wanted, depth + 1)
      : await readManifest(search, entry, wanted, true)
    if (image !== undefined) return image
  }
  return undefined
}

/** The entries that may be images, and a note of their platforms. */
function imageEntries({ available }: Search, index: ImageIndex): readonly IndexEntry[] {
  return index.manifests.filter((entry) => {
    if (!isDocumentType(entry.mediaType) || entry.annotations?.[ANNOTATION_REFERENCE_TYPE] !== undefined)
      return false
    if (entry.platform !== undefined && entry.platform.os !== 'unknown')
      available.add(formatPlatform(entry.platform))
    return true
  })
}

/** The image of a manifest; `undefined` if its config, where no index told, is for another platform. */
async function readManifest(
  search: Search,
  entry: IndexEntry,
  wanted: Platform | undefined,
  inIndex: boolean,
): Promise<Image | undefined> {
  const listed = entry.platform?.os && entry.platform.architecture ? entry.platform : undefined
  if (!visit(search.visited, entry)) return undefined
  const { platform: _, ...descriptor } = entry
  const { kind, document: manifest } = await readDocument(search.reader, descriptor, search.options)
  if (kind !== 'manifest') throw invalid('', 'Expected a manifest')
  const config = await readConfig(search, manifest.value, inIndex && listed === undefined)
  if (config === undefined) return undefined
  const stated = platformOf(config.value)
  if (listed === undefined && wanted !== undefined && !isPlatformMatch(stated, wanted, search.options)) {
    search.available.add(formatPlatform(stated))
    return undefined
  }
  const { layers } = manifest.value
  const diffIDs = config.value.rootfs.diff_ids
  if (layers.length !== diffIDs.length) {
    throw invalid('rootfs.diff_ids', `${diffIDs.length} diffIDs for ${layers.length} layers`)
  }
  return { descriptor, manifest, config, platform: normalizePlatform(listed ?? stated) }
}

/** An artifact that an index lists without a platform is passed over; asked for by itself it is an error. */
async function readConfig(
  search: Search,
  { config }: Manifest,
  optional: boolean,
): Promise<Parsed<ImageConfig> | undefined> {
  if (isConfigType(config.mediaType)) {
    return parseConfig(await readBytes(search.reader, config, withSignal(search.options.signal)), {
      descriptor: config,
    })
  }
  if (optional) return undefined
  throw new OciManifestError(
    'ERR_OCI_MANIFEST_UNSUPPORTED',
    `Not an image, but ${quoted(config.mediaType)}`,
    {
      at: 'config.mediaType',
    },
  )
}

/** An index may say anything about its platforms; a terminal should not obey it. */
function printable(platform: string): string {
  return /^[\x21-\x7e]{1,80}$/.test(platform) ? platform : quoted(platform)
}
