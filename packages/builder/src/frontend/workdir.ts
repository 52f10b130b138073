/**
 * WORKDIR.
 *
 * @module
 */
import type { WorkdirInstruction } from '../dockerfile/instruction.ts'
import { pushStep, resolvePath } from './layer-step.ts'
import type { InstructionContext } from './lowering.ts'
import { historyEntry } from './metadata.ts'

/** Later instructions run there, and the directory exists; for the root that takes no layer. */
export function lowerWorkdir(instruction: WorkdirInstruction, context: InstructionContext): void {
  const { state, expand } = context
  const { config, root } = state
  const path = resolvePath(config.workingDirectory, expand(instruction.path))
  config.workingDirectory = path
  const createdBy = `WORKDIR ${path}`
  if (path === '/') state.history.push(historyEntry(createdBy, true))
  else pushStep(context, instruction, createdBy, { op: 'workdir', parent: root, path, user: config.user })
}
