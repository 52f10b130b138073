/**
 * From raw instructions to typed ones: one small parser per keyword.
 *
 * @module
 */
import type { Escape } from './directive.ts'
import { parseCopy, parseRun } from './file-instructions.ts'
import type { Heredoc } from './heredoc.ts'
import { type Flags, type FlagTypes, parseFlags, splitFlags } from './flags.ts'
import { HEALTHCHECK_FLAGS, parseHealthcheck } from './healthcheck.ts'
import type { Instruction, InstructionSource } from './instruction.ts'
import { parseCommandLine, parseJsonForm } from './json-form.ts'
import type { RawInstruction } from './logical-line.ts'
import { locate, problem } from './problem.ts'
import { suggestion } from './suggestion.ts'
import { trimSpace } from './whitespace.ts'
import { parseArguments, parsePairs, splitFirstWord, splitPlainWords } from './words.ts'

/** What the parser of one instruction is given. */
interface Parts {
  readonly source: InstructionSource
  readonly flags: Flags
  /** The arguments, on one line, trimmed. */
  readonly rest: string
  readonly heredocs: readonly Heredoc[]
  readonly raw: RawInstruction
  readonly escape: Escape
}

/** How the arguments of each instruction are read. */
const PARSERS: ReadonlyMap<string, (parts: Parts) => Instruction> = new Map<
  string,
  (parts: Parts) => Instruction
>([
  ['ADD', (parts) => parseCopy('add', parts)],
  ['ARG', ({ source, rest, escape }) => ({ ...source, kind: 'arg', pairs: parseArguments(rest, escape) })],
  ['CMD', ({ source, rest }) => ({ ...source, kind: 'cmd', ...parseCommandLine(rest) })],
  ['COPY', (parts) => parseCopy('copy', parts)],
  ['ENTRYPOINT', ({ source, rest }) => ({ ...source, kind: 'entrypoint', ...parseCommandLine(rest) })],
  ['ENV', ({ source, rest, escape }) => ({ ...source, kind: 'env', pairs: parsePairs(rest, escape, 'ENV') })],
  ['EXPOSE', ({ source, rest }) => ({ ...source, kind: 'expose', ports: parsePorts(rest) })],
  ['FROM', parseFrom],
  [
    'HEALTHCHECK',
    ({ source, rest, flags }) => ({ ...source, kind: 'healthcheck', ...parseHealthcheck(rest, flags) }),
  ],
  [
    'LABEL',
    ({ source, rest, escape }) => ({ ...source, kind: 'label', pairs: parsePairs(rest, escape, 'LABEL') }),
  ],
  ['MAINTAINER', ({ source, rest }) => ({ ...source, kind: 'maintainer', name: one(rest, 'MAINTAINER') })],
  ['ONBUILD', parseOnbuild],
  ['RUN', parseRun],
  ['SHELL', ({ source, rest }) => ({ ...source, kind: 'shell', command: parseShell(rest) })],
  ['STOPSIGNAL', ({ source, rest }) => ({ ...source, kind: 'stopsignal', signal: one(rest, 'STOPSIGNAL') })],
  ['USER', ({ source, rest }) => ({ ...source, kind: 'user', user: one(rest, 'USER') })],
  ['VOLUME', ({ source, rest }) => ({ ...source, kind: 'volume', paths: parseVolumes(rest) })],
  ['WORKDIR', ({ source, rest }) => ({ ...source, kind: 'workdir', path: one(rest, 'WORKDIR') })],
])

/** Flags COPY and ADD share. */
const COPY_FLAGS = { chown: 'string', chmod: 'string', link: 'boolean', exclude: 'list' } as const

/** The flags of those instructions that have any. */
const FLAG_TYPES: ReadonlyMap<string, FlagTypes> = new Map<string, FlagTypes>([
  ['ADD', { ...COPY_FLAGS, checksum: 'string', unpack: 'boolean', 'keep-git-dir': 'boolean' }],
  ['COPY', { ...COPY_FLAGS, from: 'string', parents: 'boolean' }],
  ['FROM', { platform: 'string' }],
  ['HEALTHCHECK', HEALTHCHECK_FLAGS],
  ['RUN', { mount: 'list', network: 'string', security: 'string', device: 'list' }],
])

/** Stage names, once in lower case. */
const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/

/** Turns a raw instruction into a typed one. Errors carry its location and text. */
export function interpret(raw: RawInstruction, escape: Escape): Instruction {
  return locate(raw.location, raw.original, () => {
    const keyword = raw.keyword.toUpperCase()
    const parse = PARSERS.get(keyword)
    if (parse === undefined) {
      const hint = suggestion(keyword, PARSERS.keys())
      throw problem(`unknown instruction: ${JSON.stringify(raw.keyword)}${hint}`)
    }
    const { flags, rest } = splitFlags(raw.rest)
    const { location, endLine, original, text, heredocs } = raw
    return parse({
      source: { location, endLine, original, text },
      flags: parseFlags(flags, FLAG_TYPES.get(keyword) ?? {}),
      rest: trimSpace(rest),
      heredocs,
      raw,
      escape,
    })
  })
}

function parseFrom({ source, rest, flags }: Parts): Instruction {
  const [image, as, written, ...more] = splitPlainWords(rest)
  const named = written !== undefined
  if (image === undefined || more.length > 0 || (as !== undefined && (!named || as.toUpperCase() !== 'AS'))) {
    throw problem('FROM requires either one or three arguments')
  }
  const name = written?.toLowerCase()
  if (name !== undefined && !STAGE_NAME.test(name)) {
    const rule = "a name can't start with a number or contain symbols"
    throw problem(`invalid name for build stage: ${JSON.stringify(written)}, ${rule}`)
  }
  const platform = flags.string('platform')
  return {
    ...source,
    kind: 'from',
    image,
    ...(platform === undefined ? {} : { platform }),
    ...(name === undefined ? {} : { name }),
  }
}

function parseShell(rest: string): string[] {
  const command = parseJsonForm(rest)
  if (rest === '' || command?.length === 0) throw problem('SHELL requires at least one argument')
  if (command === undefined) throw problem('SHELL requires the arguments to be in JSON form')
  return command
}

function parsePorts(rest: string): string[] {
  return required(splitPlainWords(rest), 'EXPOSE')
}

function parseVolumes(rest: string): string[] {
  const words = required(parseJsonForm(rest) ?? splitPlainWords(rest), 'VOLUME').map((word) =>
    trimSpace(word),
  )
  if (words.includes('')) throw problem('VOLUME specified can not be an empty string')
  return words
}

function parseOnbuild({ source, rest, raw, escape }: Parts): Instruction {
  const [keyword, after = ''] = splitFirstWord(rest)
  const name = keyword.toUpperCase()
  if (name === '') throw problem('ONBUILD requires at least one argument')
  if (name === 'ONBUILD') throw problem("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
  if (name === 'MAINTAINER' || name === 'FROM') throw problem(`${name} isn't allowed as an ONBUILD trigger`)
  const instruction = interpret({ ...raw, keyword, rest: after, text: rest }, escape)
  const bodies = raw.heredocs.map(({ data, name: delimiter }) => `\n${data}${delimiter}`)
  return { ...source, kind: 'onbuild', instruction, trigger: rest + bodies.join('') }
}

function one(rest: string, keyword: string): string {
  if (rest === '') throw problem(`${keyword} requires exactly one argument`)
  return rest
}

function required(words: string[], keyword: string): string[] {
  if (words.length === 0) throw problem(`${keyword} requires at least one argument`)
  return words
}
