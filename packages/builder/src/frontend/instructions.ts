/**
 * What each instruction does to the state of its stage.
 *
 * @module
 */
import type { Instruction } from '../dockerfile/instruction.ts'
import { expandWord } from '../dockerfile/lexer.ts'
import type { Stage } from '../dockerfile/parse.ts'
import { lowerCopy, lowerRun, lowerWorkdir } from './file-system.ts'
import type { InstructionContext, Lowering } from './lowering.ts'
import { applyMetadata } from './metadata.ts'
import type { StageState } from './stage.ts'

/** Applies one instruction of a stage, in place. */
export function applyInstruction(
  instruction: Instruction,
  state: StageState,
  stage: Stage,
  lowering: Lowering,
): void {
  const before = new Map(state.scope)
  const { location } = instruction
  const context: InstructionContext = {
    state,
    stage,
    lowering,
    before,
    expand: (word) =>
      expandWord(word, before, {
        escape: lowering.dockerfile.escape,
        location,
        onUnset: (name) => {
          lowering.warn('UndefinedVar', `Usage of undefined variable '$${name}'`, location)
        },
      }),
  }
  switch (instruction.kind) {
    case 'run':
      return lowerRun(instruction, context)
    case 'copy':
    case 'add':
      return lowerCopy(instruction, context)
    case 'workdir':
      return lowerWorkdir(instruction, context)
    default:
      return applyMetadata(instruction, context)
  }
}
