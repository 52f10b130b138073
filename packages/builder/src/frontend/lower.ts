/**
 * Dockerfile to plan.
 *
 * Lowering is a pure function of the text, the options and the facts about base images. What it must still be told
 * comes back as needs; the caller finds the answers and lowers again.
 *
 * @module
 */
import { hostPlatform, parsePlatform, type Platform } from '@varve/oci-manifest'
import type { Instruction } from '../dockerfile/instruction.ts'
import { expandWord } from '../dockerfile/lexer.ts'
import { type Dockerfile, parseInstruction, type Stage, type Warning } from '../dockerfile/parse.ts'
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
import { findStage, targetStage } from './graph.ts'
import { applyInstruction } from './instructions.ts'
import { addImage, type Lowering, type LowerOptions } from './lowering.ts'
import { emptyStageConfig, fromImageConfig, toImageConfig } from './stage-config.ts'
import { inheritStage, type StageState } from './stage.ts'
import { platformArguments, PROXY_ARGUMENTS } from './variables.ts'

/** A plan, or what is missing for one. */
export type Lowered =
  | { readonly plan: Plan; readonly warnings: readonly Warning[] }
  | { readonly needs: readonly ImageNeed[] }

/**
 * Lowers every platform of a build into one plan, or tells which base images it must know.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE`, `ERR_BUILDER_USAGE`, `ERR_BUILDER_UNSUPPORTED`
 */
export function lowerDockerfile(dockerfile: Dockerfile, options: LowerOptions, facts: Facts): Lowered {
  const steps = new Map<StepId, Step>()
  const labels = new Map<StepId, StepLabel>()
  const warnings = new Map<string, Warning>(dockerfile.warnings.map((each) => [warningKey(each), each]))
  const images: ImagePlan[] = []
  const used = new Set<string>()
  try {
    for (const platform of options.platforms) {
      images.push(lowerImage(platform))
    }
  } catch (error) {
    if (error instanceof MissingFact) return { needs: [error.need] }
    throw error
  }
  for (const name of options.buildArgs.keys()) {
    if (used.has(name) || PROXY_ARGUMENTS.has(name)) continue
    const warning = {
      rule: 'UnusedBuildArg',
      message: `The build argument ${JSON.stringify(name)} is not declared by any ARG`,
      location: { file: fileOf(dockerfile), line: 1 },
    }
    warnings.set(warningKey(warning), warning)
  }
  const plan: Plan = { version: 1, compat: COMPAT, epoch: options.epoch, steps, labels, images }
  return { plan, warnings: [...warnings.values()] }

  function lowerImage(platform: Platform): ImagePlan {
    const wanted = targetStage(dockerfile, options.target)
    const automatic = platformArguments(platform, hostPlatform(), wanted.name ?? 'default')
    const globals = globalArguments(dockerfile, options.buildArgs, automatic, used)
    const done = new Map<number, StageState>()
    const lowering: Lowering = {
      dockerfile,
      options: { ...options, buildArgs: noticing(options.buildArgs, used) },
      platform,
      globals,
      add: (step, label) => {
        const id = stepId(step)
        if (!steps.has(id)) {
          steps.set(id, step)
          labels.set(id, label)
        }
        return id
      },
      warn: (rule, message, location) => {
        const warning = { rule, message, location }
        warnings.set(warningKey(warning), warning)
      },
      image: (name, wantedPlatform, location) => {
        const fact = facts.get(factKey(name, wantedPlatform))
        if (fact === undefined) throw new MissingFact({ name, platform: wantedPlatform, location })
        return fact
      },
      stage: (stage) => {
        const known = done.get(stage.index)
        if (known !== undefined) return known
        const state = lowerStage(stage, lowering)
        done.set(stage.index, state)
        return state
      },
    }
    const state = lowering.stage(wanted)
    const config = structuredClone(state.config)
    for (const [name, value] of options.labels) config.labels.set(name, value)
    return {
      platform: state.platform,
      root: state.root,
      config: toImageConfig(config),
      history: state.history,
      ...(state.author !== undefined && { author: state.author }),
      ...(state.base !== undefined && { base: state.base }),
    }
  }
}

