/**
 * "Did you mean …?": the nearest known name to a mistyped one.
 *
 * @module
 */

/** Edits up to which two names count as near. */
const MAX_DISTANCE = 2

/** Returns the candidate fewest edits away from `name`, or undefined if none is near. Letter case is ignored. */
export function suggest(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = MAX_DISTANCE + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) > MAX_DISTANCE) continue
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Returns `name` as a hint to append to a message: ` (did you mean NAME?)`, or nothing. */
export function suggestion(name: string, candidates: Iterable<string>): string {
  const nearest = suggest(name, candidates)
  return nearest === undefined ? '' : ` (did you mean ${nearest}?)`
}

/** Levenshtein distance, one row at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= to.length; j += 1) {
      const substitution = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(substitution, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row.at(-1)!
}
