/**
 * Edits of annotations: of a manifest or an index, and of the descriptors in it.
 *
 * image-spec v1.1.1, annotations.md.
 *
 * @module
 */
import type { Descriptor } from '@varve/digest'
import { type AnnotationChanges, assertAnnotations } from '../annotation-rules.ts'
import { describeLike, type Parsed } from '../document.ts'
import { OciManifestError } from '../errors.ts'
import type { TextMap } from '../fields.ts'
import { type ImageIndex, type IndexEntry, parseIndex } from '../image-index.ts'
import { type JsonObject, memberAt, parseJson } from '../json.ts'
import { type JsonInput, writeJson } from '../json-writer.ts'
import { type Manifest, parseManifest } from '../manifest.ts'
import {
  MEDIA_TYPE_DOCKER_LIST,
  MEDIA_TYPE_DOCKER_MANIFEST,
  MEDIA_TYPE_OCI_INDEX,
  MEDIA_TYPE_OCI_MANIFEST,
} from '../media-types.ts'
import {
  DESCRIPTOR_ORDER,
  INDEX_ORDER,
  MANIFEST_ORDER,
  type MemberChanges,
  objectOf,
  objectsOf,
  rewriteMembers,
} from '../rewrite/members.ts'
import { withAnnotations } from './edit-image.ts'

/** What to annotate. */
export interface AnnotateOptions<T extends Descriptor = Descriptor> {
  /** The document itself. */
  readonly document?: AnnotationChanges
  /** Each layer, or each entry of an index; nothing leaves it as it is. */
  readonly each?: (descriptor: T, index: number) => AnnotationChanges | undefined
}

/**
 * Annotates a manifest, or its layers. All else stays as it was written; the config, and so the image ID, is the same.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_UNSUPPORTED` for Docker's format, which has no annotations;
 *   `ERR_OCI_MANIFEST_INVALID` if a key is empty, or a time or digest of image-spec's own keys is none.
 */
export function annotateManifest(manifest: Parsed<Manifest>, options: AnnotateOptions): Parsed<Manifest> {
  refuseDocker(manifest.descriptor, MEDIA_TYPE_DOCKER_MANIFEST)
  const object = objectOf(parseJson(manifest.bytes))
  const { annotations, layers } = manifest.value
  const changes: MemberChanges = {
    ...annotated(annotations, options.document, ''),
    layers: annotateEach(objectsOf(object.get('layers')), layers, 'layers', options.each),
  }
  const bytes = writeJson(rewriteMembers(object, changes, MANIFEST_ORDER))
  return parseManifest(bytes, {
    descriptor: describeLike(manifest.descriptor, MEDIA_TYPE_OCI_MANIFEST, bytes),
  })
}

/** Annotates an index, or its entries; errors as {@link annotateManifest}. */
export function annotateIndex(
  index: Parsed<ImageIndex>,
  options: AnnotateOptions<IndexEntry>,
): Parsed<ImageIndex> {
  refuseDocker(index.descriptor, MEDIA_TYPE_DOCKER_LIST)
  const object = objectOf(parseJson(index.bytes))
  const { annotations, manifests } = index.value
  const changes: MemberChanges = {
    ...annotated(annotations, options.document, ''),
    manifests: annotateEach(objectsOf(object.get('manifests')), manifests, 'manifests', options.each),
  }
  const bytes = writeJson(rewriteMembers(object, changes, INDEX_ORDER))
  return parseIndex(bytes, { descriptor: describeLike(index.descriptor, MEDIA_TYPE_OCI_INDEX, bytes) })
}

function annotateEach<T extends Descriptor>(
  objects: readonly JsonObject[],
  descriptors: readonly T[],
  at: string,
  each: AnnotateOptions<T>['each'],
): readonly JsonInput[] {
  return objects.map((object, index) => {
    const descriptor = descriptors[index] as T
    const changes = annotated(descriptor.annotations, each?.(descriptor, index), `${at}[${index}]`)
    return rewriteMembers(object, changes, DESCRIPTOR_ORDER)
  })
}

/** The changed member; an object without annotations has none. */
function annotated(
  annotations: TextMap | undefined,
  changes: AnnotationChanges | undefined,
  at: string,
): MemberChanges {
  if (changes === undefined) return {}
  assertAnnotations(changes, memberAt(at, 'annotations'))
  const all = withAnnotations(annotations, changes)
  return { annotations: all instanceof Map && all.size === 0 ? undefined : all }
}

function refuseDocker({ mediaType }: Descriptor, docker: string): void {
  if (mediaType !== docker) return
  throw new OciManifestError(
    'ERR_OCI_MANIFEST_UNSUPPORTED',
    "Docker's format has no annotations; convert it first",
  )
}
