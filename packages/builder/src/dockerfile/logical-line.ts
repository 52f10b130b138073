/**
 * From lines of text to whole instructions: comments, continuations and heredoc bodies.
 *
 * @module
 */
import { BuilderError, type SourceLocation } from '../errors.ts'
import type { Escape } from './directive.ts'
import { splitFlags } from './flags.ts'
import { findHeredocs, type Heredoc, type HeredocMarker } from './heredoc.ts'
import { isJsonForm } from './json-form.ts'
import { locate, problem } from './problem.ts'
import { trimSpace, trimSpaceStart } from './whitespace.ts'
import { splitFirstWord } from './words.ts'

/** Longest line, in bytes, as in BuildKit. */
const MAX_LINE_BYTES = 64 * 1024 - 1

/** An instruction before its arguments are looked at. */
export interface RawInstruction {
  /** The first word, as written. */
  readonly keyword: string
  /** All after the keyword, on one line, trimmed. */
  readonly rest: string
  /** The instruction on one line: continuations joined, comments dropped. */
  readonly text: string
  /** The instruction as written, without heredoc bodies. */
  readonly original: string
  /** Where it begins. */
  readonly location: SourceLocation
  /** Its last line, heredoc bodies included. */
  readonly endLine: number
  readonly heredocs: readonly Heredoc[]
  /** Line of the first blank line among its continuations, which BuildKit will forbid one day. */
  readonly emptyContinuation?: number
}

/** Where and how instructions are read. */
export interface ReadOptions {
  readonly file: string
  readonly escape: Escape
}

/** Splits a Dockerfile, its byte order mark gone, into instructions. */
export function* readInstructions(text: string, options: ReadOptions): Generator<RawInstruction, void, void> {
  const { file, escape } = options
  const lines = new LineReader(text, file)
  for (;;) {
    const start = lines.position
    const first = lines.next()
    if (first === undefined) return
    const location = { file, line: lines.line }
    const body = isComment(first) ? '' : trimSpaceStart(first)
    let [joined, continued] = trimContinuation(body, escape)
    if (joined === '' && !continued) continue

    let emptyContinuation: number | undefined
    while (continued) {
      const line = lines.next()
      if (line === undefined) break
      if (isComment(line)) continue
      if (trimSpaceStart(line) === '') {
        emptyContinuation ??= lines.line
        continue
      }
      const [piece, more] = trimContinuation(line, escape)
      joined += piece
      continued = more
    }
    const original = text.slice(start, lines.position).trim()
    const instruction = trimSpace(joined)
    const [keyword, rest = ''] = splitFirstWord(instruction)
    const heredocs = locate(location, original, () =>
      heredocMarkers(keyword, rest).map((marker) => readBody(lines, marker)),
    )
    yield {
      keyword,
      rest: trimSpace(rest),
      text: instruction,
      original,
      location,
      endLine: lines.line,
      heredocs,
      ...(emptyContinuation === undefined ? {} : { emptyContinuation }),
    }
  }
}

function isComment(line: string): boolean {
  return trimSpaceStart(line).startsWith('#')
}

/** Removes the escape character that continues a line, unless another one stands before it. */
function trimContinuation(line: string, escape: Escape): [text: string, continued: boolean] {
  let end = line.length
  while (line[end - 1] === ' ' || line[end - 1] === '\t') end -= 1
  if (line[end - 1] !== escape || line[end - 2] === escape) return [line, false]
  return [line.slice(0, end - 1), true]
}

function heredocMarkers(keyword: string, rest: string): HeredocMarker[] {
  if (!rest.includes('<<')) return []
  const name = keyword.toUpperCase()
  if (name === 'ONBUILD') return heredocMarkers(...trigger(rest))
  if (name !== 'RUN' && name !== 'COPY' && name !== 'ADD') return []
  return isJsonForm(splitFlags(rest).rest) ? [] : findHeredocs(rest)
}

function trigger(rest: string): [keyword: string, rest: string] {
  const [keyword, after = ''] = splitFirstWord(trimSpaceStart(rest))
  // `ONBUILD ONBUILD` is an error, found later; it must not recurse here.
  return [keyword.toUpperCase() === 'ONBUILD' ? '' : keyword, after]
}

function readBody(lines: LineReader, marker: HeredocMarker): Heredoc {
  const start = lines.position
  for (;;) {
    const end = lines.position
    const line = lines.next()
    if (line === undefined)
      throw problem(`unterminated heredoc: no line ${JSON.stringify(marker.name)} follows`)
    if ((marker.chomp ? line.replace(/^\t+/, '') : line) === marker.name) {
      return { ...marker, data: lines.text.slice(start, end) }
    }
  }
}

/** Hands out lines one by one, so that a file of nothing but newlines costs no memory. */
class LineReader {
  readonly text: string
  readonly #file: string
  /** Offset of the next line. */
  position = 0
  /** Number of the line last returned, from 1. */
  line = 0

  constructor(text: string, file: string) {
    this.text = text
    this.#file = file
  }

  /** Returns the next line without its line end, or undefined at the end of the text. */
  next(): string | undefined {
    if (this.position >= this.text.length) return undefined
    const newline = this.text.indexOf('\n', this.position)
    const end = newline === -1 ? this.text.length : newline
    const line = this.text.slice(this.position, end)
    this.position = newline === -1 ? end : end + 1
    this.line += 1
    if (exceedsLimit(line)) {
      const location = { file: this.#file, line: this.line }
      throw new BuilderError('ERR_BUILDER_DOCKERFILE', `Line is longer than ${MAX_LINE_BYTES} bytes`, {
        location,
      })
    }
    return line.replace(/\r+$/, '')
  }
}

function exceedsLimit(line: string): boolean {
  if (line.length > MAX_LINE_BYTES) return true
  // No UTF-16 unit takes more than three bytes of UTF-8, so most lines need no counting.
  return line.length * 3 > MAX_LINE_BYTES && new TextEncoder().encode(line).length > MAX_LINE_BYTES
}
