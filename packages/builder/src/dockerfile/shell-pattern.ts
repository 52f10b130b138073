/**
 * The patterns of `${name#pattern}`, `${name%pattern}` and `${name/pattern/replacement}`.
 *
 * Only `*` and `?` are special, and neither matches a line end. Matching takes time bounded by the length of the
 * value times that of the pattern.
 *
 * @module
 */
import { advance, type WildcardToken } from '../ignore/wildcard.ts'
import { problem } from './problem.ts'

/** Bound on value length times pattern length: about a second of work. */
const MAX_WORK = 2 ** 26

/** Removes the shortest or longest match of a pattern from the start of a value. */
export function trimPrefix(value: string, pattern: string, longest: boolean): string {
  const characters = Array.from(value)
  const tokens = parseShellPattern(pattern)
  return characters.slice(matchedLength(characters, tokens, longest)).join('')
}

/** Removes the shortest or longest match of a pattern from the end of a value. */
export function trimSuffix(value: string, pattern: string, longest: boolean): string {
  const characters = Array.from(value).toReversed()
  const tokens = parseShellPattern(pattern).toReversed()
  return characters
    .slice(matchedLength(characters, tokens, longest))
    .toReversed()
    .join('')
}

/** Replaces the first match of a pattern, or all of them, each as long as it can be. */
export function replacePattern(value: string, pattern: string, replacement: string, all: boolean): string {
  const characters = Array.from(value)
  const tokens = parseShellPattern(pattern)
  let result = ''
  let copied = 0
  let lastEnd = -1
  for (const start of matchStarts(characters, tokens)) {
    if (start < copied) continue
    const end = ends(characters, tokens, [start]).at(-1)!
    // As in Go, an empty match right after another match does not count.
    if (end === start && start === lastEnd) continue
    result += characters.slice(copied, start).join('') + replacement
    copied = end
    lastEnd = end
    if (!all) break
  }
  return result + characters.slice(copied).join('')
}

function parseShellPattern(pattern: string): WildcardToken[] {
  const tokens: WildcardToken[] = []
  const characters = Array.from(pattern)
  for (let position = 0; position < characters.length; position += 1) {
    const character = characters[position]!
    if (character === '*') tokens.push({ kind: 'star' })
    else if (character === '?') tokens.push({ kind: 'any' })
    else if (character !== '\\') tokens.push({ kind: 'character', character })
    else {
      const escaped = characters[++position] ?? ''
      if (escaped === '' || !'*?\\}/'.includes(escaped)) {
        throw problem(
          `invalid escape ${JSON.stringify(`\\${escaped}`)} in pattern ${JSON.stringify(pattern)}`,
        )
      }
      tokens.push({ kind: 'character', character: escaped })
    }
  }
  return tokens
}

function matchedLength(
  characters: readonly string[],
  tokens: readonly WildcardToken[],
  longest: boolean,
): number {
  const lengths = ends(characters, tokens, [0])
  return (longest ? lengths.at(-1) : lengths[0]) ?? 0
}

/** Returns every position a match can begin at, ascending: the pattern run backwards from everywhere. */
function matchStarts(characters: readonly string[], tokens: readonly WildcardToken[]): number[] {
  const everywhere = Array.from({ length: characters.length + 1 }, (_, index) => index)
  return ends(characters.toReversed(), tokens.toReversed(), everywhere)
    .map((position) => characters.length - position)
    .toReversed()
}

function ends(
  characters: readonly string[],
  tokens: readonly WildcardToken[],
  starts: readonly number[],
): readonly number[] {
  if (characters.length * tokens.length > MAX_WORK) throw problem('pattern and value are too long to match')
  let positions = starts
  for (const token of tokens) positions = advance(positions, token, characters, '\n')
  return positions
}
