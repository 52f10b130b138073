/**
 * What tiers tell about themselves.
 *
 * @module
 */
import type { Digest } from '@varve/digest'
import type { Scope } from '../../action-index.ts'
import type { PutOutcome } from '../../blob-store.ts'
import type { OperationName } from '../operation.ts'

/** A blob by its digest, or a record by its key. */
export interface TierSubject {
  readonly tier: string
  readonly what: 'blob' | 'record'
  readonly digest: Digest
  /** Of a record. */
  readonly scope?: Scope
}

/** A blob or a record that a tier did not take. */
export interface TierLoss extends TierSubject {
  readonly error: unknown
}

/** A record whose key has another outcome in a tier: a step that is not deterministic. */
export interface TierConflict {
  readonly tier: string
  readonly key: Digest
  readonly scope: Scope
}

/** Something that went otherwise than from the first tier's success to the next operation. */
export type TierEvent =
  /** Which tier has answered. */
  | (TierSubject & { readonly type: 'found' })
  /** A tier below the first has taken something, or had it. */
  | (TierSubject & { readonly type: 'written'; readonly outcome: PutOutcome | 'created' | 'same' })
  /** A tier had no room, or is not to be written. */
  | (TierSubject & { readonly type: 'skipped' })
  | (TierLoss & { readonly type: 'lost' })
  | (TierConflict & { readonly type: 'conflict' })
  /** A tier is ill; what was asked of it was not done, or counts as a miss. */
  | {
      readonly type: 'failed'
      readonly tier: string
      readonly operation: OperationName
      readonly error: unknown
    }
  /** A tier is left alone, tried again, or used as before. */
  | { readonly type: 'breaker'; readonly tier: string; readonly state: 'open' | 'trial' | 'closed' }

/** What became of writes to the tiers below the first. */
export interface FlushReport {
  readonly written: { readonly blobs: number; readonly records: number; readonly bytes: number }
  /** At most a thousand; {@link unlisted} counts the others. What was lost and written later is not lost. */
  readonly lost: readonly TierLoss[]
  readonly unlisted: number
  /** The first thousand. */
  readonly conflicts: readonly TierConflict[]
}
