/**
 * What counts as white space: Go's `unicode.IsSpace`, which differs from JavaScript's `\s` in U+0085 and U+FEFF.
 *
 * @module
 */

const SPACE = /[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/

/** Tells whether a character is white space. */
export function isSpace(character: string): boolean {
  return SPACE.test(character)
}

/** Removes white space from the start. */
export function trimSpaceStart(text: string): string {
  let start = 0
  while (start < text.length && isSpace(text[start]!)) start += 1
  return text.slice(start)
}

/** Removes white space from both ends. */
export function trimSpace(text: string): string {
  let end = text.length
  while (end > 0 && isSpace(text[end - 1]!)) end -= 1
  return trimSpaceStart(text.slice(0, end))
}
