/**
 * Which stages a Dockerfile has by name, and which one is asked for.
 *
 * @module
 */
import type { Dockerfile, Stage } from '../dockerfile/parse.ts'
import { BuilderError, type SourceLocation } from '../errors.ts'

/**
 * The stage `--target` names: by name, without regard to case, by index, or the last one.
 *
 * @throws {BuilderError} `ERR_BUILDER_USAGE` with the nearest name as a hint.
 */
export function targetStage(dockerfile: Dockerfile, target: string | undefined): Stage {
  const { stages } = dockerfile
  const last = stages.at(-1)
  if (last === undefined) throw new BuilderError('ERR_BUILDER_DOCKERFILE', 'The Dockerfile has no stage')
  if (target === undefined || target === '') return last
  const found = findStage(stages, target, stages.length)
  if (found !== undefined) return found
  const names = stages.flatMap((stage) => stage.name ?? [])
  throw new BuilderError('ERR_BUILDER_USAGE', `Target stage ${JSON.stringify(target)} could not be found`, {
    ...(names.length > 0 && { hint: `The stages are: ${names.join(', ')}` }),
  })
}

/** A stage before index `before`, by name or index; the latest of equal names. */
export function findStage(stages: readonly Stage[], name: string, before: number): Stage | undefined {
  const wanted = name.toLowerCase()
  const named = stages.findLast((stage) => stage.index < before && stage.name === wanted)
  if (named !== undefined) return named
  return /^\d+$/.test(name)
    ? stages.find((stage) => stage.index < before && stage.index === Number(name))
    : undefined
}

/** Refuses a name that belongs to this stage or a later one, which is never what was meant. */
export function refuseLaterStage(
  stages: readonly Stage[],
  name: string,
  from: number,
  location: SourceLocation,
): void {
  const later = stages.some((stage) => stage.index >= from && stage.name === name.toLowerCase())
  const index = /^\d+$/.test(name) && Number(name) >= from
  if (later || index) {
    throw new BuilderError(
      'ERR_BUILDER_DOCKERFILE',
      `Cannot copy from stage ${JSON.stringify(name)}, it needs to be defined before the current stage`,
      { location },
    )
  }
}
