/**
 * The state of one stage while its instructions are read.
 *
 * @module
 */
import { type HistoryEntry, type Platform } from '@varve/oci-manifest'
import type { StepId } from '../plan/plan.ts'
import type { StageConfig } from './stage-config.ts'

/** What later instructions, and stages built on this one, go on with. */
export interface StageState {
  readonly name: string
  readonly platform: Platform
  root: StepId | null
  base: StepId | undefined
  config: StageConfig
  /** ARG and ENV in the order they were said: the later one wins, and RUN sees them all. */
  readonly scope: Map<string, string>
  /** Declared ARGs with a value, for the history of RUN. */
  readonly declared: Map<string, string>
  readonly history: HistoryEntry[]
  author: string | undefined
  /** Whether this stage itself has said CMD: only then does ENTRYPOINT keep it. */
  commandSet: boolean
  /** File-system instructions so far, for labels. */
  ordinal: number
}

/** A stage that begins where another one ended. */
export function inheritStage(parent: StageState, name: string): StageState {
  return {
    ...parent,
    name,
    config: structuredClone(parent.config),
    scope: new Map(parent.scope),
    declared: new Map(parent.declared),
    history: [...parent.history],
    commandSet: false,
    ordinal: 0,
  }
}
