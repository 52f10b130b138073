/**
 * Parses whole Dockerfiles, and the single instructions that ONBUILD leaves in an image.
 *
 * Pure: text in, typed instructions out. Nothing is expanded and nothing is looked up.
 *
 * @module
 */
import { BuilderError, type SourceLocation } from '../errors.ts'
import { type Checks, type Escape, parseDirectives } from './directive.ts'
import type { ArgInstruction, FromInstruction, Instruction } from './instruction.ts'
import { interpret } from './instruction-parser.ts'
import { lint, type LintInput, type Warning } from './lint.ts'
import { type RawInstruction, readInstructions } from './logical-line.ts'

export type { Warning } from './lint.ts'

/** Largest accepted Dockerfile, in bytes. */
const MAX_FILE_BYTES = 16 * 1024 * 1024

/** One build stage: a FROM and what follows it. */
export interface Stage {
  /** Place among the stages, from 0; stages can be referred to by it. */
  readonly index: number
  /** In lower case. */
  readonly name?: string
  readonly from: FromInstruction
  readonly instructions: readonly Instruction[]
  readonly location: SourceLocation
}

/** A parsed Dockerfile. */
export interface Dockerfile {
  /** The escape character, which the lexer needs to know. */
  readonly escape: Escape
  readonly syntax?: string
  readonly checks?: Checks
  /** The ARGs before the first FROM. */
  readonly metaArgs: readonly ArgInstruction[]
  /** At least one. */
  readonly stages: readonly Stage[]
  /** What the text alone tells; rules that `checks` skips are not left out. */
  readonly warnings: readonly Warning[]
}

/** Options of {@link parseDockerfile}. */
export interface ParseOptions {
  /** Name for error messages; default `Dockerfile`. */
  readonly file?: string
}

/** Options of {@link parseInstruction}. */
export interface ParseInstructionOptions extends ParseOptions {
  /** Default backslash. */
  readonly escape?: Escape
}

/**
 * Parses a Dockerfile. Accepts a byte order mark, any line ends and any letter case of keywords.
 *
 * Limits: 16 MiB in all, 64 KiB a line.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` with `location` and `instruction` for whatever is wrong with the
 *   text; `ERR_BUILDER_UNSUPPORTED` if `# syntax=` names another frontend.
 */
export function parseDockerfile(source: string | Uint8Array, options: ParseOptions = {}): Dockerfile {
  const { file = 'Dockerfile' } = options
  const { text, damaged } = decode(source, file)
  const directives = parseDirectives(text, file)
  const { escape } = directives
  const metaArgs: ArgInstruction[] = []
  const stages: Array<Stage & { readonly instructions: Instruction[] }> = []
  const inputs: LintInput[] = []
  for (const raw of readInstructions(text, { file, escape })) {
    if (damaged) requireText(raw)
    const instruction = interpret(raw, escape)
    const stage = stages.at(-1)
    if (instruction.kind === 'from') stages.push(openStage(instruction, stages.length))
    else if (stage !== undefined) stage.instructions.push(instruction)
    else if (instruction.kind === 'arg') metaArgs.push(instruction)
    else {
      throw failure('no build stage in current context', raw, 'Only ARG may stand before the first FROM')
    }
    inputs.push({ raw, instruction, stage: stages.length - 1 })
  }
  if (stages.length === 0) {
    const message =
      metaArgs.length === 0 ? 'file with no instructions' : 'there is no build stage: FROM is missing'
    throw new BuilderError('ERR_BUILDER_DOCKERFILE', message, { location: { file, line: 1 } })
  }
  return { ...directives, metaArgs, stages, warnings: lint(inputs, escape) }
}

/**
 * Parses the one instruction of an ONBUILD trigger, heredoc bodies included.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` if it is malformed, is not exactly one instruction, or is one
 *   that cannot be a trigger.
 */
export function parseInstruction(source: string, options: ParseInstructionOptions = {}): Instruction {
  const { file = 'ONBUILD', escape = '\\' } = options
  const { text } = decode(source, file)
  const [raw, second] = readInstructions(text, { file, escape })
  if (raw === undefined || second !== undefined) {
    const message = `An ONBUILD trigger must be a single instruction: ${JSON.stringify(text.slice(0, 200))}`
    throw new BuilderError('ERR_BUILDER_DOCKERFILE', message, { location: { file, line: 1 } })
  }
  const instruction = interpret(raw, escape)
  if (instruction.kind === 'from' || instruction.kind === 'maintainer' || instruction.kind === 'onbuild') {
    throw failure(`${instruction.kind.toUpperCase()} isn't allowed as an ONBUILD trigger`, raw)
  }
  return instruction
}

function openStage(from: FromInstruction, index: number): Stage & { readonly instructions: Instruction[] } {
  const { name, location } = from
  return { index, ...(name === undefined ? {} : { name }), from, instructions: [], location }
}

/** Old files hold comments in old encodings. They may, as long as no instruction does. */
function decode(source: string | Uint8Array, file: string): { text: string; damaged: boolean } {
  if (source.length > MAX_FILE_BYTES) {
    const message = `Dockerfile is larger than ${MAX_FILE_BYTES} bytes`
    throw new BuilderError('ERR_BUILDER_DOCKERFILE', message, { location: { file, line: 1 } })
  }
  if (typeof source === 'string') return { text: source.replace(/^\uFEFF/, ''), damaged: false }
  return { text: new TextDecoder().decode(source), damaged: !isUtf8(source) }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

function requireText(raw: RawInstruction): void {
  if (raw.text.includes('\uFFFD') || raw.heredocs.some(({ data }) => data.includes('\uFFFD'))) {
    throw failure('instruction is not valid UTF-8', raw)
  }
}

function failure(message: string, raw: RawInstruction, hint?: string): BuilderError {
  return new BuilderError('ERR_BUILDER_DOCKERFILE', message, {
    location: raw.location,
    instruction: raw.original,
    ...(hint === undefined ? {} : { hint }),
  })
}
