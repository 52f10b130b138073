/**
 * What the instructions that make a layer have in common.
 *
 * @module
 */
import { posix } from 'node:path'
import type { Instruction } from '../dockerfile/instruction.ts'
import type { RootStep } from '../plan/plan.ts'
import type { InstructionContext } from './lowering.ts'
import { historyEntry } from './metadata.ts'

const LAYERS: ReadonlySet<string> = new Set(['run', 'copy', 'add', 'workdir'])

/** Makes a step the new end of a stage, and an entry of its history. */
export function pushStep(
  { state, stage, lowering }: InstructionContext,
  { text, location }: Instruction,
  createdBy: string,
  step: RootStep,
): void {
  const layers = stage.instructions.filter(({ kind }) => LAYERS.has(kind)).length
  state.ordinal += 1
  // Triggers of the base image are not among the instructions of the stage.
  const place = `${state.ordinal}/${Math.max(layers, state.ordinal)}`
  state.root = lowering.add(step, {
    name: `[${state.name === '' ? '' : `${state.name} `}${place}] ${text}`,
    slot: state.name,
    location,
  })
  state.history.push(historyEntry(createdBy, false))
}

/** A path as a process in the working directory would read it; never above the root. */
export function resolvePath(workingDirectory: string, path: string): string {
  return posix.resolve('/', workingDirectory, path)
}
