/**
 * Dockerfile to plan.
 *
 * Lowering is a pure function of the text, the options and the facts about base images. What it must still be told
 * comes back as needs; the caller finds the answers and lowers again.
 *
 * @module
 */
import { hostPlatform, type Platform } from '@varve/oci-manifest'
import type { Dockerfile, Stage, Warning } from '../dockerfile/parse.ts'
import { BuilderError } from '../errors.ts'
import {
  COMPAT,
  type ImagePlan,
  type Plan,
  type Step,
  type StepId,
  stepId,
  type StepLabel,
} from '../plan/plan.ts'
import { factKey, type Facts, type ImageNeed, MissingFact } from './facts.ts'
import { baseName, openStage } from './from.ts'
import { neededStages, targetStage } from './graph.ts'
import { applyInstruction } from './instructions.ts'
import type { Lowering, LowerOptions } from './lowering.ts'
import { toImageConfig } from './stage-config.ts'
import type { StageState } from './stage.ts'
import { globalArguments, platformArguments, undeclaredArguments } from './variables.ts'
import { Warnings } from './warnings.ts'

/** A plan, or what is missing for one. */
export type Lowered =
  | { readonly plan: Plan; readonly warnings: readonly Warning[] }
  | { readonly needs: readonly ImageNeed[] }

/** A file with more stages is hostile: each may be built on the one before. */
const MAXIMUM_STAGES = 1000

/**
 * Lowers every platform of a build into one plan, or tells which base images it must know. Each platform asks for one
 * image at a time, since what one says, by its triggers, may decide what is needed next.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE`, `ERR_BUILDER_USAGE`, `ERR_BUILDER_UNSUPPORTED`
 */
export function lowerDockerfile(dockerfile: Dockerfile, options: LowerOptions, facts: Facts): Lowered {
  const target = targetStage(dockerfile, options.target)
  if (dockerfile.stages.length > MAXIMUM_STAGES) {
    const message = `The Dockerfile has more than ${MAXIMUM_STAGES} stages`
    throw new BuilderError('ERR_BUILDER_DOCKERFILE', message, { location: target.location })
  }
  const shared: Shared = {
    dockerfile,
    options,
    facts,
    steps: new Map(),
    labels: new Map(),
    warnings: new Warnings(dockerfile),
    declared: new Set(),
  }
  const images: ImagePlan[] = []
  const needs = new Map<string, ImageNeed>()
  for (const platform of options.platforms) {
    try {
      images.push(lowerImage(target, platform, shared))
    } catch (error) {
      if (!(error instanceof MissingFact)) throw error
      needs.set(factKey(error.need.name, error.need.platform), error.need)
    }
  }
  if (needs.size > 0) return { needs: [...needs.values()] }
  const { steps, labels, warnings, declared } = shared
  const plan: Plan = { version: 1, compat: COMPAT, epoch: options.epoch, steps, labels, images }
  const unused = undeclaredArguments(dockerfile, options.buildArgs, declared)
  return { plan, warnings: [...warnings.report(), ...unused] }
}

/** What the platforms of one build fill together: equal steps are one step. */
interface Shared {
  readonly dockerfile: Dockerfile
  readonly options: LowerOptions
  readonly facts: Facts
  readonly steps: Map<StepId, Step>
  readonly labels: Map<StepId, StepLabel>
  readonly warnings: Warnings
  readonly declared: Set<string>
}

function lowerImage(target: Stage, platform: Platform, shared: Shared): ImagePlan {
  const lowering = createLowering(target, platform, shared)
  const { dockerfile, options } = shared
  for (const stage of neededStages(target, dockerfile, options, (each) => baseName(each, lowering))) {
    lowering.stage(stage)
  }
  const state = lowering.stage(target)
  const { root, base, author, history } = state
  const config = structuredClone(state.config)
  for (const [name, value] of shared.options.labels) config.labels.set(name, value)
  return {
    platform: state.platform,
    root,
    config: toImageConfig(config),
    history,
    ...(author !== undefined && { author }),
    ...(base !== undefined && { base }),
  }
}

function createLowering(target: Stage, platform: Platform, shared: Shared): Lowering {
  const { dockerfile, options, facts, steps, labels, warnings, declared } = shared
  const targetName = options.target || (target.name ?? 'default')
  const automatic = platformArguments(platform, hostPlatform(), targetName)
  for (const name of automatic.keys()) declared.add(name)
  const done = new Map<Stage, StageState>()
  const lowering: Lowering = {
    dockerfile,
    options,
    platform,
    globals: globalArguments(dockerfile, options.buildArgs, automatic),
    add: (step, label) => {
      const id = stepId(step)
      if (!steps.has(id)) {
        steps.set(id, step)
        labels.set(id, label)
      }
      return id
    },
    warn: (rule, message, location) => {
      warnings.add({ rule, message, location })
    },
    declare: (name) => void declared.add(name),
    image: (name, wanted, location) => {
      const fact = facts.get(factKey(name, wanted))
      if (fact === undefined) throw new MissingFact({ name, platform: wanted, location })
      return fact
    },
    stage: (stage) => {
      const state = done.get(stage) ?? lowerStage(stage, lowering)
      done.set(stage, state)
      return state
    },
  }
  return lowering
}

function lowerStage(stage: Stage, lowering: Lowering): StageState {
  const { state, triggers } = openStage(stage, lowering)
  for (const instruction of [...triggers, ...stage.instructions]) {
    applyInstruction(instruction, state, stage, lowering)
  }
  return state
}
