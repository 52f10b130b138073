/**
 * What an interrupted collector left in the trash.
 *
 * @module
 */
import { basename, dirname, sep } from 'node:path'
import { type Digest, formatDigest } from '@varve/digest'
import type { Extra } from './count.ts'
import { statusOf } from './files.ts'
import { diskBytes, isAlgorithm } from './listing.ts'
import type { Place } from './place.ts'
import { type Entry, entryAt } from './scan.ts'
import { noteRemoval, type Run } from './sweep.ts'
import { empty, putBack, trashOf } from './trash.ts'

/**
 * Puts blobs and records back to be judged anew; what cannot be, or was only a mark or a lock, goes for good. A dry run
 * is told of them instead.
 */
export function recoverTrash(run: Run): Extra {
  const isDry = run.options.dryRun === true
  const [blobs, records]: [Entry[], Entry[]] = [[], []]
  for (const item of trashOf(run.place)) {
    const status = statusOf(item.path)
    if (status === undefined) continue
    const kind = kindOf(run.place, item.origin)
    if (kind === undefined || statusOf(item.origin) !== undefined) {
      if (!isDry) empty(item)
      noteRemoval(run, 'leftover', item.path, diskBytes(status))
    } else if (isDry) {
      const digest = kind === 'blobs' ? digestAt(item.origin) : undefined
      const entry = entryAt(item.path, basename(item.origin), digest)
      if (entry !== undefined) (kind === 'blobs' ? blobs : records).push(entry)
    } else putBack(item)
  }
  return { blobs, records }
}

function kindOf(place: Place, origin: string): 'blobs' | 'records' | undefined {
  const below = (directory: string): boolean => origin.startsWith(`${place.root}${sep}${directory}${sep}`)
  if (below('blobs')) return 'blobs'
  return below('ac') ? 'records' : undefined
}

function digestAt(path: string): Digest | undefined {
  const algorithm = basename(dirname(path))
  return isAlgorithm(algorithm) ? formatDigest(algorithm, basename(path)) : undefined
}
