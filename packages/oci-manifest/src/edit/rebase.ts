/**
 * Moving an image from one version of its base to another, without building it again.
 *
 * @module
 */
import { type Descriptor, type Digest, withSignal } from '@varve/digest'
import { ANNOTATION_BASE_DIGEST, ANNOTATION_BASE_NAME } from '../annotations.ts'
import type { AssembledImage } from '../assemble.ts'
import type { ContentOptions, ContentReader } from '../content.ts'
import { platformOf } from '../config.ts'
import { OciManifestError, quoted } from '../errors.ts'
import { digestAt } from '../fields.ts'
import type { HistoryStep } from '../history.ts'
import { readImage } from '../image.ts'
import type { Manifest } from '../manifest.ts'
import { formatPlatform, normalizePlatform } from '../platform.ts'
import { formatReference, parseReference } from '../reference.ts'
import { closeImage, type EditedImage, type EditOptions, openImage } from './edit-image.ts'
import { mergeRuntime } from './merge-runtime.ts'

/** What becomes of the config in a rebase. */
export interface RebaseOptions extends EditOptions {
  /**
   * `image` (default) leaves the runtime section as it is. `merged` takes from the new base whatever the image has just
   * as its old base had it, as a build on the new base would: variables, labels, ports and volumes each by itself.
   */
  readonly config?: 'image' | 'merged'
}

/** From which base to which. */
export interface RebaseImageOptions extends RebaseOptions {
  readonly oldBase: AssembledImage
  readonly newBase: AssembledImage
  /** Reference of the new base, for the annotation. Default: as it is. */
  readonly name?: string
  /** Digest of the new base, for the annotation. Default: that of its manifest. */
  readonly digest?: Digest
}

/** Where the bases of an image are. */
export interface RebaseByAnnotationsOptions extends RebaseOptions, ContentOptions {
  /** Finds what a reference names, such as in its registry. */
  readonly locate: (
    reference: string,
  ) => Promise<{ readonly reader: ContentReader; readonly descriptor: Descriptor }>
}

/** What an image says it is built on. */
export interface BaseAnnotations {
  readonly name?: string
  readonly digest?: Digest
}

/**
 * Puts the layers and the history above `oldBase` on top of `newBase`. The config stays that of the image, but for the
 * version of the operating system, which Windows ties to the base, and what `config` asks for.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_BASE` if the layers or the history of `oldBase` are not the beginning of
 *   the image's, or `newBase` is for another platform; `ERR_OCI_MANIFEST_INVALID`.
 */
export function rebaseImage(image: AssembledImage, options: RebaseImageOptions): AssembledImage {
  const opened = openImage(image, options)
  const oldBase = openImage(options.oldBase, options)
  const newBase = openImage(options.newBase, options)
  const diffIDs = opened.image.config.value.rootfs.diff_ids
  const below = oldBase.image.config.value.rootfs.diff_ids
  if (below.length === 0) throw notBased('The old base has no layers')
  if (!below.every((diffID, index) => diffID === diffIDs[index])) {
    throw notBased(`The ${below.length} layers of the old base are not the first of the image`)
  }
  assertSamePlatform(opened, newBase)
  const { value } = newBase.image.config
  const version = value['os.version']
  const runtime = {
    image: opened.image.config.value.config ?? {},
    oldBase: oldBase.image.config.value.config ?? {},
    newBase: value.config ?? {},
  }
  return closeImage(
    opened,
    {
      created: options.created,
      diffIDs: [...value.rootfs.diff_ids, ...diffIDs.slice(below.length)],
      history: [...newBase.history, ...historyAbove(opened.history, oldBase.history)],
      members: version === undefined ? {} : { 'os.version': version },
      runtime: options.config === 'merged' ? mergeRuntime(runtime) : {},
    },
    [...newBase.layers, ...opened.layers.slice(below.length)],
    {
      ...(options.name === undefined ? {} : { [ANNOTATION_BASE_NAME]: options.name }),
      [ANNOTATION_BASE_DIGEST]: options.digest ?? options.newBase.manifest.descriptor.digest,
    },
  )
}

/**
 * Moves an image to what the name of its base means now. Gives the very same image if that has not changed.
 *
 * @throws {OciManifestError} as {@link rebaseImage}; `ERR_OCI_MANIFEST_BASE` if it does not say what it is built on;
 *   `ERR_OCI_MANIFEST_REFERENCE`, and what `readImage` throws.
 */
export async function rebaseByAnnotations(
  image: AssembledImage,
  options: RebaseByAnnotationsOptions,
): Promise<AssembledImage> {
  const { created, config, locate } = options
  const { name, digest } = baseAnnotations(image.manifest.value)
  if (name === undefined || digest === undefined) throw notBased('The image does not say what it is built on')
  const { digest: _, ...named } = parseReference(name)
  const newest = await locate(formatReference(named))
  if (newest.descriptor.digest === digest) return image
  const oldest = await locate(formatReference({ ...named, digest }))
  const platform = platformOf(image.config.value)
  const choice = { platform, ...withSignal(options.signal) }
  return rebaseImage(image, {
    created,
    ...(config === undefined ? {} : { config }),
    oldBase: await readImage(oldest.reader, oldest.descriptor, choice),
    newBase: await readImage(newest.reader, newest.descriptor, choice),
    digest: newest.descriptor.digest,
  })
}

/**
 * Reads what an image says it is built on.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if the digest is none.
 */
export function baseAnnotations({ annotations }: Manifest): BaseAnnotations {
  const name = annotations?.[ANNOTATION_BASE_NAME]
  const digest = annotations?.[ANNOTATION_BASE_DIGEST]
  return {
    ...(name === undefined ? {} : { name }),
    ...(digest === undefined ? {} : { digest: digestAt(digest, `annotations.${ANNOTATION_BASE_DIGEST}`) }),
  }
}

/** What was done after the base. Times may differ: some tools fill them in. */
function historyAbove(
  history: readonly HistoryStep[],
  below: readonly HistoryStep[],
): readonly HistoryStep[] {
  const differs = below.findIndex((step, index) => !isSameStep(step, history[index]))
  if (differs === -1) return history.slice(below.length)
  throw notBased(`Entry ${differs} of the old base's history is not that of the image`)
}

function isSameStep(a: HistoryStep, b: HistoryStep | undefined): boolean {
  return (
    a.created_by === b?.created_by &&
    a.comment === b?.comment &&
    a.author === b?.author &&
    (a.empty_layer === true) === (b?.empty_layer === true)
  )
}

function assertSamePlatform({ image }: EditedImage, { image: base }: EditedImage): void {
  const { 'os.version': _, 'os.features': __, ...own } = normalizePlatform(platformOf(image.config.value))
  const {
    'os.version': ___,
    'os.features': ____,
    ...other
  } = normalizePlatform(platformOf(base.config.value))
  if (formatPlatform(own) === formatPlatform(other)) return
  throw notBased(
    `The new base is for ${quoted(formatPlatform(other))}, the image for ${quoted(formatPlatform(own))}`,
  )
}

function notBased(message: string): OciManifestError {
  return new OciManifestError('ERR_OCI_MANIFEST_BASE', message)
}
