/**
 * Whole images into an archive, which is written in one go.
 *
 * @module
 */
import { bytesSource, type Descriptor, type Digest, withSignal } from '@varve/digest'
import { type ContentReader, isNondistributableType, planCopy, readImage } from '@varve/oci-manifest'
import { writeArchiveFile } from '@varve/oci-manifest/archive'
import { RegistryError } from '../errors.ts'
import type { ArchiveTarget } from './archive-target.ts'
import { companionsOf } from './companions.ts'
import type { CopyImageOptions, CopyImageResult } from './copy-options.ts'

/** Manifests of all referrers together: an archive is planned as a whole, and so they are all in memory. */
const MAX_PLANNED_BYTES = 64 * 1024 * 1024

/** Copies to a file. Nothing in it exists before, so all of it is copied. */
export async function copyToArchive(
  options: CopyImageOptions & { readonly to: ArchiveTarget },
  root: Descriptor,
  names: readonly string[],
): Promise<CopyImageResult> {
  const { from, to, signal } = options
  const { platforms: _, attestations: __, ...whole } = options
  const plans = [
    to.format === 'oci'
      ? await planCopy(root, from, options)
      : await planCopy(await oneImage(options, root), from, whole),
  ]
  const [plan] = plans as [(typeof plans)[number]]
  const documents = plan.levels.flat()
  const companions = await companionsOf(
    options,
    documents.map(({ descriptor }) => descriptor),
  )
  let plannedBytes = 0
  for (const { descriptor } of companions) {
    const added = await planCopy(descriptor, from, whole)
    for (const { bytes } of added.levels.flat()) plannedBytes += bytes.byteLength
    if (plannedBytes > MAX_PLANNED_BYTES) {
      throw new RegistryError('ERR_REGISTRY_LIMIT', `More than ${MAX_PLANNED_BYTES} bytes of referrers`)
    }
    plans.push(added)
  }

  const blobs = new Map<Digest, Descriptor>()
  const planned = new Map<Digest, Uint8Array>()
  for (const each of plans) {
    for (const blob of each.blobs) if (!isNondistributableType(blob.mediaType)) blobs.set(blob.digest, blob)
    for (const { descriptor, bytes } of each.levels.flat()) planned.set(descriptor.digest, bytes)
  }
  // An index that was written anew is nowhere but in the plan.
  const reader: ContentReader = {
    async read(descriptor, each) {
      const bytes = planned.get(descriptor.digest)
      return bytes === undefined ? from.read(descriptor, each) : bytesSource(bytes)
    },
  }
  const rootNames = names.length === 0 ? [undefined] : names
  const roots = [
    ...rootNames.map((name) => ({ descriptor: plan.root, name })),
    ...companions.map(({ descriptor, tag }) => ({ descriptor, name: tag })),
  ].map(({ descriptor, name }) => (name === undefined ? { descriptor } : { descriptor, name }))
  await writeArchiveFile(to.path, to.pack(roots, reader, withSignal(signal)))
  const sizes = [
    ...[...blobs.values()].map(({ size }) => size),
    ...[...planned.values()].map((b) => b.byteLength),
  ]
  return {
    descriptor: plan.root,
    referrers: companions.map(({ descriptor }) => descriptor),
    copied: sizes.length,
    existed: 0,
    mounted: 0,
    bytes: sizes.reduce((total, size) => total + size, 0),
  }
}

/**
 * What `docker load` can take of an image.
 *
 * @throws {TypeError} if more is wanted.
 */
async function oneImage(
  { from, platforms = [], referrers = false, signal }: CopyImageOptions,
  root: Descriptor,
): Promise<Descriptor> {
  const [platform, ...more] = platforms
  if (more.length > 0) throw new TypeError('A docker-archive holds an image for one platform')
  if (referrers !== false) throw new TypeError('A docker-archive holds no referrers')
  const wanted = platform === undefined ? {} : { platform }
  return (await readImage(from, root, { ...wanted, ...withSignal(signal) })).descriptor
}
