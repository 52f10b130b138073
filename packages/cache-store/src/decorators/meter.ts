/**
 * Events of meters, added up.
 *
 * @module
 */
import type { StoreOperation } from './metered.ts'
import type { OperationName } from './operation.ts'

/** Sums over operations. */
export interface Counters {
  readonly count: number
  readonly hits: number
  readonly misses: number
  readonly errors: number
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly milliseconds: number
}

/** The sums until now: of everything, and by tier and operation, in order of their names. */
export interface MeterSnapshot {
  readonly total: Counters
  readonly operations: ReadonlyArray<Counters & { readonly tier: string; readonly operation: OperationName }>
}

/** Adds events up. */
export interface Meter {
  /** For `metered`; may be given to any number of stores. */
  readonly onOperation: (operation: StoreOperation) => void
  snapshot(): MeterSnapshot
}

const NOTHING: Counters = {
  count: 0,
  hits: 0,
  misses: 0,
  errors: 0,
  bytesRead: 0,
  bytesWritten: 0,
  milliseconds: 0,
}

/**
 * Starts a count.
 *
 * @example
 * const meter = createMeter()
 * const store = metered(createMemoryStore(), meter.onOperation, 'memory')
 */
export function createMeter(): Meter {
  const sums = new Map<string, MeterSnapshot['operations'][number]>()
  return {
    onOperation: (event) => {
      const { tier, operation } = event
      const key = `${operation} ${tier}`
      const before = sums.get(key) ?? { ...NOTHING, tier, operation }
      sums.set(key, { tier, operation, ...sumOf(before, countersOf(event)) })
    },
    snapshot: () => {
      const operations = [...sums.values()].toSorted(
        (a, b) => compare(a.tier, b.tier) || compare(a.operation, b.operation),
      )
      return { total: operations.reduce(sumOf, NOTHING), operations }
    },
  }
}

function countersOf({ operation, outcome, hits, misses, bytes, milliseconds }: StoreOperation): Counters {
  const isRead = operation === 'read'
  return {
    count: 1,
    hits,
    misses,
    errors: outcome === 'failed' ? 1 : 0,
    bytesRead: isRead ? bytes : 0,
    bytesWritten: isRead ? 0 : bytes,
    milliseconds,
  }
}

function sumOf(a: Counters, b: Counters): Counters {
  return {
    count: a.count + b.count,
    hits: a.hits + b.hits,
    misses: a.misses + b.misses,
    errors: a.errors + b.errors,
    bytesRead: a.bytesRead + b.bytesRead,
    bytesWritten: a.bytesWritten + b.bytesWritten,
    milliseconds: a.milliseconds + b.milliseconds,
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
