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
  /** A request will be made again. */
  | {
      readonly kind: 'retry'
      /** 1 for the first repetition. */
      readonly attempt: number
      readonly delayMs: number
      readonly error: unknown
    }

/** Called often; must not throw. */
export type ProgressListener = (event: ProgressEvent) => void
