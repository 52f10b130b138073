/**
 * Docker-archives without a layout: `manifest.json`, and configs and layers wherever it says.
 *
 * They have no manifests, so these are made here: of OCI's types, always the same for the same archive.
 *
 * @module
 */
import {
  assertExpected,
  type ByteSource,
  bytesSource,
  type Descriptor,
  describe,
  type Digest,
  digestStream,
  withSignal,
} from '@varve/digest'
import { ANNOTATION_REF_NAME } from '../annotations.ts'
import { parseConfig, platformOf } from '../config.ts'
import { descriptorInput } from '../descriptor.ts'
import { MAX_ENTRIES, type Parsed } from '../document.ts'
import { invalid, OciManifestError, quoted } from '../errors.ts'
import { objectFields, optionalStrings, requiredString } from '../fields.ts'
import { type ImageIndex, type IndexEntry, parseIndex } from '../image-index.ts'
import { type JsonValue, MAX_DOCUMENT_BYTES, parseJson } from '../json.ts'
import { writeJson } from '../json-writer.ts'
import {
  MEDIA_TYPE_OCI_CONFIG,
  MEDIA_TYPE_OCI_INDEX,
  MEDIA_TYPE_OCI_LAYER,
  MEDIA_TYPE_OCI_LAYER_GZIP,
  MEDIA_TYPE_OCI_LAYER_ZSTD,
  MEDIA_TYPE_OCI_MANIFEST,
} from '../media-types.ts'
import { normalizePlatform } from '../platform.ts'
import { ROOTS_LIMITS } from '../roots-writer.ts'
import { canDecompress, type DecompressOptions, readDiffID } from '../verify/diff-id.ts'
import type { ContentOptions } from '../content.ts'
import { type ArchiveFiles, openSlot, type OpenedArchive, readSlot, requireSlot } from './files.ts'
import { magicOf } from './magic.ts'
import { safeName } from './scan.ts'

/** One image of `manifest.json`. */
interface Listed {
  readonly config: string
  readonly tags: readonly string[]
  readonly layers: readonly string[]
}

/** The archive while its images are made. */
interface Opening {
  readonly source: ByteSource
  readonly files: ArchiveFiles
  readonly options: ContentOptions & DecompressOptions
  /** What can be read by digest. */
  readonly contents: Map<Digest, ByteSource>
  /** Layers that were looked at, by place and diffID: images share them. */
  readonly layers: Map<string, Descriptor>
}

const MANIFEST_KEYS: readonly string[] = ['Config', 'RepoTags', 'Layers', 'Parent', 'LayerSources']
const LAYER_TYPES: ReadonlyMap<string | undefined, string> = new Map([
  [undefined, MEDIA_TYPE_OCI_LAYER],
  ['gzip', MEDIA_TYPE_OCI_LAYER_GZIP],
  ['zstd', MEDIA_TYPE_OCI_LAYER_ZSTD],
])

/** Makes manifests and an index of what `manifest.json` lists; errors as `readArchive`. */
export async function openDockerImages(
  source: ByteSource,
  files: ArchiveFiles,
  options: ContentOptions & DecompressOptions,
): Promise<OpenedArchive> {
  const opening: Opening = { source, files, options, contents: new Map(), layers: new Map() }
  const bytes = await readSlot(source, files, 'manifest.json', MAX_DOCUMENT_BYTES, options.signal)
  const entries: IndexEntry[] = []
  for (const [index, listed] of parseList(bytes).entries()) {
    const entry = await makeImage(opening, listed, index)
    const named = listed.tags.map((tag) => ({ ...entry, annotations: { [ANNOTATION_REF_NAME]: tag } }))
    entries.push(...(named.length === 0 ? [entry] : named))
  }
  return {
    format: 'docker',
    index: makeIndex(entries),
    find: ({ digest }) => opening.contents.get(digest),
  }
}

function parseList(bytes: Uint8Array): readonly Listed[] {
  const list = parseJson(bytes)
  if (!Array.isArray(list)) {
    throw new OciManifestError('ERR_OCI_MANIFEST_ARCHIVE', 'manifest.json lists no images')
  }
  if (list.length > MAX_ENTRIES) {
    throw new OciManifestError('ERR_OCI_MANIFEST_LIMIT', `${list.length} images; ${MAX_ENTRIES} are allowed`)
  }
  return (list as readonly JsonValue[]).map((value, index) => {
    const fields = objectFields(value, `[${index}]`, MANIFEST_KEYS)
    return {
      config: requiredString(fields, 'Config'),
      tags: optionalStrings(fields, 'RepoTags') ?? [],
      layers: optionalStrings(fields, 'Layers') ?? [],
    }
  })
}

async function makeImage(opening: Opening, listed: Listed, index: number): Promise<IndexEntry> {
  const { source, files, options, contents } = opening
  const bytes = await readSlot(source, files, safeName(listed.config), MAX_DOCUMENT_BYTES, options.signal)
  const config = parseConfig(bytes, { mediaType: MEDIA_TYPE_OCI_CONFIG })
  const diffIDs = config.value.rootfs.diff_ids
  if (listed.layers.length !== diffIDs.length) {
    throw invalid(`[${index}].Layers`, `${listed.layers.length} layers for ${diffIDs.length} diffIDs`)
  }
  const layers: Descriptor[] = []
  for (const [at, diffID] of diffIDs.entries()) {
    layers.push(await makeLayer(opening, listed.layers[at] ?? '', diffID))
  }
  const manifest = writeJson({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE_OCI_MANIFEST,
    config: descriptorInput(config.descriptor),
    layers: layers.map(descriptorInput),
  })
  const descriptor = describe(MEDIA_TYPE_OCI_MANIFEST, manifest)
  contents.set(config.descriptor.digest, bytesSource(bytes))
  contents.set(descriptor.digest, bytesSource(manifest))
  return { ...descriptor, platform: normalizePlatform(platformOf(config.value)) }
}

/** A plain layer is verified when it is read, since its digest is its diffID; a compressed one is verified now. */
async function makeLayer(opening: Opening, name: string, diffID: Digest): Promise<Descriptor> {
  const { source, files, options, contents, layers } = opening
  const { signal } = options
  const slot = requireSlot(files, safeName(name))
  const key = `${slot.offset} ${diffID}`
  const before = layers.get(key)
  if (before !== undefined) return before
  const bytes = openSlot(source, slot)
  const compression = await magicOf(bytes, signal)
  const mediaType = LAYER_TYPES.get(compression)
  if (mediaType === undefined || !canDecompress(mediaType, options)) {
    const what = `The layer ${quoted(name)} is compressed with ${compression}`
    throw new OciManifestError('ERR_OCI_MANIFEST_UNSUPPORTED', what)
  }
  let found = { digest: diffID, size: slot.size }
  if (compression !== undefined) {
    const open = (): AsyncIterable<Uint8Array> => bytes.open(withSignal(signal))
    found = await digestStream(open())
    const digest = await readDiffID({ mediaType, ...found }, open, diffID, options)
    assertExpected({ digest, size: slot.size }, { digest: diffID })
  }
  const descriptor = { mediaType, ...found }
  contents.set(descriptor.digest, bytes)
  layers.set(key, descriptor)
  return descriptor
}

function makeIndex(entries: readonly IndexEntry[]): Parsed<ImageIndex> {
  const manifests = entries.map(descriptorInput)
  return parseIndex(writeJson({ schemaVersion: 2, mediaType: MEDIA_TYPE_OCI_INDEX, manifests }), ROOTS_LIMITS)
}
