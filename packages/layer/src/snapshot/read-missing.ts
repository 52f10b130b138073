/**
 * Digests that a snapshot cannot do without.
 *
 * @module
 */
import { setImmediate } from 'node:timers/promises'
import type { Entry } from '../entry.ts'
import { compareEntries } from '../diff/compare.ts'
import { readDigest, recordedDigest, RecordedContent } from './content.ts'
import type { Recorder, Suspect } from './recorder.ts'

/** Bytes between two turns of the event loop. */
const TURN = 16 * 1024 * 1024

/** Hashes files whose stamps do not say enough, now or the next time, and takes over what proves to be the same. */
export async function readMissing(
  { entries, stamps, suspects }: Recorder,
  time: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  let read = 0
  for (const suspect of suspects) {
    const entry = entries[suspect.index]!
    const { content } = entry
    if (content instanceof RecordedContent && content.digest === undefined && entry.size > 0) {
      if (isDoubtful(entry, suspect.previous) || stamps.isRacy(suspect.index, time)) {
        content.digest = await readDigest(content, signal)
        read += entry.size
        if (read >= TURN) {
          read = 0
          await setImmediate()
        }
        signal?.throwIfAborted()
      }
    }
    const same = provenSame(entry, suspect)
    if (same !== undefined) entries[suspect.index] = same
  }
}

/** Whether there is a digest to compare with, and a need to. */
function isDoubtful(entry: Entry, previous: Entry | undefined): boolean {
  if (previous?.content === undefined || recordedDigest(previous.content) === undefined) return false
  return previous.size === entry.size
}

/** The earlier entry, if it is a file with the same content and all else. */
function provenSame(entry: Entry, { previous, racy }: Suspect): Entry | undefined {
  if (!racy || previous === undefined || entry.type !== 'file' || previous.type !== 'file') return undefined
  return compareEntries(previous, entry, { content: 'stat', ignoreMtimeOnly: false }) === 'same'
    ? previous
    : undefined
}
