/**
 * The instructions that can have heredocs: COPY, ADD and RUN.
 *
 * @module
 */
import type { Flags } from './flags.ts'
import { chompHeredoc, type Heredoc, parseHeredocMarker, splitRawWords } from './heredoc.ts'
import type { CopyInstruction, InlineSource, InstructionSource, RunInstruction } from './instruction.ts'
import { parseCommandLine, parseJsonForm } from './json-form.ts'
import { problem } from './problem.ts'
import { splitPlainWords } from './words.ts'

/** What these parsers are given. */
export interface FileInstructionParts {
  readonly source: InstructionSource
  readonly flags: Flags
  /** The arguments, on one line, trimmed. */
  readonly rest: string
  readonly heredocs: readonly Heredoc[]
}

/** Reads a COPY or an ADD; flags one of them does not have are simply never given. */
export function parseCopy(kind: 'copy' | 'add', parts: FileInstructionParts): CopyInstruction {
  const { source, flags, rest, heredocs } = parts
  const keyword = kind.toUpperCase()
  // With heredocs about, `<< "a b"` is one word; without, white space is all that counts.
  const words = parseJsonForm(rest) ?? (heredocs.length > 0 ? splitRawWords(rest) : splitPlainWords(rest))
  const destination = words.at(-1)
  if (destination === undefined || words.length < 2) {
    const missing = 'but only one was provided, so there is no destination'
    throw problem(`${keyword} requires at least two arguments${words.length === 1 ? `, ${missing}` : ''}`)
  }
  if (heredocs.length > 0 && parseHeredocMarker(destination) !== undefined) {
    throw problem(`${keyword} cannot accept a heredoc as a destination`)
  }
  const from = flags.string('from')
  if (from !== undefined && /\$./s.test(from)) {
    throw problem(
      'variable expansion is not supported for --from',
      'Define a stage with FROM, whose image may hold variables, and copy from that stage',
    )
  }
  const chown = flags.string('chown')
  const chmod = flags.string('chmod')
  const checksum = flags.string('checksum')
  const unpack = flags.boolean('unpack')
  const keepGitDir = flags.boolean('keep-git-dir')
  return {
    ...source,
    kind,
    ...splitSources(words.slice(0, -1), heredocs),
    destination,
    link: flags.boolean('link') ?? false,
    parents: flags.boolean('parents') ?? false,
    exclude: flags.list('exclude'),
    ...(from === undefined ? {} : { from }),
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
    ...(checksum === undefined ? {} : { checksum }),
    ...(unpack === undefined ? {} : { unpack }),
    ...(keepGitDir === undefined ? {} : { keepGitDir }),
  }
}

/** Tells heredoc sources from paths. Heredocs are in the order of their words, so they can be taken one by one. */
function splitSources(
  words: readonly string[],
  heredocs: readonly Heredoc[],
): { sources: string[]; inline: InlineSource[] } {
  const sources: string[] = []
  const inline: InlineSource[] = []
  const waiting = [...heredocs]
  for (const word of words) {
    const heredoc = parseHeredocMarker(word) === undefined ? undefined : waiting.shift()
    if (heredoc === undefined) sources.push(word)
    else {
      const { name, data, expand, chomp } = heredoc
      inline.push({ name, data: chomp ? chompHeredoc(data) : data, expand })
    }
  }
  return { sources, inline }
}

/** Reads a RUN. */
export function parseRun({ source, flags, rest, heredocs }: FileInstructionParts): RunInstruction {
  const line = parseCommandLine(rest)
  if (rest === '' || line.command.length === 0) throw problem('RUN requires at least one argument')
  const network = flags.string('network')
  const security = flags.string('security')
  return {
    ...source,
    kind: 'run',
    ...line,
    heredocs,
    mounts: flags.list('mount'),
    devices: flags.list('device'),
    ...(network === undefined ? {} : { network }),
    ...(security === undefined ? {} : { security }),
  }
}
