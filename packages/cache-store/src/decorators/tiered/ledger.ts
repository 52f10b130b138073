/**
 * What became of the writes to the tiers below the first, until somebody asks.
 *
 * @module
 */
import type { PutOutcome } from '../../blob-store.ts'
import type { FlushReport, TierConflict, TierEvent, TierLoss, TierSubject } from './events.ts'

/** Losses and conflicts that are listed one by one. */
const LISTED = 1_000

/** Tells of writes, and adds them up. */
export class Ledger {
  readonly #tell: (event: TierEvent) => void
  #blobs = 0
  #records = 0
  #bytes = 0
  #unlisted = 0
  #lost = new Map<string, TierLoss>()
  #conflicts: TierConflict[] = []

  constructor(tell: (event: TierEvent) => void) {
    this.#tell = tell
  }

  written(subject: TierSubject, outcome: PutOutcome | 'created' | 'same', bytes = 0): void {
    this.#lost.delete(nameOf(subject))
    if (outcome === 'skipped') {
      this.#tell({ ...subject, type: 'skipped' })
      return
    }
    // What was there already has cost nothing and gained nothing.
    if (outcome !== 'existed' && outcome !== 'same') {
      if (subject.what === 'blob') this.#blobs += 1
      else this.#records += 1
      this.#bytes += bytes
    }
    this.#tell({ ...subject, type: 'written', outcome })
  }

  lost(loss: TierLoss): void {
    this.#tell({ ...loss, type: 'lost' })
    if (this.#lost.size < LISTED || this.#lost.has(nameOf(loss))) this.#lost.set(nameOf(loss), loss)
    else this.#unlisted += 1
  }

  conflict(conflict: TierConflict): void {
    this.#tell({ ...conflict, type: 'conflict' })
    if (this.#conflicts.length < LISTED) this.#conflicts.push(conflict)
  }

  /** What happened since this was called last. */
  take(): FlushReport {
    const written = { blobs: this.#blobs, records: this.#records, bytes: this.#bytes }
    const report = {
      written,
      lost: [...this.#lost.values()],
      unlisted: this.#unlisted,
      conflicts: this.#conflicts,
    }
    this.#blobs = 0
    this.#records = 0
    this.#bytes = 0
    this.#unlisted = 0
    this.#lost = new Map()
    this.#conflicts = []
    return report
  }
}

function nameOf({ tier, what, digest, scope }: TierSubject): string {
  return `${what} ${digest} ${scope} ${tier}`
}
