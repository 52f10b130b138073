/**
 * `RateLimit-Limit` and `RateLimit-Remaining`, as Docker Hub sends them: draft-ietf-httpapi-ratelimit-headers-07.
 *
 * @module
 */
import type { TransportHeaders } from './transport.ts'

/** How much a registry lets us do. */
export interface RateLimit {
  readonly limit: number | undefined
  readonly remaining: number
  /** The period that both count in, in seconds. */
  readonly windowSeconds: number | undefined
}

/** `100;w=21600`, perhaps with other parameters and other policies behind. */
const VALUE = /^[ \t]*(\d{1,15})[ \t]*(?:;([^,]*))?(?:,.*)?$/
const WINDOW = /(?:^|;)[ \t]*w[ \t]*=[ \t]*(\d{1,15})[ \t]*(?:;|$)/i

/** Reads the headers; without a number of what remains there is nothing to tell. */
export function parseRateLimit(headers: TransportHeaders): RateLimit | undefined {
  const remaining = parseValue(headers.get('ratelimit-remaining'))
  if (remaining === undefined) return undefined
  const limit = parseValue(headers.get('ratelimit-limit'))
  return {
    limit: limit?.count,
    remaining: remaining.count,
    windowSeconds: remaining.windowSeconds ?? limit?.windowSeconds,
  }
}

function parseValue(values: readonly string[] | undefined) {
  const [, count, parameters = ''] = VALUE.exec(values?.[0] ?? '') ?? []
  if (count === undefined) return undefined
  const window = WINDOW.exec(parameters)?.[1]
  return { count: Number(count), windowSeconds: window === undefined ? undefined : Number(window) }
}
