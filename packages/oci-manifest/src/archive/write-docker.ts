/**
 * Writing docker-archives, as `docker load` takes them.
 *
 * They have the form of `docker save` since version 25: an image layout, and beside its index a `manifest.json` with
 * paths into it, for those who know nothing of layouts. `docker load` of any version, Podman, containerd and skopeo
 * read it, as either kind of archive.
 *
 * @module
 */
import { type Descriptor, withSignal } from '@varve/digest'
import type { ContentReader } from '../content.ts'
import { OciManifestError, quoted } from '../errors.ts'
import { type Image, readImage } from '../image.ts'
import type { IndexEntry } from '../image-index.ts'
import { compareText, writeJson } from '../json-writer.ts'
import { compressionOf, isIndexType, isNondistributableType } from '../media-types.ts'
import { familiarReference, formatReference, parseReference, type Reference } from '../reference.ts'
import { ANNOTATION_IMAGE_NAME } from '../roots.ts'
import { blobName, fileEntry, writeEntries } from './tar-entries.ts'
import { type ArchiveRoot, listLayout, type WriteArchiveOptions } from './write.ts'

/** An image, and all its names. */
interface Saved {
  readonly image: Image
  readonly references: Reference[]
}

/**
 * Writes a docker-archive as a stream, in a fixed order, each blob once; times and owners are 0.
 *
 * Names are references, `latest` if they have no tag. Of an index, the image for `platform` is written, by default that
 * of this machine. Layers stay compressed with gzip.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_REFERENCE` if a name is not a reference, or has a digest; `_UNSUPPORTED`
 *   for artifacts, and for layers that older Dockers do not read: compressed with zstd, or not to be distributed; as
 *   `writeArchive` and `readImage` for the rest.
 * @throws {DigestError} if bytes are not what their descriptor says; the archive is then not complete.
 */
export async function* writeDockerArchive(
  roots: readonly ArchiveRoot[],
  from: ContentReader,
  options: WriteArchiveOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const saved = await readImages(roots, from, options)
  const { files, blobs } = await listLayout(saved.flatMap(rootsOf), from, options)
  const manifest = writeJson(saved.map(({ image, references }) => dockerEntry(image, references)))
  yield* writeEntries([...files, fileEntry('manifest.json', manifest), ...blobs], options)
}

/** The images, each once, by digest. */
async function readImages(
  roots: readonly ArchiveRoot[],
  from: ContentReader,
  options: WriteArchiveOptions,
): Promise<readonly Saved[]> {
  const found = new Map<string, Saved>()
  for (const { descriptor, name } of roots) {
    const reference = name === undefined ? undefined : taggedReference(name)
    const wanted = isIndexType(descriptor.mediaType) ? options : withSignal(options.signal)
    const image = await readImage(from, descriptor, wanted)
    for (const layer of image.manifest.value.layers) assertLoadable(layer)
    const references = found.get(image.descriptor.digest)?.references ?? []
    if (reference !== undefined) references.push(reference)
    found.set(image.descriptor.digest, { image, references })
  }
  return [...found].toSorted(([a], [b]) => compareText(a, b)).map(([, saved]) => saved)
}

function taggedReference(name: string): Reference {
  const { domain, path, tag = 'latest', digest } = parseReference(name)
  if (digest === undefined) return { domain, path, tag }
  const what = `An image is loaded under a tag, not under a digest: ${quoted(name)}`
  throw new OciManifestError('ERR_OCI_MANIFEST_REFERENCE', what)
}

function assertLoadable({ mediaType, digest }: Descriptor): void {
  const compression = compressionOf(mediaType)
  if ((compression === 'none' || compression === 'gzip') && !isNondistributableType(mediaType)) return
  throw new OciManifestError(
    'ERR_OCI_MANIFEST_UNSUPPORTED',
    `Not a layer for a docker-archive, which may be plain or compressed with gzip: ${quoted(mediaType)}`,
    { digest },
  )
}

function rootsOf({ image, references }: Saved): readonly ArchiveRoot[] {
  const descriptor: IndexEntry = { ...image.descriptor, platform: image.platform }
  if (references.length === 0) return [{ descriptor }]
  return references.map((reference) => ({
    name: familiarReference(reference),
    descriptor: {
      ...descriptor,
      annotations: { ...descriptor.annotations, [ANNOTATION_IMAGE_NAME]: formatReference(reference) },
    },
  }))
}

/** One image of `manifest.json`; the order of the members is Docker's. */
function dockerEntry(
  { manifest }: Image,
  references: readonly Reference[],
): {
  readonly Config: string
  readonly RepoTags: readonly string[] | null
  readonly Layers: readonly string[]
} {
  const { config, layers } = manifest.value
  const tags = new Set(references.map(familiarReference))
  return {
    Config: blobName(config.digest),
    RepoTags: tags.size === 0 ? null : [...tags].toSorted(compareText),
    Layers: layers.map(({ digest }) => blobName(digest)),
  }
}
