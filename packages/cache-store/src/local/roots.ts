/**
 * What pins, refs and the index of the layout keep.
 *
 * A root that is a JSON document, as manifests and indexes are, keeps what it names as well, and so on.
 *
 * @module
 */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { type Digest, isDigest } from '@varve/digest'
import { digestsIn, digestsInText } from './digests-in.ts'
import { readSmallFile } from './files.ts'
import { ALGORITHMS } from './listing.ts'
import { pinNames } from './pins.ts'
import { blobPath, pinPath, pinsDirectory, type Place, refPath, refsDirectory } from './place.ts'
import { refNames } from './refs.ts'

/** Largest manifest: distribution-spec v1.1.1, "Pushing Manifests". */
const MAX_MANIFEST = 4 * 1024 * 1024

/** Times of directories are as coarse as the ticks of a kernel, or worse. */
const COARSE_MS = 2_000

/** Documents read between two breaths. */
const AT_ONCE = 100

/** Which blobs are kept, and by whom. */
export interface Roots {
  /** Names of pins, then `ref NAME`, then `index.json`. */
  readonly owners: readonly string[]
  /** Index of the first owner that keeps a blob. */
  readonly kept: ReadonlyMap<Digest, number>
}

/** Finds all roots. `pathOf` tells where a blob is, if not in its place. */
export async function findRoots(
  place: Place,
  breathe: () => Promise<void>,
  pathOf: (digest: Digest) => string = (digest) => blobPath(place, digest),
): Promise<Roots> {
  const sources = [
    ...pinNames(place).map((name) => ({ owner: name, path: pinPath(place, name) })),
    ...refNames(place).map((name) => ({ owner: `ref ${name}`, path: refPath(place, name) })),
    { owner: 'index.json', path: join(place.root, 'index.json') },
  ]
  const kept = new Map<Digest, number>()
  let read = 0
  for (const [owner, { path }] of sources.entries()) {
    const waiting = [...digestsIn(path)]
    for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
      if (kept.has(digest) || !isDigest(digest, ALGORITHMS)) continue
      kept.set(digest, owner)
      waiting.push(...namedByManifest(pathOf(digest)))
      if ((read += 1) % AT_ONCE === 0) await breathe()
    }
    if ((read += 1) % AT_ONCE === 0) await breathe()
  }
  return { owners: sources.map(({ owner }) => owner), kept }
}

/**
 * Gives a function that tells whether roots may have changed since it was called last. One change within the same tick
 * as the look before cannot be seen, so that for a while after any change the answer is yes.
 */
export function watchRoots(place: Place): () => boolean {
  const look = (): { readonly text: string; readonly isFresh: boolean } => {
    const paths = [pinsDirectory(place), refsDirectory(place), join(place.root, 'index.json')]
    const all = paths.map((path) => lstatSync(path, { bigint: true, throwIfNoEntry: false }))
    const newest = Math.max(...all.map((status) => Number(status?.mtimeMs ?? 0)))
    return {
      text: all.map((status) => `${status?.ino} ${status?.mtimeNs}`).join(),
      isFresh: newest > place.clock.now() - COARSE_MS,
    }
  }
  let before = look()
  return () => {
    const now = look()
    const isSame = now.text === before.text && !before.isFresh
    before = now
    return !isSame
  }
}

function namedByManifest(path: string): readonly Digest[] {
  const bytes = readSmallFile(path, MAX_MANIFEST)
  // Key documents are no JSON: refs that remember them keep them, and not every input that ever was.
  if (bytes === undefined || !/^\s*\{/.test(new TextDecoder().decode(bytes.subarray(0, 64)))) return []
  const text = new TextDecoder().decode(bytes)
  try {
    JSON.parse(text)
    return digestsInText(text)
  } catch {
    return []
  }
}
