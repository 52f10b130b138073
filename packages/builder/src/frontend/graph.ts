/**
 * What names in a Dockerfile mean: stages, contexts and images, and the stage that is asked for.
 *
 * @module
 */
import type { Dockerfile, Stage } from '../dockerfile/parse.ts'
import { problem } from '../dockerfile/problem.ts'
import { suggestion } from '../dockerfile/suggestion.ts'
import { BuilderError } from '../errors.ts'
import type { LowerOptions } from './lowering.ts'

/** Where FROM begins, or `COPY --from` takes files. */
export type Source =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly stage: Stage }
  /** `name` is a reference, or the name of a context. */
  | { readonly kind: 'image' | 'directory'; readonly name: string }

/**
 * The stage `--target` names: by name, without regard to case, by index, or the last one.
 *
 * @throws {BuilderError} `ERR_BUILDER_USAGE` with the nearest name.
 */
export function targetStage({ stages }: Dockerfile, target: string | undefined): Stage {
  if (target === undefined || target === '') return stages.at(-1)!
  const found = findStage(stages, target, stages.length)
  if (found !== undefined) return found
  const names = stages.flatMap((stage) => stage.name ?? [])
  const message = `Target stage ${JSON.stringify(target)} could not be found${suggestion(target, names)}`
  throw new BuilderError('ERR_BUILDER_USAGE', message, {
    ...(names.length > 0 && { hint: `The stages are: ${names.join(', ')}` }),
  })
}

/** What a name means to the stage of index `before`. A context named like a stage or an image takes its place. */
export function findSource(
  name: string,
  before: number,
  { stages }: Dockerfile,
  { contexts }: LowerOptions,
): Source {
  if (name === 'scratch') return { kind: 'scratch' }
  const stage = findStage(stages, name, before)
  for (const context of [name, stage?.name ?? '']) {
    const kind = contexts.get(context)
    if (kind !== undefined) return { kind, name: context }
  }
  return stage === undefined ? { kind: 'image', name } : { kind: 'stage', stage }
}

/**
 * The stages that `target` needs and itself, in order of the file: each after those it needs. Found without recursion,
 * so a chain of stages may be as long as a file allows. `baseOf` gives the expanded name behind FROM.
 */
export function neededStages(
  target: Stage,
  dockerfile: Dockerfile,
  options: LowerOptions,
  baseOf: (stage: Stage) => string,
): Stage[] {
  const needed = new Set<Stage>()
  const pending = [target]
  for (let stage = pending.pop(); stage !== undefined; stage = pending.pop()) {
    if (needed.has(stage)) continue
    needed.add(stage)
    const copied = stage.instructions.flatMap((each) =>
      each.kind === 'copy' || each.kind === 'add' ? (each.from ?? []) : [],
    )
    for (const name of [baseOf(stage), ...copied]) {
      const source = findSource(name, stage.index, dockerfile, options)
      if (source.kind === 'stage') pending.push(source.stage)
    }
  }
  return [...needed].toSorted((a, b) => a.index - b.index)
}

/**
 * Refuses a `--from` that names the stage of index `from` or a later one, which is never what was meant.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE`
 */
export function refuseLaterStage({ stages }: Dockerfile, name: string, from: number): void {
  const later = stages.some((stage) => stage.index >= from && stage.name === name.toLowerCase())
  if (later || (INDEX.test(name) && Number(name) >= from)) {
    const rule = 'it needs to be defined before the current stage'
    throw problem(`Cannot copy from stage ${JSON.stringify(name)}, ${rule}`)
  }
}

/** A stage before index `before`, by name or index; the latest of equal names. */
function findStage(stages: readonly Stage[], name: string, before: number): Stage | undefined {
  const earlier = stages.slice(0, before)
  const wanted = name.toLowerCase()
  return (
    earlier.findLast((stage) => stage.name === wanted) ??
    (INDEX.test(name) ? earlier[Number(name)] : undefined)
  )
}

const INDEX = /^\d+$/
