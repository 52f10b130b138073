/**
 * What all edits of an image have in common: OCI documents in which only what was asked for has changed.
 *
 * Members that are not known here stay as they were written. Edits take what they give, so that they can follow each
 * other; a `readImage` result will do as well.
 *
 * @module
 */
import { ANNOTATION_CREATED } from '../annotations.ts'
import type { AssembledImage } from '../assemble.ts'
import { CONFIG_KEYS, type ImageConfig, parseConfig } from '../config.ts'
import { historyInput, OF_THE_BASE_ONLY, OF_THE_BASE_RUNTIME_ONLY } from '../config-writer.ts'
import { convertImage } from '../convert/manifest.ts'
import { describeLike, type Parsed } from '../document.ts'
import { invalid } from '../errors.ts'
import { isTime, type TextMap } from '../fields.ts'
import { assertInStep, dated, type HistoryStep, readSteps } from '../history.ts'
import { type JsonObject, parseJson } from '../json.ts'
import { type JsonInput, sortedMap, writeJson } from '../json-writer.ts'
import { parseManifest } from '../manifest.ts'
import { MEDIA_TYPE_OCI_CONFIG } from '../media-types.ts'
import {
  DESCRIPTOR_ORDER,
  MANIFEST_ORDER,
  type MemberChanges,
  objectOf,
  objectsOf,
  rewriteMembers,
} from '../rewrite/members.ts'

/** When an edit is said to have happened. */
export interface EditOptions {
  /** RFC 3339: of the image, its annotation, and history entries without a time. */
  readonly created: string
}

/** An image taken apart for an edit. */
export interface EditedImage {
  /** OCI, whatever the image was. */
  readonly image: AssembledImage
  /** As in the manifest, base first. */
  readonly layers: readonly JsonObject[]
  /** In step with the layers. */
  readonly history: readonly HistoryStep[]
}

/** New parts of the config. What is left out stays. */
export interface ConfigChanges {
  readonly members?: MemberChanges
  /** Of the runtime section. */
  readonly runtime?: MemberChanges
  readonly diffIDs?: readonly string[]
  readonly history: readonly HistoryStep[]
  readonly created: string
}

/**
 * Takes an image apart; its history is repaired where it does not fit the layers.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if layers and diffIDs differ in number, or `created` is no time.
 */
export function openImage(image: AssembledImage, { created }: EditOptions): EditedImage {
  if (!isTime(created)) throw invalid('created', `Not RFC 3339: ${JSON.stringify(created)}`)
  const { config, manifest } = convertImage(image, { to: 'oci' })
  const layers = objectsOf(objectOf(parseJson(manifest.bytes)).get('layers'))
  const diffIDs = config.value.rootfs.diff_ids.length
  if (layers.length !== diffIDs) {
    throw invalid('rootfs.diff_ids', `${diffIDs} diffIDs for ${layers.length} layers`)
  }
  return { image: { config, manifest }, layers, history: readSteps(config, created) }
}

/**
 * Writes an edited image.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if history and layers are out of step, or a time is none.
 */
export function closeImage(
  { image }: EditedImage,
  config: ConfigChanges | undefined,
  layers?: readonly JsonInput[],
  annotations: Readonly<Record<string, string | null>> = {},
): AssembledImage {
  const changed = config === undefined ? image.config : changeConfig(image.config, config)
  const object = objectOf(parseJson(image.manifest.bytes))
  const { mediaType, digest, size } = changed.descriptor
  const time = config === undefined ? {} : { [ANNOTATION_CREATED]: config.created }
  const all = withAnnotations(image.manifest.value.annotations, { ...time, ...annotations })
  const descriptor = { mediaType, digest, size, data: undefined }
  const changes: MemberChanges = {
    ...(config === undefined
      ? {}
      : { config: rewriteMembers(objectOf(object.get('config')), descriptor, DESCRIPTOR_ORDER) }),
    ...(layers === undefined ? {} : { layers }),
    ...(all === undefined ? {} : { annotations: all }),
  }
  const bytes = writeJson(rewriteMembers(object, changes, MANIFEST_ORDER))
  const described = describeLike(image.manifest.descriptor, image.manifest.descriptor.mediaType, bytes)
  return { config: changed, manifest: parseManifest(bytes, { descriptor: described }) }
}

/** Annotations after a change, sorted; `null` removes one. Nothing, if there are none before and after. */
export function withAnnotations(
  annotations: TextMap | undefined,
  changes: Readonly<Record<string, string | null>>,
): JsonInput | undefined {
  const left = Object.entries({ ...annotations, ...changes }).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  )
  if (left.length === 0 && annotations === undefined) return undefined
  return sortedMap(Object.fromEntries(left))
}

function changeConfig(config: Parsed<ImageConfig>, changes: ConfigChanges): Parsed<ImageConfig> {
  const object = objectOf(parseJson(config.bytes))
  const runtime = objectOf(object.get('config'))
  const rootfs = objectOf(object.get('rootfs'))
  const { created, diffIDs = config.value.rootfs.diff_ids, history } = changes
  assertInStep(history, diffIDs.length)
  const bytes = writeJson(
    rewriteMembers(
      object,
      {
        ...without(OF_THE_BASE_ONLY),
        ...changes.members,
        created,
        config: rewriteMembers(runtime, { ...without(OF_THE_BASE_RUNTIME_ONLY), ...changes.runtime }, []),
        rootfs: rewriteMembers(rootfs, { diff_ids: diffIDs }, ['type', 'diff_ids']),
        history: dated(history, created).map(historyInput),
      },
      CONFIG_KEYS,
    ),
  )
  return parseConfig(bytes, { descriptor: describeLike(config.descriptor, MEDIA_TYPE_OCI_CONFIG, bytes) })
}

function without(keys: ReadonlySet<string>): MemberChanges {
  return Object.fromEntries([...keys].map((key) => [key, undefined]))
}
