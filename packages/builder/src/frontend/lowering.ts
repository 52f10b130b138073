/**
 * What the parts of one lowering share.
 *
 * @module
 */
import type { Platform } from '@varve/oci-manifest'
import type { Dockerfile, Stage } from '../dockerfile/parse.ts'
import type { SourceLocation } from '../errors.ts'
import type { Step, StepId, StepLabel } from '../plan/plan.ts'
import type { BaseImage } from './facts.ts'
import type { StageState } from './stage.ts'

/** What a build says beside the Dockerfile. */
export interface LowerOptions {
  readonly target?: string
  readonly buildArgs: ReadonlyMap<string, string>
  readonly labels: ReadonlyMap<string, string>
  readonly platforms: readonly Platform[]
  /** Names given by `--build-context`, and what they are. */
  readonly contexts: ReadonlyMap<string, 'directory' | 'image'>
  /** Seconds since 1970. */
  readonly epoch: number
}

/** Everything one lowering shares between its stages. */
export interface Lowering {
  readonly dockerfile: Dockerfile
  readonly options: LowerOptions
  readonly platform: Platform
  /** Global ARGs, which a bare ARG of a stage takes its value from. */
  readonly globals: ReadonlyMap<string, string>
  add(step: Step, label: StepLabel): StepId
  warn(rule: string, message: string, location: SourceLocation): void
  /** Notes that some ARG has this name. */
  declare(name: string): void
  /** A base image's facts. Throws {@link MissingFact} to ask for them. */
  image(name: string, platform: Platform, location: SourceLocation): BaseImage
  /** The finished state of another stage. */
  stage(stage: Stage): StageState
}

/** An instruction's surroundings: the state to change, and ways to expand words. */
export interface InstructionContext {
  readonly state: StageState
  readonly stage: Stage
  readonly lowering: Lowering
  /**
   * Expands a word in the environment before this instruction: all of it sees the same one. In a heredoc body, quotes
   * are kept.
   */
  readonly expand: (word: string, quotes?: 'remove' | 'keep') => string
  /** Like `expand`, but the result is split at spaces. */
  readonly expandWords: (word: string) => string[]
}

/** The step of a pinned image. */
export function addImage(
  lowering: Lowering,
  image: BaseImage,
  slot: string,
  location: SourceLocation,
): StepId {
  const name = `${slot === '' ? '' : `[${slot}] `}FROM ${image.reference}`
  return lowering.add(
    { op: 'image', reference: image.reference, manifest: image.manifest },
    { name, slot, location },
  )
}
