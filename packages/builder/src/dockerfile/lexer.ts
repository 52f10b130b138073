/**
 * Variable expansion, quote removal and word splitting, as in BuildKit's shell lexer.
 *
 * @module
 */
import type { SourceLocation } from '../errors.ts'
import { locate, problem } from './problem.ts'
import { replacePattern, trimPrefix, trimSuffix } from './shell-pattern.ts'
import { isSpace } from './whitespace.ts'

/** Where variables are looked up; a `Map` is one. */
export interface Environment {
  get(name: string): string | undefined
}

/** How {@link expandWord} and {@link expandWords} work. */
export interface ExpandOptions {
  /** The escape character of the Dockerfile. */
  readonly escape: string
  /**
   * `remove` (default) for arguments of instructions; `keep` for heredoc bodies, where quotes mean nothing and the
   * escape character is always the backslash.
   */
  readonly quotes?: 'remove' | 'keep'
  /**
   * Called for every variable that is not set. `modifier` is what follows the name, such as `:-`, or empty: a
   * reference that gives a default is hardly a mistake.
   */
  readonly onUnset?: (name: string, modifier: string) => void
  /** Where the word stands, for errors. */
  readonly location?: SourceLocation
}

/** Longest expansion, in UTF-16 units: a few dozen lines of `ENV A=$A$A` must not fill the memory. */
const MAX_EXPANSION = 16 * 1024 * 1024

/** Deepest nesting of `${a:-${b:-…}}`. */
const MAX_DEPTH = 100

/**
 * Expands variables and removes quotes and escapes. The result is one word, whatever spaces it holds.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` if the word is malformed, if `${name:?message}` demands so, or if
 *   the result is longer than 16 Mi characters.
 */
export function expandWord(word: string, environment: Environment, options: ExpandOptions): string {
  return expand(word, environment, options)
}

/**
 * Like {@link expandWord}, but splits the result at unquoted spaces, also at those that came out of a variable.
 */
export function expandWords(word: string, environment: Environment, options: ExpandOptions): string[] {
  const words = new WordSplitter()
  expand(word, environment, options, words)
  return words.finish()
}

function expand(
  word: string,
  environment: Environment,
  options: ExpandOptions,
  words?: WordSplitter,
): string {
  return locate(options.location, word, () => new Expansion(word, environment, options).run(words))
}

/** Collects words; unquoted spaces end one. */
class WordSplitter {
  readonly #words: string[] = []
  #word = ''

  unquoted(text: string): void {
    for (const character of text) {
      if (isSpace(character)) this.#end()
      else this.#word += character
    }
  }

  quoted(text: string): void {
    this.#word += text
  }

  finish(): string[] {
    this.#end()
    return this.#words
  }

  /** An empty word is none, even if it was quoted. */
  #end(): void {
    if (this.#word !== '') this.#words.push(this.#word)
    this.#word = ''
  }
}

/** One pass over a word. */
class Expansion {
  readonly #source: string
  readonly #environment: Environment
  readonly #onUnset: ExpandOptions['onUnset']
  readonly #escape: string
  readonly #removeQuotes: boolean
  readonly #plain: RegExp
  #position = 0
  #depth = 0

  constructor(source: string, environment: Environment, options: ExpandOptions) {
    this.#source = source
    this.#environment = environment
    this.#onUnset = options.onUnset
    this.#removeQuotes = options.quotes !== 'keep'
    this.#escape = this.#removeQuotes ? options.escape : '\\'
    // A run of characters that mean nothing in any state.
    this.#plain = /[^$'"\\`/}\s]+/y
  }

  run(words?: WordSplitter): string {
    return this.#until(undefined, false, words)
  }

