/**
 * The first tier, which is near and trusted, and may fail all the same.
 *
 * @module
 */
import type { BlobStore } from '../../blob-store.ts'
import type { Store } from '../../store.ts'
import { shared } from '../deduped.ts'
import { isMisuse } from '../failure.ts'
import type { OperationName } from '../operation.ts'
import type { TierEvent } from './events.ts'

/** Runs operations of the first tier; what it cannot do is told, and not done, unless the policy is strict. */
export class First {
  readonly name: string
  readonly store: Store
  readonly isStrict: boolean
  /** Puts of one digest at once are one put: fills meet, and so do those who make the same. */
  readonly put: BlobStore['put']
  readonly #tell: (event: TierEvent) => void

  constructor(name: string, store: Store, isStrict: boolean, tell: (event: TierEvent) => void) {
    this.name = name
    this.store = store
    this.put = shared((digest, source, options) => store.blobs.put(digest, source, options))
    this.isStrict = isStrict
    this.#tell = tell
  }

  /** Gives `otherwise` for a failure that is the store's alone: neither misuse nor ours, nor the signal's. */
  async ask<Result, const Otherwise>(
    operation: OperationName,
    signal: AbortSignal | undefined,
    run: () => Promise<Result>,
    otherwise: Otherwise,
    isOurs: (error: unknown) => boolean = () => false,
  ): Promise<Result | Otherwise> {
    try {
      return await run()
    } catch (error) {
      signal?.throwIfAborted()
      if (this.isStrict || isMisuse(error) || isOurs(error)) throw error
      this.failed(operation, error)
      return otherwise
    }
  }

  /** Tells of a failure that is made up for. */
  failed(operation: OperationName, error: unknown): void {
    this.#tell({ type: 'failed', tier: this.name, operation, error })
  }
}
