/**
 * Making images: the same input gives the same bytes.
 *
 * @module
 */
import type { Descriptor, Digest } from '@varve/digest'
import { assertAnnotations } from './annotation-rules.ts'
import { ANNOTATION_BASE_DIGEST, ANNOTATION_BASE_NAME, ANNOTATION_CREATED } from './annotations.ts'
import { type HistoryEntry, type ImageConfig, parseConfig, type RuntimeConfig } from './config.ts'
import { configInput } from './config-writer.ts'
import { descriptorInput } from './descriptor.ts'
import { assertMediaType, type Parsed } from './document.ts'
import { invalid } from './errors.ts'
import { isTime, type TextMap } from './fields.ts'
import { assertInStep, dated, type HistoryStep, readSteps } from './history.ts'
import { type ImageIndex, type IndexEntry, parseIndex } from './image-index.ts'
import { sortedMap, writeJson } from './json-writer.ts'
import { type Manifest, parseManifest } from './manifest.ts'
import {
  isConfigType,
  isLayerType,
  MEDIA_TYPE_OCI_CONFIG,
  MEDIA_TYPE_OCI_INDEX,
  MEDIA_TYPE_OCI_MANIFEST,
  ociLayerType,
} from './media-types.ts'
import type { Platform } from './platform.ts'

/** A layer as it is stored, and the digest of its uncompressed bytes. */
export interface ImageLayer {
  readonly descriptor: Descriptor
  readonly diffID: Digest
}

/** The image that another one is built on. */
export interface BaseImage {
  readonly config: Parsed<ImageConfig>
  /** As in its manifest. */
  readonly layers: readonly Descriptor[]
  /** Reference it was found by; becomes an annotation. */
  readonly name?: string
  /** Digest of its manifest or index; becomes an annotation. */
  readonly digest?: Digest
}

/** What {@link assembleImage} takes. */
export interface AssembleImageOptions {
  readonly platform: Platform
  /** The whole runtime section; nothing known is taken over from the base. */
  readonly config?: RuntimeConfig
  /** On top of the base's. */
  readonly layers: readonly ImageLayer[]
  /** What was done on top of the base: a non-empty entry for each layer. */
  readonly history: readonly HistoryEntry[]
  /** RFC 3339; also of history entries without a time. */
  readonly created: string
  /** Default: the base's. */
  readonly author?: string
  /** Of the manifest; they replace those that are set from `created` and `base`. */
  readonly annotations?: TextMap
  readonly base?: BaseImage
}

/** A new image; neither document is stored anywhere yet. */
export interface AssembledImage {
  readonly config: Parsed<ImageConfig>
  readonly manifest: Parsed<Manifest>
}

/** What {@link assembleIndex} takes beside the entries. */
export interface AssembleIndexOptions {
  readonly annotations?: TextMap
  /** Of an index that is an artifact. */
  readonly artifactType?: string
  /** The document this index is about. */
  readonly subject?: Descriptor
}

/**
 * Writes config and manifest of an image, OCI types throughout.
 *
 * What the base's config holds beyond the known fields is carried over as it was written, except Docker's record of how
 * the base itself was made. The base's history is kept, and repaired where it does not fit its layers.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if history and layers are out of step, the base's layers do not
 *   fit its diffIDs, a layer is of an unknown type or has no bytes, or a time is not RFC 3339.
 */
export function assembleImage(options: AssembleImageOptions): AssembledImage {
  const { base, created, layers } = options
  if (!isTime(created)) throw invalid('created', `Not RFC 3339: ${JSON.stringify(created)}`)
  const descriptors = [...baseLayers(base), ...layers.map(({ descriptor }) => descriptor)]
  assertInStep(options.history, layers.length)
  const annotations = manifestAnnotations(options)
  assertAnnotations(annotations, 'annotations')
  const config = parseConfig(
    writeJson(
      configInput({
        platform: options.platform,
        created,
        author: options.author ?? base?.config.value.author,
        runtime: options.config,
        diffIDs: [...(base?.config.value.rootfs.diff_ids ?? []), ...layers.map(({ diffID }) => diffID)],
        history: [...baseHistory(base, created), ...dated(options.history, created)],
        base: base?.config.bytes,
      }),
    ),
    { mediaType: MEDIA_TYPE_OCI_CONFIG },
  )
  const manifest = writeJson({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE_OCI_MANIFEST,
    config: descriptorInput(config.descriptor),
    layers: descriptors.map(layerInput),
    annotations: sortedMap(annotations),
  })
  return { config, manifest: parseManifest(manifest) }
}

/**
 * Writes an index; the order of entries is the order of preference.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if `artifactType` is not a media type.
 */
export function assembleIndex(
  entries: readonly IndexEntry[],
  options: AssembleIndexOptions = {},
): Parsed<ImageIndex> {
  const { annotations, artifactType, subject } = options
  if (artifactType !== undefined) assertMediaType(artifactType, 'artifactType')
  assertAnnotations(annotations ?? {}, 'annotations')
  return parseIndex(
    writeJson({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE_OCI_INDEX,
      artifactType,
      manifests: entries.map(descriptorInput),
      subject: subject && descriptorInput(subject),
      annotations: annotations && sortedMap(annotations),
    }),
  )
}

function baseLayers(base: BaseImage | undefined): readonly Descriptor[] {
  if (base === undefined) return []
  const diffIDs = base.config.value.rootfs.diff_ids.length
  if (!isConfigType(base.config.descriptor.mediaType)) throw invalid('base', 'Not the config of an image')
  if (base.layers.length !== diffIDs)
    throw invalid('base', `${base.layers.length} layers for ${diffIDs} diffIDs`)
  return base.layers
}

function baseHistory(base: BaseImage | undefined, created: string): readonly HistoryStep[] {
  return base === undefined ? [] : readSteps(base.config, created)
}

/**
 * A layer as it is written into a manifest.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if it is of an unknown type or has no bytes.
 */
export function layerInput(layer: Descriptor, index: number): ReturnType<typeof descriptorInput> {
  if (!isLayerType(layer.mediaType)) {
    throw invalid(`layers[${index}].mediaType`, `Not a layer: ${JSON.stringify(layer.mediaType)}`)
  }
  // Some registries refuse it, and no compression makes it.
  if (layer.size === 0) throw invalid(`layers[${index}].size`, 'A layer of zero bytes')
  return descriptorInput({ ...layer, mediaType: ociLayerType(layer.mediaType) })
}

function manifestAnnotations({ annotations, base, created }: AssembleImageOptions): TextMap {
  return {
    [ANNOTATION_CREATED]: created,
    ...(base?.name === undefined ? {} : { [ANNOTATION_BASE_NAME]: base.name }),
    ...(base?.digest === undefined ? {} : { [ANNOTATION_BASE_DIGEST]: base.digest }),
    ...annotations,
  }
}
