/**
 * Instruction flags: `--name`, `--name=value`, before the arguments.
 *
 * @module
 */
import { problem } from './problem.ts'
import { suggestion } from './suggestion.ts'
import { isSpace } from './whitespace.ts'

/** How a flag is given: with one value, with a value each time it is repeated, or bare. */
export type FlagType = 'string' | 'list' | 'boolean'

/** The flags of an instruction, by name without dashes. */
export type FlagTypes = Readonly<Record<string, FlagType>>

/** The flags at the front of an instruction, quotes removed, and the arguments after them. */
export interface FlaggedText {
  readonly flags: readonly string[]
  readonly rest: string
}

/**
 * Takes the flags off the front of an instruction's arguments. The first word without leading dashes, or a bare
 * `--`, ends them. Both kinds of quotes group, and the backslash escapes, whatever the file's escape character is.
 */
export function splitFlags(text: string): FlaggedText {
  const flags: string[] = []
  let position = 0
  for (;;) {
    while (position < text.length && isSpace(text[position]!)) position += 1
    if (!text.startsWith('--', position)) return { flags, rest: text.slice(position) }
    const [word, end] = readWord(text, position)
    position = end
    if (word === '--') return { flags, rest: text.slice(position) }
    flags.push(word)
  }
}

function readWord(text: string, start: number): [word: string, end: number] {
  let word = ''
  let quote = ''
  let position = start
  for (; position < text.length; position += 1) {
    const character = text[position]!
    if (quote === '' && isSpace(character)) break
    if (character === '\\') word += text[++position] ?? ''
    else if (character === quote) quote = ''
    else if (quote === '' && (character === '"' || character === "'")) quote = character
    else word += character
  }
  return [word, Math.min(position, text.length)]
}

/** The values of an instruction's flags. */
export class Flags {
  readonly #values: ReadonlyMap<string, readonly string[]>

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values
  }

  /** Value of a single flag; undefined if it is absent or empty. */
  string(name: string): string | undefined {
    return this.#values.get(name)?.[0] || undefined
  }

  /** Values of a repeatable flag, in order. */
  list(name: string): readonly string[] {
    return this.#values.get(name) ?? []
  }

  /** Value of a boolean flag; undefined if it is absent. */
  boolean(name: string): boolean | undefined {
    const value = this.string(name)
    return value === undefined ? undefined : value === 'true'
  }
}

/**
 * Checks flags against those an instruction has.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` if a flag is unknown, lacks its value, has one that is not
 *   boolean where it must be, or is repeated where it must not.
 */
export function parseFlags(flags: readonly string[], types: FlagTypes): Flags {
  const values = new Map<string, string[]>()
  for (const flag of flags) {
    const equals = flag.indexOf('=')
    const name = flag.slice(2, equals === -1 ? undefined : equals)
    const type = Object.hasOwn(types, name) ? types[name]! : undefined
    if (type === undefined) {
      const names = Object.keys(types)
      throw problem(`unknown flag: ${JSON.stringify(`--${name}`)}${suggestion(name, names)}`)
    }
    const earlier = values.get(name) ?? []
    if (type !== 'list' && earlier.length > 0) throw problem(`duplicate flag specified: --${name}`)
    values.set(name, [...earlier, parseValue(name, type, equals === -1 ? undefined : flag.slice(equals + 1))])
  }
  return new Flags(values)
}

function parseValue(name: string, type: FlagType, value: string | undefined): string {
  if (type === 'boolean' && value === undefined) return 'true'
  if (value === undefined || (type === 'boolean' && value === ''))
    throw problem(`missing a value on flag: --${name}`)
  if (type !== 'boolean') return value
  const lower = value.toLowerCase()
  if (lower !== 'true' && lower !== 'false') {
    throw problem(`expecting boolean value for flag --${name}, not: ${JSON.stringify(value)}`)
  }
  return lower
}