function lowerStage(stage: Stage, lowering: Lowering): StageState {
  const { state, triggers } = openStage(stage, lowering)
  for (const trigger of triggers) applyInstruction(trigger, state, stage, lowering)
  for (const instruction of stage.instructions) applyInstruction(instruction, state, stage, lowering)
  return state
}

/** FROM: what the stage begins with, and the ONBUILD triggers that its base image carries. */
function openStage(
  stage: Stage,
  lowering: Lowering,
): { state: StageState; triggers: readonly Instruction[] } {
  const { dockerfile, options } = lowering
  const { from, location } = stage
  const expand = (word: string): string =>
    expandWord(word, lowering.globals, { escape: dockerfile.escape, location })
  const name = expand(from.image)
  if (name === '') {
    throw new BuilderError('ERR_BUILDER_DOCKERFILE', `The base name ${JSON.stringify(from.image)} is empty`, {
      location,
    })
  }
  const stageName = stage.name ?? (dockerfile.stages.length > 1 ? `stage-${stage.index}` : '')
  const platform = from.platform === undefined ? lowering.platform : parsePlatform(expand(from.platform))
  const earlier = findStage(dockerfile.stages, name, stage.index)
  if (earlier !== undefined) {
    return { state: inheritStage(lowering.stage(earlier), stageName), triggers: [] }
  }
  const fresh: StageState = {
    name: stageName,
    platform,
    root: null,
    base: undefined,
    config: emptyStageConfig(),
    scope: new Map(),
    declared: new Map(),
    history: [],
    author: undefined,
    commandSet: false,
    ordinal: 0,
  }
  if (name === 'scratch') {
    fresh.scope.set('PATH', fresh.config.env.get('PATH') ?? '')
    return { state: fresh, triggers: [] }
  }
  if (options.contexts.get(name) === 'directory') {
    throw new BuilderError(
      'ERR_BUILDER_UNSUPPORTED',
      `FROM cannot use the directory context ${JSON.stringify(name)}`,
      {
        location,
      },
    )
  }
  const image = lowering.image(name, platform, location)
  const config = fromImageConfig(image.config.config)
  const triggers = config.onBuild.map((text) =>
    parseInstruction(text, { escape: dockerfile.escape, file: `ONBUILD of ${image.reference}` }),
  )
  fresh.config = { ...config, onBuild: [] }
  for (const [variable, value] of config.env) fresh.scope.set(variable, value)
  fresh.base = addImage(lowering, image, stageName, location)
  fresh.root = fresh.base
  return { state: fresh, triggers }
}

function globalArguments(
  dockerfile: Dockerfile,
  buildArgs: ReadonlyMap<string, string>,
  automatic: ReadonlyMap<string, string>,
  used: Set<string>,
): Map<string, string> {
  const scope = new Map(automatic)
  for (const name of automatic.keys()) {
    const given = buildArgs.get(name)
    if (given !== undefined) {
      used.add(name)
      scope.set(name, given)
    }
  }
  for (const { pairs, location } of dockerfile.metaArgs) {
    for (const { name, value } of pairs) {
      const given = buildArgs.get(name)
      if (given !== undefined) used.add(name)
      const resolved =
        given ??
        (value === undefined ? undefined : expandWord(value, scope, { escape: dockerfile.escape, location }))
      if (resolved !== undefined) scope.set(name, resolved)
    }
  }
  return scope
}

/** A view of the build arguments that remembers which were asked for. */
function noticing(buildArgs: ReadonlyMap<string, string>, used: Set<string>): ReadonlyMap<string, string> {
  const view = new Map(buildArgs)
  view.get = (name) => {
    used.add(name)
    return buildArgs.get(name)
  }
  return view
}

function fileOf({ stages }: Dockerfile): string {
  return stages[0]?.location.file ?? 'Dockerfile'
}

function warningKey({ rule, message, location }: Warning): string {
  return `${location.file}:${location.line} ${rule} ${message}`
}
