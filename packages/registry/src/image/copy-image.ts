/**
 * Whole images from one place to another, with what belongs to them.
 *
 * Everything moves after what it needs: blobs, documents from the leaves to the root, then referrers, and names last.
 * So whoever sees a name can pull all of it, and a copy that was broken off goes on when it is repeated.
 *
 * @module
 */
import { bytesSource, type Descriptor, readAll, withSignal } from '@varve/digest'
import {
  copyContent,
  type CopyResult,
  eachOf,
  MAX_DOCUMENT_BYTES,
  type PlannedDocument,
} from '@varve/oci-manifest'
import { RegistryError } from '../errors.ts'
import { type Companion, companionsOf } from './companions.ts'
import { type CopyImageOptions, type CopyImageResult, namesOf } from './copy-options.ts'
import { type Destination, destinationOf } from './destination.ts'
import type { ImageSource } from './places.ts'

/**
 * Copies an image, an index or an artifact.
 *
 * What is there is not sent again: of a manifest that the registry has under its digest, nothing more is even asked for,
 * so that pushing an image that has not changed takes one request for each name and one for each manifest. Between
 * repositories of one registry blobs are mounted.
 *
 * @throws {RegistryError | OciManifestError} as the places do; `ERR_OCI_MANIFEST_PLATFORM` if `platforms` has one that
 *   the image does not; `ERR_REGISTRY_LIMIT` for referrers without end.
 * @throws {DigestError} if bytes are not what their descriptor says.
 * @example
 * const from = client.repository('ghcr.io/owner/app:1.0')
 * await copyImage({ from, to: client.repository('registry.example/app:1.0'), referrers: true })
 */
export async function copyImage(options: CopyImageOptions): Promise<CopyImageResult> {
  const { image, from, to, platforms = [], referrers = false, signal } = options
  const [platform, ...more] = platforms
  const resolving = platform === undefined || more.length > 0 ? {} : { platform }
  const root =
    typeof image === 'object' ? image : await from.resolve(image, { ...resolving, ...withSignal(signal) })
  const names = namesOf(options)
  if ('pack' in to) {
    // With what reads and writes archives, which takes 13 ms to load (measured).
    const { copyToArchive } = await import('./copy-to-archive.ts')
    return copyToArchive({ ...options, to }, root, names)
  }
  const destination = destinationOf(to)
  // Where others check signatures, an image must not be seen before them.
  const copy = await copyOne(options, destination, root, referrers === false ? names : undefined)
  const companions = await companionsOf(options, copy.result.documents)
  const results = [copy.result]
  const { platforms: _, attestations: __, ...whole } = options
  // They are small and many: several at a time, each in one piece after the other.
  const each = { ...whole, concurrency: 1 }
  await eachOf(companions, options, async ({ descriptor, subject, tag }, stop) => {
    if (tag === undefined) await destination.distrustUnlisted(subject, descriptor.digest, stop)
    const companion = await copyOne(
      { ...each, signal: stop },
      destination,
      descriptor,
      tag === undefined ? [] : [tag],
    )
    await finish({ ...each, signal: stop }, destination, companion)
    results.push(companion.result)
  })
  await finish(options, destination, copy, names)
  return summarize(results, companions)
}

/** A copy whose root may not have all of its names. */
interface Copy {
  readonly result: CopyResult
  /** The root, if it was read. */
  readonly document: PlannedDocument | undefined
  /** Names that mean something else still; `undefined` if nobody has asked. */
  readonly stale: readonly string[] | undefined
}

/** Copies one root with all it needs, under its names at once where the destination can; `undefined` is for later. */
async function copyOne(
  options: CopyImageOptions,
  destination: Destination,
  root: Descriptor,
  names: readonly string[] | undefined,
): Promise<Copy> {
  const { from, recheck = false, concurrency = 8, signal } = options
  let stale = names && (await destination.staleNames(names, root, signal))
  let document: PlannedDocument | undefined
  const result = await copyContent(root, from, destination, {
    ...options,
    concurrency,
    trustManifests: destination.checksManifests && !recheck,
    async writeRoot(planned, stop) {
      document = planned
      if (planned.descriptor.digest !== root.digest) stale = undefined
      if (destination.checksManifests && stale !== undefined && stale.length > 0) {
        await destination.name(stale, planned, stop)
        stale = []
        return 'copied'
      }
      if (await destination.has(planned.descriptor, { signal: stop })) return 'existed'
      await destination.write(planned.descriptor, bytesSource(planned.bytes), { signal: stop })
      return 'copied'
    },
  })
  return { result, document, stale }
}

/** Gives a copy the names that it does not have yet. */
async function finish(
  { from, signal }: CopyImageOptions,
  destination: Destination,
  { result, document, stale }: Copy,
  names: readonly string[] = [],
): Promise<void> {
  const { descriptor } = result
  const left = stale ?? (await destination.staleNames(names, descriptor, signal))
  if (left.length === 0 && destination.checksManifests) return
  await destination.name(left, document ?? (await readRoot(from, descriptor, signal)), signal)
}

async function readRoot(
  from: ImageSource,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): Promise<PlannedDocument> {
  const source = await from.read(descriptor, withSignal(signal))
  const bytes = source && (await readAll(source.open(withSignal(signal)), MAX_DOCUMENT_BYTES))
  if (bytes !== undefined) return { descriptor, bytes }
  throw new RegistryError('ERR_REGISTRY_NOT_FOUND', `The source has no ${descriptor.digest} any more`)
}

function summarize(results: readonly CopyResult[], companions: readonly Companion[]): CopyImageResult {
  const total = { copied: 0, existed: 0, mounted: 0, bytes: 0 }
  for (const { copied, existed, mounted, bytes } of results) {
    total.copied += copied
    total.existed += existed
    total.mounted += mounted
    total.bytes += bytes
  }
  const { descriptor } = results[0] as CopyResult
  return { ...total, descriptor, referrers: companions.map((companion) => companion.descriptor) }
}
