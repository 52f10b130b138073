/**
 * Manifests of images between OCI and Docker's schema 2: other names for the same bytes.
 *
 * The config and the layers stay as they are, so the image ID does; the manifest has another digest.
 *
 * @module
 */
import type { Descriptor } from '@varve/digest'
import type { AssembledImage } from '../assemble.ts'
import { parseConfig } from '../config.ts'
import { describeLike, type Parsed } from '../document.ts'
import { OciManifestError, quoted } from '../errors.ts'
import { type JsonObject, parseJson } from '../json.ts'
import { type JsonInput, writeJson } from '../json-writer.ts'
import { type Manifest, parseManifest } from '../manifest.ts'
import {
  dockerLayerType,
  isConfigType,
  MEDIA_TYPE_DOCKER_CONFIG,
  MEDIA_TYPE_DOCKER_MANIFEST,
  MEDIA_TYPE_OCI_CONFIG,
  MEDIA_TYPE_OCI_MANIFEST,
  ociLayerType,
} from '../media-types.ts'
import {
  DESCRIPTOR_ORDER,
  MANIFEST_ORDER,
  type MemberChanges,
  objectOf,
  objectsOf,
  rewriteMembers,
} from '../rewrite/members.ts'

/** The two families of media types. */
export type ImageFormat = 'oci' | 'docker'

/** How to convert. */
export interface ConvertOptions {
  readonly to: ImageFormat
  /**
   * Leaves out what Docker's format has no place for: annotations, a subject, an artifactType, inline data, and, in an
   * index, attestations and artifacts. Without it they are refused. Nothing is ever lost on the way to OCI.
   */
  readonly lossy?: boolean
}

/** Members of OCI that Docker's documents do not have, and of its descriptors. */
const OCI_MEMBERS: readonly string[] = ['artifactType', 'subject', 'annotations']
const OCI_DESCRIPTOR_MEMBERS: readonly string[] = ['annotations', 'data', 'artifactType']

/**
 * Converts the manifest of an image; one that is of that format already comes back as it is.
 *
 * Members that are not known here stay as they were written. To OCI, configs and layers of unknown types keep theirs.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_UNSUPPORTED`, with the place in `at`, if Docker's format cannot hold
 *   it: an artifact, a layer of a type that Docker does not have, or what `lossy` would leave out.
 */
export function convertManifest(manifest: Parsed<Manifest>, options: ConvertOptions): Parsed<Manifest> {
  const { value } = manifest
  const object = objectOf(parseJson(manifest.bytes))
  const target = options.to === 'docker' ? MEDIA_TYPE_DOCKER_MANIFEST : MEDIA_TYPE_OCI_MANIFEST
  const config = convertDescriptor(
    objectOf(object.get('config')),
    configTypeFor(value.config, options),
    'config',
    options,
  )
  const layers = objectsOf(object.get('layers')).map((layer, index) => {
    const place = `layers[${index}]`
    return convertDescriptor(
      layer,
      layerTypeFor(value.layers[index] as Descriptor, place, options),
      place,
      options,
    )
  })
  const dropped = droppedMembers(object, '', OCI_MEMBERS, options)
  const changed = [...layers, config].some((each) => each !== undefined) || Object.keys(dropped).length > 0
  if (manifest.descriptor.mediaType === target && !changed) return manifest
  const changes: MemberChanges = {
    ...dropped,
    mediaType: target,
    config: config ?? objectOf(object.get('config')),
    layers: layers.map((layer, index) => layer ?? (objectsOf(object.get('layers'))[index] as JsonInput)),
  }
  const bytes = writeJson(rewriteMembers(object, changes, MANIFEST_ORDER))
  return parseManifest(bytes, { descriptor: describeLike(manifest.descriptor, target, bytes) })
}

/**
 * Converts an image: another manifest, and the same config under another type; errors as {@link convertManifest}.
 *
 * The bytes of the config stay, and with them the image ID.
 */
export function convertImage(image: AssembledImage, options: ConvertOptions): AssembledImage {
  const manifest = convertManifest(image.manifest, options)
  const { bytes, descriptor } = image.config
  const { mediaType } = manifest.value.config
  return { manifest, config: parseConfig(bytes, { descriptor: { ...descriptor, mediaType } }) }
}

/**
 * Which members of OCI an object has that Docker's may not, as changes that remove them.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_UNSUPPORTED` unless that is allowed. `null` and `{}` say nothing.
 */
export function droppedMembers(
  object: JsonObject,
  at: string,
  members: readonly string[],
  { to, lossy = false }: ConvertOptions,
): MemberChanges {
  if (to === 'oci') return {}
  const found = members.filter((key) => object.has(key))
  for (const key of found) {
    const value = object.get(key)
    const silent = value === null || (key === 'annotations' && value instanceof Map && value.size === 0)
    const place = at === '' ? key : `${at}.${key}`
    if (!lossy && !silent) throw unsupported(place, `Docker's format has no place for ${key}`)
  }
  return Object.fromEntries(found.map((key) => [key, undefined]))
}

export function unsupported(at: string, what: string): OciManifestError {
  return new OciManifestError('ERR_OCI_MANIFEST_UNSUPPORTED', `${what}, at ${at}`, { at })
}

/** The descriptor under another type; `undefined` if nothing changes. */
function convertDescriptor(
  object: JsonObject,
  mediaType: string,
  at: string,
  options: ConvertOptions,
): JsonInput | undefined {
  const dropped = droppedMembers(object, at, OCI_DESCRIPTOR_MEMBERS, options)
  if (Object.keys(dropped).length === 0 && object.get('mediaType') === mediaType) return undefined
  return rewriteMembers(object, { ...dropped, mediaType }, DESCRIPTOR_ORDER)
}

function configTypeFor({ mediaType }: Descriptor, { to }: ConvertOptions): string {
  if (isConfigType(mediaType)) return to === 'docker' ? MEDIA_TYPE_DOCKER_CONFIG : MEDIA_TYPE_OCI_CONFIG
  if (to === 'oci') return mediaType
  throw unsupported('config.mediaType', `Docker's format is for images, not for ${quoted(mediaType)}`)
}

function layerTypeFor({ mediaType }: Descriptor, at: string, { to }: ConvertOptions): string {
  if (to === 'oci') return ociLayerType(mediaType)
  const docker = dockerLayerType(mediaType)
  if (docker !== undefined) return docker
  throw unsupported(`${at}.mediaType`, `Docker's format has no layers of ${quoted(mediaType)}`)
}
