/**
 * What registries want their users to know: warnings, and how much they may still do.
 *
 * @module
 */
import type { ProgressListener } from '../progress.ts'
import { parseRateLimit } from './rate-limit.ts'
import type { TransportHeaders } from './transport.ts'
import { parseWarnings } from './warning.ts'

/** Passes notices on: a warning once for its host and text, a rate limit when it changes. */
export interface Notices {
  /** Reads the headers of a reply that came from the registry itself. */
  read(host: string, headers: TransportHeaders): void
}

/** Warnings that are remembered, and so told, of one client. More are an attack on our memory, or on our attention. */
const MAX_WARNINGS = 1000

/** Tells a listener. Costs nothing without one. */
export function createNotices(listener: ProgressListener | undefined): Notices {
  const told = new Set<string>()
  const limits = new Map<string, string>()
  return {
    read(host, headers) {
      if (listener === undefined) return
      for (const text of parseWarnings(headers.get('warning') ?? [])) {
        const key = `${host} ${text}`
        if (told.has(key) || told.size >= MAX_WARNINGS) continue
        told.add(key)
        listener({ kind: 'warning', host, text })
      }
      const limit = parseRateLimit(headers)
      if (limit === undefined) return
      const key = `${limit.limit} ${limit.remaining} ${limit.windowSeconds}`
      if (limits.get(host) === key) return
      limits.set(host, key)
      listener({ kind: 'rate-limit', host, ...limit })
    },
  }
}
