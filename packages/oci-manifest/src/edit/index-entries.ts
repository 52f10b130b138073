/**
 * Edits of an index: entries in and out, and all of its images at once.
 *
 * @module
 */
import type { Descriptor } from '@varve/digest'
import type { AssembledImage } from '../assemble.ts'
import { type ImageConfig, parseConfig } from '../config.ts'
import type { ContentReader } from '../content.ts'
import { descriptorInput } from '../descriptor.ts'
import { describeLike, type Parsed } from '../document.ts'
import { readBytes } from '../graph.ts'
import { type ImageIndex, type IndexEntry, parseIndex } from '../image-index.ts'
import { type JsonObject, parseJson } from '../json.ts'
import { writeJson } from '../json-writer.ts'
import { isConfigType } from '../media-types.ts'
import { aboutOf, isAboutAnother } from '../rewrite/about.ts'
import { rewriteContent, type RewriteOptions, type RewrittenContent } from '../rewrite/content.ts'
import { INDEX_ORDER, type MemberChanges, objectOf, objectsOf, rewriteMembers } from '../rewrite/members.ts'

/** Which entries leave an index and which join it. */
export interface EditIndexOptions {
  /** Which stay. Attestations about an image that leaves go with it. Default: all. */
  readonly keep?: (entry: IndexEntry) => boolean
  /** They come after the images that are there, and before attestations, as BuildKit orders them. */
  readonly append?: readonly IndexEntry[]
}

/** Changes the entries of an index; all that stays is as it was written. */
export function editIndex(index: Parsed<ImageIndex>, options: EditIndexOptions): Parsed<ImageIndex> {
  const { keep = () => true, append = [] } = options
  const object = objectOf(parseJson(index.bytes))
  const objects = objectsOf(object.get('manifests'))
  const entries = index.value.manifests
  const here = new Set<string | undefined>(entries.map(({ digest }) => digest))
  const kept = new Set<string | undefined>(entries.filter(keep).map(({ digest }) => digest))
  const stays = (entry: IndexEntry): boolean => {
    const about = aboutOf(entry)
    return keep(entry) && (about === undefined || !here.has(about) || kept.has(about))
  }
  const left = [...entries.keys()].filter((position) => stays(entries[position] as IndexEntry))
  const written = (isImage: boolean) =>
    left
      .filter((position) => isAboutAnother(entries[position] as IndexEntry) !== isImage)
      .map((position) => objects[position] as (typeof objects)[number])
  const attestations = append.filter(isAboutAnother)
  const images = append.filter((entry) => !isAboutAnother(entry))
  const manifests = [
    ...written(true),
    ...images.map(descriptorInput),
    ...written(false),
    ...attestations.map(descriptorInput),
  ]
  const bytes = writeJson(rewriteMembers(object, { manifests }, INDEX_ORDER))
  return parseIndex(bytes, { descriptor: describeLike(index.descriptor, index.descriptor.mediaType, bytes) })
}

/**
 * Edits the image that `root` names, or each image of an index, nested ones included. Artifacts and attestations are not
 * edited; what is about an image that has changed is left out, or pointed at the new one.
 *
 * Nothing is written; copy the result from {@link withDocuments}.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_NOT_FOUND`, `_INVALID`, `_LIMIT`, and what `edit` throws.
 * @throws {DigestError} if bytes are not what their descriptor says.
 * @example
 * const edited = await editImages(layout, root, (image) => configureImage(image, { created, env: { A: 'b' } }))
 * await copyContent(edited.descriptor, withDocuments(layout, edited.documents), layout)
 */
export async function editImages(
  reader: ContentReader,
  root: Descriptor,
  edit: (image: AssembledImage, entry: IndexEntry) => AssembledImage | Promise<AssembledImage>,
  options: RewriteOptions = {},
): Promise<RewrittenContent> {
  return rewriteContent(
    reader,
    root,
    {
      manifest: async (manifest, entry) => {
        const { config: descriptor } = manifest.value
        if (!isConfigType(descriptor.mediaType)) return [manifest]
        const bytes = await readBytes(reader, descriptor, options)
        const image = await edit({ config: parseConfig(bytes, { descriptor }), manifest }, entry)
        return image.config.descriptor.digest === descriptor.digest
          ? [image.manifest]
          : [image.config, image.manifest]
      },
      entry: (object, _, documents) => (documents.length > 1 ? movedPlatform(object, documents) : {}),
    },
    options,
  )
}

/** Windows ties an image to a version, which the entry repeats. */
function movedPlatform(object: JsonObject, [first]: readonly Parsed<unknown>[]): MemberChanges {
  const config = first?.value as Partial<ImageConfig> | undefined
  const platform = objectOf(object.get('platform'))
  const version = config?.['os.version']
  if (version === undefined || !platform.has('os.version') || platform.get('os.version') === version)
    return {}
  return { platform: rewriteMembers(platform, { 'os.version': version }, []) }
}
