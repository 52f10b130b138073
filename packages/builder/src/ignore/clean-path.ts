/**
 * Lexical path cleaning, the way Go's `path.Clean` does it, which every `.dockerignore` rule builds on.
 *
 * @module
 */

/**
 * Returns the shortest slash-separated path equal to `path`: no `.`, no empty elements, `..` resolved as far as
 * it can be without looking at a disk. The empty path becomes `.`.
 */
export function cleanPath(path: string): string {
  const rooted = path.startsWith('/')
  const kept: string[] = []
  for (const element of path.split('/')) {
    if (element === '' || element === '.') continue
    if (element !== '..') kept.push(element)
    else if (kept.length > 0 && kept.at(-1) !== '..') kept.pop()
    else if (!rooted) kept.push('..')
  }
  const cleaned = kept.join('/')
  if (rooted) return `/${cleaned}`
  return cleaned === '' ? '.' : cleaned
}
