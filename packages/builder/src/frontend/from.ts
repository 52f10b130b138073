/**
 * FROM: what a stage begins with.
 *
 * @module
 */
import { parsePlatform, type Platform } from '@varve/oci-manifest'
import type { Instruction } from '../dockerfile/instruction.ts'
import { expandWord } from '../dockerfile/lexer.ts'
import { parseInstruction, type Stage } from '../dockerfile/parse.ts'
import { locate, problem } from '../dockerfile/problem.ts'
import { suggestion } from '../dockerfile/suggestion.ts'
import { BuilderError } from '../errors.ts'
import { findSource } from './graph.ts'
import { addImage, type Lowering } from './lowering.ts'
import { fromImageConfig } from './stage-config.ts'
import { freshStage, inheritStage, type StageState } from './stage.ts'

/** A stage before its first instruction, and the ONBUILD triggers that its base image carries. */
export interface OpenedStage {
  readonly state: StageState
  readonly triggers: readonly Instruction[]
}

/**
 * Begins a stage: empty, where another one ended, or with an image.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE`, `ERR_BUILDER_UNSUPPORTED`; {@link MissingFact} to ask for an image.
 */
export function openStage(stage: Stage, lowering: Lowering): OpenedStage {
  const { from, location } = stage
  return locate(location, from.original, () => open(stage, lowering))
}

/** The name behind FROM, variables expanded. */
export function baseName(stage: Stage, lowering: Lowering): string {
  const { from, location } = stage
  return locate(location, from.original, () => expandGlobal(stage, from.image, lowering))
}

function open(stage: Stage, lowering: Lowering): OpenedStage {
  const { dockerfile, options } = lowering
  const { from, index, location } = stage
  const image = expandGlobal(stage, from.image, lowering)
  if (image === '') throw problem(`The base name ${JSON.stringify(from.image)} comes out empty`)
  const platform = stagePlatform(stage, lowering)
  const name = stage.name ?? (dockerfile.stages.length > 1 ? `stage-${index}` : '')
  const source = findSource(image, index, dockerfile, options)
  switch (source.kind) {
    case 'scratch':
      return { state: freshStage(name, platform), triggers: [] }
    case 'stage':
      return { state: inheritStage(lowering.stage(source.stage), name), triggers: [] }
    case 'directory': {
      const message = `FROM cannot use the directory context ${JSON.stringify(source.name)}`
      throw new BuilderError('ERR_BUILDER_UNSUPPORTED', message)
    }
    default: {
      const base = lowering.image(source.name, platform, location)
      const config = fromImageConfig(base.config.config)
      // The escape character of this file is not that of the file which said ONBUILD.
      const triggers = config.onBuild.map((text) =>
        parseInstruction(text, { file: `ONBUILD of ${base.reference}` }),
      )
      const root = addImage(lowering, base, name, location)
      return { state: freshStage(name, platform, { ...config, onBuild: [] }, root), triggers }
    }
  }
}

function stagePlatform(stage: Stage, lowering: Lowering): Platform {
  const { from, location } = stage
  if (from.platform === undefined) return lowering.platform
  const text = expandGlobal(stage, from.platform, lowering)
  try {
    return parsePlatform(text)
  } catch (cause) {
    throw new BuilderError('ERR_BUILDER_DOCKERFILE', `Invalid platform ${JSON.stringify(text)}`, {
      location,
      instruction: from.original,
      cause,
    })
  }
}

function expandGlobal({ location }: Stage, word: string, lowering: Lowering): string {
  const { globals, dockerfile } = lowering
  return expandWord(word, globals, {
    escape: dockerfile.escape,
    onUnset: (name, modifier) => {
      if (/^:?[-+?]/.test(modifier)) return
      const nearest = suggestion(name, globals.keys())
      lowering.warn('UndefinedArgInFrom', `FROM argument '${name}' is not declared${nearest}`, location)
    },
  })
}
