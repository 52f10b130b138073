/**
 * Images and indexes between OCI and Docker's schema 2, from wherever they are.
 *
 * @module
 */
import type { Descriptor } from '@varve/digest'
import { parseConfig, platformOf } from '../config.ts'
import type { ContentReader } from '../content.ts'
import type { Parsed } from '../document.ts'
import { readBytes } from '../graph.ts'
import type { JsonObject } from '../json.ts'
import type { Manifest } from '../manifest.ts'
import { isConfigType, MEDIA_TYPE_DOCKER_LIST, MEDIA_TYPE_OCI_INDEX } from '../media-types.ts'
import { platformInput } from '../platform.ts'
import { type RewriteOptions, type RewrittenContent, rewriteContent } from '../rewrite/content.ts'
import type { MemberChanges } from '../rewrite/members.ts'
import { convertManifest, type ConvertOptions, droppedMembers, unsupported } from './manifest.ts'

/** How to convert, and what becomes of attestations about images that change. */
export interface ConvertContentOptions extends ConvertOptions, RewriteOptions {}

const OCI_MEMBERS: readonly string[] = ['artifactType', 'subject', 'annotations']
const OCI_ENTRY_MEMBERS: readonly string[] = ['annotations', 'data', 'artifactType']

/**
 * Converts the image or the index that `root` names, nested indexes included.
 *
 * Nothing is written; configs and layers are the same blobs under other types. Copy the result from
 * {@link withDocuments}. An entry of Docker's list must have a platform: where the index has none, the config tells.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_UNSUPPORTED` as {@link convertManifest}; `_NOT_FOUND`, `_INVALID`,
 *   `_LIMIT`.
 * @throws {DigestError} if bytes are not what their descriptor says.
 * @example
 * const converted = await convertContent(layout, root, { to: 'docker', lossy: true })
 * await copyContent(converted.descriptor, withDocuments(layout, converted.documents), repository)
 */
export async function convertContent(
  reader: ContentReader,
  root: Descriptor,
  options: ConvertContentOptions,
): Promise<RewrittenContent> {
  const { to, lossy = false } = options
  const target = to === 'docker' ? MEDIA_TYPE_DOCKER_LIST : MEDIA_TYPE_OCI_INDEX
  return rewriteContent(
    reader,
    root,
    {
      manifest: async (manifest, entry) => {
        const listed = entry !== root
        const artifact = !isConfigType(manifest.value.config.mediaType)
        if (to === 'docker' && lossy && listed && artifact) return []
        return [convertManifest(manifest, options)]
      },
      keeps: (_, at) => {
        if (to === 'docker' && !lossy) throw unsupported(at, `Docker's format has no place for such an entry`)
        return to === 'oci'
      },
      index: (object, { descriptor }) => ({
        ...droppedMembers(object, '', OCI_MEMBERS, options),
        ...(descriptor.mediaType === target ? {} : { mediaType: target }),
      }),
      entry: async (object, at, documents) => ({
        ...droppedMembers(object, at, OCI_ENTRY_MEMBERS, options),
        ...(to === 'docker' ? await missingPlatform(object, documents.at(-1), reader, options) : {}),
      }),
    },
    options,
  )
}

/** The platform of an image whose entry says none. */
async function missingPlatform(
  object: JsonObject,
  document: Parsed<unknown> | undefined,
  reader: ContentReader,
  options: ConvertContentOptions,
): Promise<MemberChanges> {
  const { config } = (document?.value ?? {}) as Partial<Manifest>
  if (config === undefined || object.get('platform') instanceof Map) return {}
  const bytes = await readBytes(reader, config, options)
  return { platform: platformInput(platformOf(parseConfig(bytes, { descriptor: config }).value)) }
}
