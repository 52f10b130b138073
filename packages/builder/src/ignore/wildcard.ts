/**
 * Wildcard patterns as tokens, and a matcher over tokens whose time is bounded by text length times pattern length.
 *
 * Patterns come from files we did not write, so nothing here may backtrack without bound. The matcher keeps the set
 * of text positions reachable so far and moves it through one token at a time.
 *
 * @module
 */
import { BuilderError, type BuilderErrorCode } from '../errors.ts'

/** A range of code points in a character class, both ends included. */
export interface CharacterRange {
  readonly low: number
  readonly high: number
}

/** One element of a pattern. */
export type WildcardToken =
  /** Exactly this code point. */
  | { readonly kind: 'character'; readonly character: string }
  /** `?`: any code point but the separator. */
  | { readonly kind: 'any' }
  /** `[a-z]`. As in Go, a class can match the separator. */
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly CharacterRange[] }
  /** `*`: any run without a separator. */
  | { readonly kind: 'star' }
  /** `**` inside a pattern: nothing, or anything that ends in a separator. */
  | { readonly kind: 'globstar' }
  /** `**` at the end: anything. */
  | { readonly kind: 'rest' }

/** How {@link parseWildcards} reads a pattern. */
export interface WildcardSyntax {
  /** Whether `**` spans directories. Go's `filepath.Match` knows no `**`: two stars are one. */
  readonly globstar: boolean
  /** Code of the error thrown for a bad pattern. */
  readonly code: BuilderErrorCode
}

/**
 * Parses the grammar of Go's `filepath.Match`, with `**` if asked for.
 *
 * @throws {BuilderError} `syntax.code` if a class or an escape is not complete.
 */
export function parseWildcards(pattern: string, syntax: WildcardSyntax): WildcardToken[] {
  const characters = Array.from(pattern)
  const tokens: WildcardToken[] = []
  const bad = (): BuilderError =>
    new BuilderError(syntax.code, `Syntax error in pattern ${JSON.stringify(pattern)}`)
  let position = 0

  /** Reads one possibly escaped member of a class; `filepath.Match` wants more text after it. */
  const member = (): number => {
    let character = characters[position]
    if (character === '-' || character === ']') throw bad()
    if (character === '\\') character = characters[++position]
    position += 1
    if (character === undefined || position >= characters.length) throw bad()
    return character.codePointAt(0)!
  }

  const characterClass = (): WildcardToken => {
    const negated = characters[position] === '^'
    if (negated) position += 1
    const ranges: CharacterRange[] = []
    while (ranges.length === 0 || characters[position] !== ']') {
      const low = member()
      if (characters[position] !== '-') ranges.push({ low, high: low })
      else {
        position += 1
        ranges.push({ low, high: member() })
      }
    }
    position += 1
    return { kind: 'class', negated, ranges }
  }

  while (position < characters.length) {
    const character = characters[position++]!
    if (character === '*' && syntax.globstar && characters[position] === '*') {
      position += 1
      if (characters[position] === '/') position += 1
      tokens.push({ kind: position === characters.length ? 'rest' : 'globstar' })
    } else if (character === '*') tokens.push({ kind: 'star' })
    else if (character === '?') tokens.push({ kind: 'any' })
    else if (character === '[') tokens.push(characterClass())
    else if (character === '\\') {
      const escaped = characters[position++]
      if (escaped === undefined) throw bad()
      tokens.push({ kind: 'character', character: escaped })
    } else tokens.push({ kind: 'character', character })
  }
  return tokens
}

/**
 * Moves a set of positions through one token.
 *
 * @param positions ascending; neither it nor the result may be changed by the caller.
 * @returns the positions, ascending, at which a match of `token` that began at one of `positions` can end.
 */
export function advance(
  positions: readonly number[],
  token: WildcardToken,
  text: readonly string[],
  separator: string,
): readonly number[] {
  const first = positions[0]
  if (first === undefined) return positions
  const next: number[] = []
  switch (token.kind) {
    case 'character':
    case 'any':
    case 'class':
      for (const position of positions) {
        const character = text[position]
        if (character !== undefined && matchesOne(token, character, separator)) next.push(position + 1)
      }
      return next
    case 'star': {
      let covered = -1
      for (const position of positions) {
        if (position <= covered) continue
        for (covered = position; covered < text.length && text[covered] !== separator; covered += 1) {
          next.push(covered)
        }
        next.push(covered)
      }
      return next
    }
    case 'globstar': {
      let index = 0
      for (let position = first; position <= text.length; position += 1) {
        const here = positions[index] === position
        if (here) index += 1
        if (here || text[position - 1] === separator) next.push(position)
      }
      return next
    }
    default:
      for (let position = first; position <= text.length; position += 1) next.push(position)
      return next
  }
}

function matchesOne(
  token: Extract<WildcardToken, { kind: 'character' | 'any' | 'class' }>,
  character: string,
  separator: string,
): boolean {
  if (token.kind === 'character') return character === token.character
  if (token.kind === 'any') return character !== separator
  const point = character.codePointAt(0)!
  return token.ranges.some(({ low, high }) => low <= point && point <= high) !== token.negated
}

/** Tells whether the tokens match all of `text`, `/` being the separator. */
export function matchTokens(tokens: readonly WildcardToken[], text: string): boolean {
  const characters = Array.from(text)
  let positions: readonly number[] = [0]
  for (const token of tokens) positions = advance(positions, token, characters, '/')
  return positions.at(-1) === characters.length
}

/** Tells whether some text that begins with `prefix` could still match. May say yes too often, never no. */
export function matchesPrefix(tokens: readonly WildcardToken[], prefix: string): boolean {
  const characters = Array.from(prefix)
  let positions: readonly number[] = [0]
  for (const token of tokens) {
    if (positions.at(-1) === characters.length) return true
    positions = advance(positions, token, characters, '/')
  }
  return positions.at(-1) === characters.length
}
