/**
 * The JSON form of instructions: `RUN ["program", "argument"]`.
 *
 * @module
 */
import type { CommandLine } from './instruction.ts'
import { problem } from './problem.ts'

/**
 * Returns the strings of an argument in JSON form, or undefined if it is not a JSON array and so is in shell form.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` if it is an array of anything but strings.
 */
export function parseJsonForm(text: string): string[] | undefined {
  const values = parseArray(text)
  if (values === undefined) return undefined
  return values.map((value) => {
    if (typeof value !== 'string') throw problem('Arrays in JSON form must hold only strings')
    // A lone surrogate stands for a raw byte in our paths; JSON must not be able to forge one.
    return value.replaceAll(/\p{Surrogate}/gu, '\uFFFD')
  })
}

/** Reads a command in either form. */
export function parseCommandLine(text: string): CommandLine {
  const command = parseJsonForm(text)
  return command === undefined ? { form: 'shell', command: [text] } : { form: 'exec', command }
}

/** Tells whether an argument is a JSON array, whatever it holds. */
export function isJsonForm(text: string): boolean {
  return parseArray(text) !== undefined
}

function parseArray(text: string): unknown[] | undefined {
  if (!text.startsWith('[')) return undefined
  try {
    return JSON.parse(text) as unknown[]
  } catch {
    return undefined
  }
}
