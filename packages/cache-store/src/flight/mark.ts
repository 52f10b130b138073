/**
 * What a leader writes into the table.
 *
 * @module
 */

/** The state of a flight, as its leader last said. */
export interface Mark {
  readonly state: 'building' | 'failed'
  /** Tells one leader from another, and makes every mark's bytes its own. */
  readonly nonce: string
  /** The leader is believed dead when the mark is older. */
  readonly ttlMs: number
}

/** Longest that anybody's mark is believed, in milliseconds: an hour. */
const LONGEST_TTL_MS = 3_600_000

/** As JSON. */
export function encodeMark(mark: Mark): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(mark))
}

/** `undefined` for bytes that no leader wrote: such a mark is nobody's. */
export function decodeMark(bytes: Uint8Array): Mark | undefined {
  try {
    const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Partial<Mark> | null
    const { state, nonce, ttlMs } = value ?? {}
    if (state !== 'building' && state !== 'failed') return undefined
    if (typeof nonce !== 'string' || typeof ttlMs !== 'number' || !(ttlMs > 0)) return undefined
    return { state, nonce, ttlMs: Math.min(ttlMs, LONGEST_TTL_MS) }
  } catch {
    return undefined
  }
}

/** 128 random bits. */
export function newNonce(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
}
