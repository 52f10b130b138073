/**
 * Making artifacts: manifests for content that is not an image.
 *
 * image-spec v1.1.1, manifest.md, "Guidelines for Artifact Usage"; for the older style: image-spec v1.0, where only the
 * type of the config tells.
 *
 * @module
 */
import { type Descriptor, describe } from '@varve/digest'
import { assertAnnotations } from '../annotation-rules.ts'
import { ANNOTATION_CREATED } from '../annotations.ts'
import { descriptorInput } from '../descriptor.ts'
import { assertMediaType, type Parsed } from '../document.ts'
import { invalid } from '../errors.ts'
import type { TextMap } from '../fields.ts'
import { sortedMap, writeJson } from '../json-writer.ts'
import { type Manifest, parseManifest } from '../manifest.ts'
import { EMPTY_DESCRIPTOR, MEDIA_TYPE_OCI_EMPTY, MEDIA_TYPE_OCI_MANIFEST } from '../media-types.ts'

/** Content of an artifact that is in memory; what is stored already is given by its descriptor. */
export interface ArtifactBlob {
  readonly mediaType: string
  readonly bytes: Uint8Array
  readonly annotations?: TextMap
}

/** What {@link assembleArtifact} takes. */
export interface AssembleArtifactOptions {
  /** What the artifact is: a media type of RFC 6838. */
  readonly artifactType: string
  /**
   * `1.1` (default): `artifactType` is a field, and the config empty unless one is given. `1.0`: it is the type of the
   * config, for registries and tools from before.
   */
  readonly style?: '1.1' | '1.0'
  /** Default: `{}`. In style `1.0` its type is `artifactType`, whatever it says. */
  readonly config?: ArtifactBlob | Descriptor
  /** Default in style `1.1`: one that is empty, as the specification advises. */
  readonly layers?: readonly (ArtifactBlob | Descriptor)[]
  /** The document this one is about. Only style `1.1` has it. */
  readonly subject?: Descriptor
  readonly annotations?: TextMap
  /** RFC 3339; becomes an annotation. */
  readonly created?: string
  /** Blobs of at most so many bytes are carried in the manifest as well. Default 0. */
  readonly inlineBytes?: number
}

/** A new artifact; nothing of it is stored anywhere yet. */
export interface AssembledArtifact {
  readonly manifest: Parsed<Manifest>
  /** The config and the layers that were given as bytes, each once. */
  readonly blobs: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[]
}

const EMPTY: ArtifactBlob = { mediaType: MEDIA_TYPE_OCI_EMPTY, bytes: new TextEncoder().encode('{}') }

/**
 * Writes the manifest of an artifact. The same input gives the same bytes: no time is added.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if a type is not one of RFC 6838, a time not one of RFC 3339, or
 *   style `1.0` is to have a subject.
 */
export function assembleArtifact(options: AssembleArtifactOptions): AssembledArtifact {
  const { artifactType, style = '1.1', subject, created, inlineBytes = 0 } = options
  assertMediaType(artifactType, 'artifactType')
  const old = style === '1.0'
  if (old && subject !== undefined) throw invalid('subject', 'Not a field of image-spec v1.0')
  const annotations = {
    ...(created === undefined ? {} : { [ANNOTATION_CREATED]: created }),
    ...options.annotations,
  }
  assertAnnotations(annotations, 'annotations')
  const given = options.config ?? EMPTY
  const config = old ? { ...given, mediaType: artifactType } : given
  const layers = options.layers ?? []
  const contents = [config, ...(layers.length === 0 && !old ? [EMPTY] : layers)]
  const [first = EMPTY_DESCRIPTOR, ...rest] = contents.map((content, index) => {
    const at = index === 0 ? 'config' : `layers[${index - 1}]`
    assertMediaType(content.mediaType, `${at}.mediaType`)
    assertAnnotations(content.annotations ?? {}, `${at}.annotations`)
    return describeContent(content, inlineBytes)
  })
  const manifest = writeJson({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE_OCI_MANIFEST,
    artifactType: old ? undefined : artifactType,
    config: descriptorInput(first),
    layers: rest.map(descriptorInput),
    subject: subject && descriptorInput(plain(subject)),
    annotations: Object.keys(annotations).length === 0 ? undefined : sortedMap(annotations),
  })
  return { manifest: parseManifest(manifest), blobs: blobsOf(contents) }
}

function describeContent(content: ArtifactBlob | Descriptor, inlineBytes: number): Descriptor {
  if (!('bytes' in content)) return content
  const { mediaType, bytes, annotations } = content
  const inline =
    mediaType === MEDIA_TYPE_OCI_EMPTY || (bytes.byteLength > 0 && bytes.byteLength <= inlineBytes)
  return {
    ...describe(mediaType, bytes),
    ...(annotations === undefined ? {} : { annotations }),
    ...(inline ? { data: base64(bytes) } : {}),
  }
}

function blobsOf(contents: readonly (ArtifactBlob | Descriptor)[]): AssembledArtifact['blobs'] {
  const blobs = new Map<string, AssembledArtifact['blobs'][number]>()
  for (const content of contents) {
    if (!('bytes' in content)) continue
    const descriptor = describe(content.mediaType, content.bytes)
    if (!blobs.has(descriptor.digest)) blobs.set(descriptor.digest, { descriptor, bytes: content.bytes })
  }
  return [...blobs.values()]
}

/** A reference to a document, without what only the one who refers says of it. */
function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size }
}

function base64(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text)
}
