/**
 * Caches beside the local store, which builds on other machines share.
 *
 * @module
 */
import type { Tier, TierEvent } from '@varve/cache-store'

/** A cache that others use too. Only what the record of a step names goes there. */
export interface RemoteCache {
  /** For messages. */
  readonly name: string
  readonly tier: Tier
  /** Whether results are looked for in it. */
  readonly read: boolean
  /** Whether results are written to it. */
  readonly write: boolean
}

/** What a tier has to say to a person, if anything. */
export function tierWarning(event: TierEvent): string | undefined {
  switch (event.type) {
    case 'failed':
      return `${event.tier}: ${cacheMessage(event.error)}`
    case 'lost':
      return `${event.tier} did not take ${event.digest}: ${cacheMessage(event.error)}`
    case 'breaker':
      return event.state === 'open' ? `${event.tier} is left alone for a while` : undefined
    default:
      return undefined
  }
}

/** An error of a cache as a warning, with what to do about it. */
export function cacheMessage(error: unknown): string {
  const { message, hint } = error as { message?: unknown; hint?: unknown }
  return typeof hint === 'string' ? `${String(message)} (${hint})` : String(message)
}
