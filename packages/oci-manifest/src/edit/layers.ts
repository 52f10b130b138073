/**
 * Edits of the layers of an image: add, remove, exchange, flatten. History and diffIDs follow.
 *
 * @module
 */
import { type AssembledImage, type ImageLayer, layerInput } from '../assemble.ts'
import { ANNOTATION_BASE_DIGEST, ANNOTATION_BASE_NAME } from '../annotations.ts'
import type { HistoryEntry } from '../config.ts'
import { invalid } from '../errors.ts'
import { assertInStep, countLayers, layerPositions } from '../history.ts'
import { closeImage, type EditOptions, openImage } from './edit-image.ts'

/** What to put on top of an image. */
export interface AppendLayersOptions extends EditOptions {
  readonly layers: readonly ImageLayer[]
  /** What was done: a non-empty entry for each layer. */
  readonly history: readonly HistoryEntry[]
}

/** Which layers to take out of an image. */
export interface RemoveLayersOptions extends EditOptions {
  /** Counted from 0, base first. */
  readonly layers: readonly number[]
}

/** What an image is flattened to. */
export interface FlattenImageOptions extends EditOptions {
  /** The whole root file system. */
  readonly layer: ImageLayer
  /** What the one entry says. Default: how many layers were flattened. */
  readonly history?: HistoryEntry
}

/**
 * Puts layers on top.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if history and layers are out of step, a layer is of an unknown
 *   type or has no bytes, or a time is not RFC 3339.
 */
export function appendLayers(image: AssembledImage, options: AppendLayersOptions): AssembledImage {
  const opened = openImage(image, options)
  const { created, layers, history } = options
  assertInStep(history, layers.length)
  const added = layers.map(({ descriptor }, index) => layerInput(descriptor, index))
  const diffIDs = [...opened.image.config.value.rootfs.diff_ids, ...layers.map(({ diffID }) => diffID)]
  return closeImage(opened, { created, diffIDs, history: [...opened.history, ...history] }, [
    ...opened.layers,
    ...added,
  ])
}

/**
 * Takes layers out, with their history. What they had hidden appears again.
 *
 * @throws {TypeError} if there is no such layer.
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID`
 */
export function removeLayers(image: AssembledImage, options: RemoveLayersOptions): AssembledImage {
  const opened = openImage(image, options)
  const removed = new Set(options.layers)
  for (const layer of removed) {
    if (opened.layers[layer] === undefined)
      throw new TypeError(`No layer ${layer} of ${opened.layers.length}`)
  }
  const positions = layerPositions(opened.history)
  const entries = new Set([...removed].map((layer) => positions[layer]))
  const diffIDs = opened.image.config.value.rootfs.diff_ids
  return closeImage(
    opened,
    {
      created: options.created,
      diffIDs: diffIDs.filter((_, layer) => !removed.has(layer)),
      history: opened.history.filter((_, position) => !entries.has(position)),
    },
    opened.layers.filter((_, layer) => !removed.has(layer)),
  )
}

/**
 * Exchanges the blobs of all layers for others of the same content, such as ones that are compressed otherwise. The
 * config, and so the image ID, stays as it is.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if the diffIDs are not those of the image, or a layer is of an
 *   unknown type or has no bytes.
 */
export function replaceLayers(image: AssembledImage, layers: readonly ImageLayer[]): AssembledImage {
  // Nothing is dated, so any time will do.
  const opened = openImage(image, { created: '1970-01-01T00:00:00Z' })
  const diffIDs = opened.image.config.value.rootfs.diff_ids
  if (layers.length !== diffIDs.length) {
    throw invalid('layers', `${layers.length} layers for ${diffIDs.length} diffIDs`)
  }
  const replaced = layers.map(({ descriptor, diffID }, index) => {
    if (diffID === diffIDs[index]) return layerInput(descriptor, index)
    throw invalid(`layers[${index}]`, `Of diffID ${diffID}; the image has ${diffIDs[index]}`)
  })
  return closeImage(opened, undefined, replaced)
}

/**
 * Puts one layer in place of all. The image is then no longer built on its base, and does not say so.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if the layer is of an unknown type or has no bytes.
 */
export function flattenImage(image: AssembledImage, options: FlattenImageOptions): AssembledImage {
  const opened = openImage(image, options)
  const { created, layer } = options
  const history = options.history ?? { comment: `${countLayers(opened.history)} layers in one` }
  return closeImage(
    opened,
    { created, diffIDs: [layer.diffID], history: [history] },
    [layerInput(layer.descriptor, 0)],
    { [ANNOTATION_BASE_NAME]: null, [ANNOTATION_BASE_DIGEST]: null },
  )
}
