/**
 * Durations as Go's `time.ParseDuration` reads them: `1h30m`, `1.5s`, `300ms`.
 *
 * @module
 */
import { problem } from './problem.ts'

const NANOSECONDS: ReadonlyMap<string, number> = new Map([
  ['ns', 1],
  ['us', 1e3],
  ['µs', 1e3],
  ['μs', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
  ['m', 60e9],
  ['h', 3600e9],
])

const TERM = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy

/** Go keeps durations in 64 bits. */
const MAX_NANOSECONDS = 2 ** 63

/** More digits than these cannot change a number of nanoseconds. */
const MAX_FRACTION_DIGITS = 18

/**
 * Parses a duration to nanoseconds.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` if it is malformed or longer than some 292 years.
 */
export function parseDuration(text: string): number {
  const unsigned = text.replace(/^[+-]/, '')
  if (unsigned === '0') return 0
  let total = 0
  let consumed = 0
  for (const [term, amount = '', unit = ''] of unsigned.matchAll(TERM)) {
    const [whole = '', fraction = ''] = amount.split('.')
    const scale = NANOSECONDS.get(unit)!
    // As in Go, the digits are multiplied as an integer: 0.7 h must not lose a nanosecond to binary fractions.
    const digits = fraction.slice(0, MAX_FRACTION_DIGITS)
    total += Number(whole) * scale + Math.trunc(Number(digits) * (scale / 10 ** digits.length))
    consumed += term.length
  }
  if (consumed === 0 || consumed !== unsigned.length)
    throw problem(`Invalid duration ${JSON.stringify(text)}`)
  if (total >= MAX_NANOSECONDS) throw problem(`Duration ${JSON.stringify(text)} is too long`)
  return text.startsWith('-') ? -total : total
}
