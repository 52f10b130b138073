/**
 * What a client tells while it works.
 *
 * @module
 */
import type { Digest } from '@varve/digest'

/** Something happened. */
export type ProgressEvent =
  /** Bytes of a blob moved. `bytes` counts from its beginning, and falls back when a push must begin again. */
  | {
      readonly kind: 'blob'
      readonly direction: 'pull' | 'push'
      readonly digest: Digest
      readonly bytes: number
      readonly size: number
    }
  /** A blob was not sent, since the registry had it in another repository. */
  | {
      readonly kind: 'mount'
      readonly digest: Digest
      readonly from: string | undefined
      readonly size: number
    }
  /** A request will be made again. */
  | {
      readonly kind: 'retry'
      /** 1 for the first repetition. */
      readonly attempt: number
      readonly delayMs: number
      readonly error: unknown
    }
  /** A mirror could not answer; the next one, or the registry itself, is asked. */
  | { readonly kind: 'mirror'; readonly host: string; readonly error: unknown }
  /** The registry wants its users to read this: distribution-spec, "Warnings". Told once for its host and text. */
  | { readonly kind: 'warning'; readonly host: string; readonly text: string }
  /** How much the registry lets us do: `RateLimit-Limit` and `RateLimit-Remaining`. Told when it changes. */
  | {
      readonly kind: 'rate-limit'
      readonly host: string
      readonly limit: number | undefined
      readonly remaining: number
      /** The period that both count in, in seconds. */
      readonly windowSeconds: number | undefined
    }

/** Called often; must not throw. */
export type ProgressListener = (event: ProgressEvent) => void