  /**
   * Reads up to `stop`, or to the end.
   *
   * @param keepEscapes leave escape characters in place, for a pattern to interpret.
   */
  #until(stop: string | undefined, keepEscapes: boolean, words?: WordSplitter): string {
    let result = ''
    while (this.#position < this.#source.length) {
      const run = this.#match(this.#plain)
      if (run !== '') {
        result += run
        words?.unquoted(run)
        continue
      }
      const character = this.#source[this.#position]!
      this.#position += 1
      if (character === stop) return result
      if (character === '$') {
        const value = this.#variable()
        result += value
        words?.unquoted(value)
        if (result.length > MAX_EXPANSION)
          throw problem(`the expansion is longer than ${MAX_EXPANSION} characters`)
      } else if (this.#removeQuotes && (character === "'" || character === '"')) {
        const value = character === "'" ? this.#singleQuoted() : this.#doubleQuoted(keepEscapes)
        result += value
        words?.quoted(value)
      } else if (character === this.#escape) {
        const escaped = this.#source[this.#position] ?? ''
        this.#position += 1
        result += keepEscapes ? character + escaped : escaped
        words?.quoted(escaped)
      } else {
        result += character
        words?.unquoted(character)
      }
    }
    if (stop !== undefined) throw problem(`syntax error: missing ${JSON.stringify(stop)} in \${}`)
    return result
  }

  #singleQuoted(): string {
    const end = this.#source.indexOf("'", this.#position)
    if (end === -1) throw problem('no closing single quote')
    const text = this.#source.slice(this.#position, end)
    this.#position = end + 1
    return text
  }

  #doubleQuoted(keepEscapes: boolean): string {
    let result = ''
    while (this.#position < this.#source.length) {
      const character = this.#source[this.#position]!
      this.#position += 1
      if (character === '"') return result
      if (character === '$') {
        result += this.#variable()
        if (result.length > MAX_EXPANSION)
          throw problem(`the expansion is longer than ${MAX_EXPANSION} characters`)
        continue
      }
      if (character !== this.#escape) {
        result += character
        continue
      }
      // Only these can be escaped here; before anything else the escape character is itself.
      const next = this.#source[this.#position]
      const escapes = next === '"' || next === '$' || next === this.#escape
      if (escapes) this.#position += 1
      result += (keepEscapes ? character : '') + (escapes ? next : character)
    }
    throw problem('no closing double quote')
  }

  /** Reads what follows a `$`. */
  #variable(): string {
    if (this.#source[this.#position] !== '{') {
      const name = this.#name()
      return name === '' ? '$' : (this.#get(name, '') ?? '')
    }
    this.#position += 1
    const next = this.#source[this.#position]
    if (next === undefined) throw problem('syntax error: missing "}"')
    if ('{}:'.includes(next)) throw problem('syntax error: bad substitution')
    if (this.#depth === MAX_DEPTH) throw problem(`variables are nested more than ${MAX_DEPTH} deep`)
    this.#depth += 1
    const value = this.#braced(this.#name())
    this.#depth -= 1
    return value
  }

  /** Reads the rest of `${name…}`. */
  #braced(name: string): string {
    let modifier = this.#take()
    if (modifier === '}') return this.#get(name, '') ?? ''
    if (modifier === '/') return this.#replacement(name)
    const emptyIsUnset = modifier === ':'
    if (emptyIsUnset) modifier = this.#take()
    const written = emptyIsUnset ? `:${modifier}` : modifier
    // Patterns take no colon: `${v:#p}` is as unknown as `${v=w}`.
    if (modifier === '' || !(emptyIsUnset ? '+-?' : '+-?#%').includes(modifier)) {
      throw problem(
        modifier === '' ? 'syntax error: missing "}"' : `unsupported modifier (${written}) in substitution`,
      )
    }
    const isPattern = modifier === '#' || modifier === '%'
    const word = this.#until('}', isPattern)
    const value = this.#get(name, written)
    const absent = value === undefined || (emptyIsUnset && value === '')
    switch (modifier) {
      case '-':
        return absent ? word : value
      case '+':
        return absent ? '' : word
      case '?':
        if (!absent) return value
        throw problem(`${name}: ${word || `is not allowed to be ${value === undefined ? 'unset' : 'empty'}`}`)
      default: {
        const longest = word.startsWith(modifier)
        const trim = modifier === '#' ? trimPrefix : trimSuffix
        return trim(value ?? '', longest ? word.slice(1) : word, longest)
      }
    }
  }

  #replacement(name: string): string {
    const all = this.#source[this.#position] === '/'
    if (all) this.#position += 1
    const pattern = this.#until('/', true)
    const replacement = this.#until('}', true)
    return replacePattern(this.#get(name, '/') ?? '', pattern, replacement, all)
  }

  /** Reads a variable name: letters, digits and `_`, or a number, or one of the shell's special parameters. */
  #name(): string {
    return this.#match(/\p{Nd}+|[@*#?\-$!]|[\p{L}_][\p{L}\p{Nd}_]*/uy)
  }

  #get(name: string, modifier: string): string | undefined {
    const value = this.#environment.get(name)
    if (value === undefined) this.#onUnset?.(name, modifier)
    return value
  }

  #take(): string {
    const character = this.#source[this.#position] ?? ''
    this.#position += 1
    return character
  }

  #match(expression: RegExp): string {
    expression.lastIndex = this.#position
    const [text = ''] = expression.exec(this.#source) ?? []
    this.#position += text.length
    return text
  }
}
