/**
 * The same numbers in every run: xorshift32, by G. Marsaglia ("Xorshift RNGs", 2003, triple 13, 17, 5).
 *
 * @module
 */

/** Gives a whole number from 0 up to `bound`, without `bound`. */
export type Random = (bound: number) => number

/** Starts a sequence; equal seeds give equal sequences. */
export function createRandom(seed: number): Random {
  let state = seed
  return (bound) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % bound
  }
}
