/**
 * Turns wildcard tokens into the fastest safe test: string comparison for the common shapes, a regular expression
 * while the wildcards are few, the bounded matcher otherwise.
 *
 * @module
 */
import { matchTokens, type WildcardToken } from './wildcard.ts'

/** Wildcards up to which a backtracking engine is trusted: its time grows with this power of the text's length. */
const REGEXP_WILDCARDS = 3

/** Compiles tokens once, for many texts. The test says what `matchTokens` would. */
export function compileTokens(tokens: readonly WildcardToken[]): (text: string) => boolean {
  return compileShape(tokens) ?? compileExpression(tokens) ?? ((text) => matchTokens(tokens, text))
}

/** Returns the text that the tokens are, if none of them is a wildcard. */
export function literalText(tokens: readonly WildcardToken[]): string | undefined {
  let text = ''
  for (const token of tokens) {
    if (token.kind !== 'character') return undefined
    text += token.character
  }
  return text
}

/** `name`, `directory/**`, `a*b` and `**` + `/*.suffix` are nearly all patterns there are. */
function compileShape(tokens: readonly WildcardToken[]): ((text: string) => boolean) | undefined {
  const index = tokens.findIndex(({ kind }) => kind !== 'character')
  const before = literalText(index === -1 ? tokens : tokens.slice(0, index))!
  if (index === -1) return (text) => text === before
  const kind = tokens[index]!.kind
  if (kind === 'rest') return (text) => text.startsWith(before)
  if (kind === 'globstar' && before === '' && tokens[1]?.kind === 'star') {
    const suffix = literalText(tokens.slice(2))
    return suffix === undefined ? undefined : (text) => text.endsWith(suffix)
  }
  const after = literalText(tokens.slice(index + 1))
  if (kind !== 'star' || after === undefined) return undefined
  return (text) => {
    const end = text.length - after.length
    if (end < before.length || !text.startsWith(before) || !text.endsWith(after)) return false
    const slash = text.indexOf('/', before.length)
    return slash === -1 || slash >= end
  }
}

function compileExpression(tokens: readonly WildcardToken[]): ((text: string) => boolean) | undefined {
  const wildcards = tokens.filter(
    ({ kind }) => kind === 'star' || kind === 'globstar' || kind === 'rest',
  ).length
  if (wildcards > REGEXP_WILDCARDS) return undefined
  const expression = new RegExp(`^${tokens.map(tokenSource).join('')}$`, 'su')
  return (text) => expression.test(text)
}

function tokenSource(token: WildcardToken): string {
  switch (token.kind) {
    case 'character':
      return pointSource(token.character.codePointAt(0)!)
    case 'any':
      return '[^/]'
    case 'star':
      return '[^/]*'
    case 'globstar':
      return '(?:.*/)?'
    case 'rest':
      return '.*'
    default: {
      // A range whose ends are swapped matches nothing in Go, but is a syntax error in a regular expression.
      const ranges = token.ranges.filter(({ low, high }) => low <= high)
      const members = ranges.map(({ low, high }) => `${pointSource(low)}-${pointSource(high)}`).join('')
      return token.negated ? `[^${members}]` : `[${members}]`
    }
  }
}

function pointSource(point: number): string {
  return `\\u{${point.toString(16)}}`
}
