/**
 * Here-documents in RUN, COPY and ADD: finding them in a line, and what their delimiter says.
 *
 * @module
 */
import { isSpace, trimSpaceStart } from './whitespace.ts'

/** What a heredoc word such as `3<<-'EOF'` asks for. */
export interface HeredocMarker {
  /** The delimiter, quotes removed: also the file name when it is a COPY source. */
  readonly name: string
  /** False if any part of the delimiter is quoted: then variables in the body stay as they are. */
  readonly expand: boolean
  /** Whether `<<-` asks to remove leading tabs from the body. */
  readonly chomp: boolean
  /** File descriptor the shell opens it on; 0 if none is given. */
  readonly fd: number
}

/** A heredoc with its body. */
export interface Heredoc extends HeredocMarker {
  /** The lines as written, tabs and line ends included, whatever `chomp` says. */
  readonly data: string
}

const MARKER = /^(\d*)<<(-?)([^<]*)$/

/** Reads one word as a heredoc marker; undefined if it is none, or if its quotes do not match. */
export function parseHeredocMarker(word: string): HeredocMarker | undefined {
  const [, fd = '', chomp, rest = ''] = MARKER.exec(word) ?? []
  const delimiter = unquote(trimSpaceStart(rest))
  if (delimiter === undefined || delimiter.text === '') return undefined
  return { name: delimiter.text, expand: !delimiter.quoted, chomp: chomp === '-', fd: Number(fd) }
}

/** Returns the markers in an instruction, in order. */
export function findHeredocs(text: string): HeredocMarker[] {
  return splitRawWords(text).flatMap((word) => parseHeredocMarker(word) ?? [])
}

/** Removes the leading tabs of every line, as `<<-` asks. */
export function chompHeredoc(data: string): string {
  return data.replaceAll(/(^|\n)\t+/g, '$1')
}

/**
 * Splits an instruction into words, quotes and escapes kept. White space between `<<` and its delimiter does not
 * end a word. If a quote is left open there are no words at all: BuildKit then looks for no heredocs.
 *
 * The escape character here is always the backslash, whatever the Dockerfile's own is.
 */
export function splitRawWords(text: string): string[] {
  const words: string[] = []
  let start = -1
  let quote = ''
  for (let position = 0; position < text.length; position += 1) {
    const character = text[position]!
    if (quote === '' && isSpace(character)) {
      if (start !== -1) words.push(text.slice(start, position))
      start = -1
      continue
    }
    if (start === -1) start = position
    if (character === '\\' && quote !== "'") position += 1
    else if (quote !== '') quote = character === quote ? '' : quote
    else if (character === '"' || character === "'") quote = character
    else if (text.startsWith('<<', position)) position = endOfMarker(text, position) - 1
  }
  if (quote !== '') return []
  if (start !== -1) words.push(text.slice(start))
  return words
}

/** Returns where the delimiter of the `<<` or `<<-` at `position` begins. */
function endOfMarker(text: string, position: number): number {
  let end = position + 2
  const dash = end
  if (text[end] === '-') end += 1
  while (end < text.length && isSpace(text[end]!)) end += 1
  // White space is taken up only to reach a delimiter; a `-` with nothing after it is the delimiter itself.
  return end === text.length ? dash : end
}

function unquote(word: string): { text: string; quoted: boolean } | undefined {
  let text = ''
  let quote = ''
  let quoted = false
  for (let position = 0; position < word.length; position += 1) {
    const character = word[position]!
    const next = word[position + 1] ?? ''
    if (character === '\\' && quote === '') {
      text += next
      position += 1
    } else if (character === '\\' && quote === '"' && next !== '' && '"$\\'.includes(next)) {
      text += next
      position += 1
    } else if (quote !== '') {
      if (character === quote) quote = ''
      else text += character
    } else if (character === '"' || character === "'") {
      quote = character
      quoted = true
    } else if (isSpace(character)) {
      return undefined
    } else text += character
  }
  return quote === '' ? { text, quoted } : undefined
}
