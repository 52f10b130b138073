/**
 * Splitting the arguments of an instruction into words. Quotes and escapes stay in the words: the lexer, which
 * knows the variables, removes them.
 *
 * @module
 */
import { problem } from './problem.ts'
import { isSpace } from './whitespace.ts'

/** A name with the value given to it. */
export interface NameValue {
  readonly name: string
  readonly value: string
}

/** A name that may have been given a value. */
export interface NameOptionalValue {
  readonly name: string
  readonly value?: string
}

/** What separates plain words; a non-breaking space, for example, does not. */
const PLAIN_SEPARATOR = /[\t\v\f\r ]+/

/** Splits at white space alone, with no regard to quotes, as for FROM, COPY and EXPOSE. */
export function splitPlainWords(text: string): string[] {
  return text === '' ? [] : text.split(PLAIN_SEPARATOR)
}

/** Splits off the first plain word; the second element is undefined if there is no separator. */
export function splitFirstWord(text: string): [string, string?] {
  const separator = PLAIN_SEPARATOR.exec(text)
  if (separator === null) return [text]
  return [text.slice(0, separator.index), text.slice(separator.index + separator[0].length)]
}

/** Splits at white space outside of quotes. An escape character at the very end is dropped. */
export function splitQuotedWords(text: string, escape: string): string[] {
  const words: string[] = []
  let start = 0
  let end = text.length
  let quote = ''
  const push = (stop: number): void => {
    if (stop > start) words.push(text.slice(start, stop))
  }
  for (let position = 0; position < text.length; position += 1) {
    const character = text[position]!
    if (character === escape && quote !== "'") {
      position += 1
      if (position === text.length) end -= 1
    } else if (quote !== '') {
      if (character === quote) quote = ''
    } else if (character === '"' || character === "'") {
      quote = character
    } else if (isSpace(character)) {
      push(position)
      start = position + 1
    }
  }
  push(end)
  return words
}

/**
 * Reads the arguments of ENV and LABEL. They are pairs `name=value …` if the first word has a `=`, else the old
 * form `name value`, whose value is the rest of the line, inner spaces included.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` if there is no value, a `=` is missing, or a name is empty.
 */
export function parsePairs(text: string, escape: string, keyword: string): NameValue[] {
  const words = splitQuotedWords(text, escape)
  if (words.length === 0) throw problem(`${keyword} requires at least one argument`)
  if (isOldPairForm(words)) {
    const [name, value] = splitFirstWord(text)
    if (value === undefined) throw problem(`${keyword} must have two arguments`)
    return [{ name, value }]
  }
  return words.map((word) => {
    const { name, value } = splitPair(word, keyword)
    if (value === undefined) {
      throw problem(`Cannot find = in ${JSON.stringify(word)}: it must be of the form name=value`)
    }
    return { name, value }
  })
}

/** Tells whether the words of an ENV or LABEL are in the old form, without `=`. */
export function isOldPairForm(words: readonly string[]): boolean {
  return words[0] !== undefined && !words[0].includes('=')
}

/**
 * Reads the arguments of ARG: names, each perhaps with `=` and a default.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` if there is no argument or a name is empty.
 */
export function parseArguments(text: string, escape: string): NameOptionalValue[] {
  const words = splitQuotedWords(text, escape)
  if (words.length === 0) throw problem('ARG requires at least one argument')
  return words.map((word) => splitPair(word, 'ARG'))
}

function splitPair(word: string, keyword: string): NameOptionalValue {
  const equals = word.indexOf('=')
  if (equals === 0) throw problem(`${keyword} names can not be blank`)
  return equals === -1 ? { name: word } : { name: word.slice(0, equals), value: word.slice(equals + 1) }
}
