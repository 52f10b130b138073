/**
 * Trying again: when, how often, after how long.
 *
 * Every request of this protocol may be sent twice: blobs are named by their content, and a record that is written
 * again is the same record.
 *
 * @module
 */
import type { CacheStoreError } from '../errors.ts'
import { pause } from '../pause.ts'

/** Carries an error that may pass to whoever decides about another attempt. */
export class Transient {
  readonly error: CacheStoreError
  /** How long the server asked us to wait, if it did. */
  readonly afterMs: number | undefined

  constructor(error: CacheStoreError, afterMs?: number) {
    this.error = error
    this.afterMs = afterMs
  }
}

const BASE_MS = 200
const MAX_MS = 5000

/** A build does not stand still for a cache: a server that wants more is given up on. */
const MAX_RETRY_AFTER_MS = 30_000

/** Runs `operation` until it succeeds, fails for good, or has been tried so often; then its last error is thrown. */
export async function withRetries<T>(
  attempts: number,
  operation: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await operation()
    } catch (error) {
      await waitAfter(error, failures, attempts, signal)
    }
  }
}

/** Waits as long as the failure number `failures` deserves, or throws what it was, if there must be no other attempt. */
export async function waitAfter(
  failure: unknown,
  failures: number,
  attempts: number,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted()
  if (!(failure instanceof Transient)) throw failure
  const { error, afterMs } = failure
  if (failures >= attempts || (afterMs ?? 0) > MAX_RETRY_AFTER_MS) throw error
  await pause(afterMs === undefined ? backOff(failures) : later(afterMs), signal)
}

/** Doubles from 200 ms to 5 s, each time between a half and the whole, so that clients do not march in step. */
export function backOff(failures: number, random: number = Math.random()): number {
  return Math.min(MAX_MS, BASE_MS * 2 ** Math.min(failures - 1, 16)) * (0.5 + random / 2)
}

/** Never sooner than asked, for the same reason. */
function later(afterMs: number): number {
  return afterMs + (Math.random() * Math.max(BASE_MS, afterMs)) / 10
}

/** `Retry-After` in milliseconds, from seconds or a date: RFC 9110 section 10.2.3. */
export function parseRetryAfter(value: string | undefined, now: number = Date.now()): number | undefined {
  if (value === undefined) return undefined
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now
  return Number.isNaN(wait) ? undefined : Math.max(0, wait)
}
