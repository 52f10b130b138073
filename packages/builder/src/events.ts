/**
 * What a build tells while it goes on. Displays, logs and `--progress json` are listeners of one stream.
 *
 * @module
 */
import type { Digest } from '@varve/digest'
import type { SourceLocation } from './errors.ts'

/** Whether a step was done or remembered. */
export type CacheOutcome = 'hit' | 'miss'

/** One event; `step` is the id of a plan's step. Times are milliseconds. */
export type BuildEvent =
  /** The plan is made; `steps` are those that make a layer, in the order of the Dockerfile. */
  | { readonly type: 'plan'; readonly steps: ReadonlyArray<{ readonly step: Digest; readonly name: string }> }
  | { readonly type: 'step-start'; readonly step: Digest; readonly name: string }
  /** Why a step must run, said before it does. */
  | { readonly type: 'step-miss'; readonly step: Digest; readonly name: string; readonly why: string }
  | {
      readonly type: 'step-log'
      readonly step: Digest
      readonly stream: 'stdout' | 'stderr'
      readonly text: string
    }
  | {
      readonly type: 'step-end'
      readonly step: Digest
      readonly name: string
      readonly cache: CacheOutcome
      readonly why: string
      readonly ms: number
    }
  | { readonly type: 'step-error'; readonly step: Digest; readonly name: string; readonly message: string }
  | {
      readonly type: 'warning'
      readonly rule: string
      readonly message: string
      readonly location?: SourceLocation
    }
  | { readonly type: 'output'; readonly message: string }

/** Takes events; must not throw. */
export type EventListener = (event: BuildEvent) => void
