/**
 * What each instruction does to the state of its stage.
 *
 * @module
 */
import type { Instruction } from '../dockerfile/instruction.ts'
import { type ExpandOptions, expandWord, expandWords } from '../dockerfile/lexer.ts'
import type { Stage } from '../dockerfile/parse.ts'
import { locate } from '../dockerfile/problem.ts'
import { suggestion } from '../dockerfile/suggestion.ts'
import { lowerCopy } from './copy.ts'
import type { InstructionContext, Lowering } from './lowering.ts'
import { applyMetadata } from './metadata.ts'
import { lowerRun } from './run.ts'
import type { StageState } from './stage.ts'
import { lowerWorkdir } from './workdir.ts'

/** Applies one instruction of a stage, in place. Errors get its location and its text. */
export function applyInstruction(
  instruction: Instruction,
  state: StageState,
  stage: Stage,
  lowering: Lowering,
): void {
  const { location, original } = instruction
  const before = new Map(state.scope)
  const options: ExpandOptions = {
    escape: lowering.dockerfile.escape,
    onUnset: (name, modifier) => {
      // An ARG without a value is known to be empty, and a reference that says what to do then is no mistake.
      if (state.declared.has(name) || /^:?[-+?]/.test(modifier)) return
      const nearest = suggestion(
        `$${name}`,
        [...before.keys()].map((each) => `$${each}`),
      )
      lowering.warn('UndefinedVar', `Usage of undefined variable '$${name}'${nearest}`, location)
    },
  }
  const context: InstructionContext = {
    state,
    stage,
    lowering,
    expand: (word, quotes = 'remove') => expandWord(word, before, { ...options, quotes }),
    expandWords: (word) => expandWords(word, before, options),
  }
  locate(location, original, () => {
    apply(instruction, context)
  })
}

function apply(instruction: Instruction, context: InstructionContext): void {
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
