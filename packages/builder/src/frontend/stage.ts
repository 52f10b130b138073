/**
 * The state of one stage while its instructions are read.
 *
 * @module
 */
import type { HistoryEntry, Platform } from '@varve/oci-manifest'
import type { StepId } from '../plan/plan.ts'
import { emptyStageConfig, type StageConfig } from './stage-config.ts'

/** What later instructions, and stages built on this one, go on with. */
export interface StageState {
  readonly name: string
  readonly platform: Platform
  root: StepId | null
  readonly base: StepId | undefined
  readonly config: StageConfig
  /** ARG and ENV in the order they were said: the later one wins, and RUN sees them all. */
  readonly scope: Map<string, string>
  /** Names of ARGs, with a value or without, for the history of RUN. */
  readonly declared: Set<string>
  readonly history: HistoryEntry[]
  author: string | undefined
  /** Whether this stage itself has said CMD: only then does ENTRYPOINT keep it. */
  commandSet: boolean
  /** File-system instructions so far, for labels. */
  ordinal: number
}

/** A stage that begins with an image, or with nothing. */
export function freshStage(
  name: string,
  platform: Platform,
  config: StageConfig = emptyStageConfig(),
  base?: StepId,
): StageState {
  return {
    name,
    platform,
    root: base ?? null,
    base,
    config,
    scope: new Map(config.env),
    declared: new Set(),
    history: [],
    author: undefined,
    commandSet: false,
    ordinal: 0,
  }
}

/** A stage that begins where another one ended. Its triggers are for images built on it, not for stages. */
export function inheritStage(parent: StageState, name: string): StageState {
  return {
    ...parent,
    name,
    config: { ...structuredClone(parent.config), onBuild: [] },
    scope: new Map(parent.scope),
    declared: new Set(parent.declared),
    history: [...parent.history],
    commandSet: false,
    ordinal: 0,
  }
}
