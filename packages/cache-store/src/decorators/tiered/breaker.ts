/**
 * Leaves a tier alone that fails again and again, and tries it once in a while.
 *
 * @module
 */
import type { OperationName } from '../operation.ts'

/** When a tier is given up on, and for how long. */
export interface BreakerOptions {
  /** Failures of one kind of operation in a row. Default 3. */
  readonly failures?: number
  /** Milliseconds until one operation is let through to try it. Default 30,000. */
  readonly coolDownMs?: number
}

/** Leave to run one operation. Each one is settled once. */
export interface Ticket {
  /** `unknown`: nothing was learnt about the tier. */
  settle(operation: OperationName, verdict: 'good' | 'bad' | 'unknown'): void
}

/**
 * A circuit breaker. Failures are counted by kind of operation: a store whose lookups work and whose reads do not is
 * no good store.
 */
export class Breaker {
  readonly #limit: number
  readonly #coolDownMs: number
  readonly #onChange: (state: 'open' | 'trial' | 'closed') => void
  readonly #failures = new Map<OperationName, number>()
  /** By the clock that never goes back; `undefined` while the circuit is closed. */
  #openUntil: number | undefined
  #isOnTrial = false

  constructor(options: BreakerOptions, onChange: (state: 'open' | 'trial' | 'closed') => void) {
    this.#limit = options.failures ?? 3
    this.#coolDownMs = options.coolDownMs ?? 30_000
    this.#onChange = onChange
  }

  /** `undefined` while the tier is left alone. */
  admit(): Ticket | undefined {
    const isTrial = this.#openUntil !== undefined
    if (isTrial) {
      if (this.#isOnTrial || performance.now() < (this.#openUntil ?? 0)) return undefined
      this.#isOnTrial = true
      this.#onChange('trial')
    }
    return {
      settle: (operation, verdict) => {
        if (isTrial) this.#isOnTrial = false
        if (verdict === 'good') this.succeeded(operation)
        if (verdict === 'bad') this.failed(operation, isTrial)
      },
    }
  }

  /** Whatever answers rightly is to be used again. */
  succeeded(operation: OperationName): void {
    this.#failures.delete(operation)
    if (this.#openUntil === undefined) return
    this.#openUntil = undefined
    this.#onChange('closed')
  }

  /** While the circuit is open only a trial's failure leaves it open for longer. */
  failed(operation: OperationName, isTrial = false): void {
    const count = (this.#failures.get(operation) ?? 0) + 1
    this.#failures.set(operation, count)
    const isToOpen = this.#openUntil === undefined ? count >= this.#limit : isTrial
    if (!isToOpen) return
    this.#openUntil = performance.now() + this.#coolDownMs
    this.#onChange('open')
  }
}
