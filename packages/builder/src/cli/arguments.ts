/**
 * Parsers of single arguments, free of imports that `--help` would pay for.
 *
 * @module
 */
import { InvalidArgumentError } from 'commander'

/** Collects a repeated option. */
export function collect(value: string, earlier: readonly string[]): string[] {
  return [...earlier, value]
}

/** A whole number, not negative. */
export function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Not a whole number')
  return Number(text)
}
