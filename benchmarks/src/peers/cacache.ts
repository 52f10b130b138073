/**
 * The part of cacache that is measured; it comes without types.
 *
 * @module
 */
// @ts-expect-error -- no types
import untyped from 'cacache'

/** npm's content-addressed cache. */
export const cacache = untyped as {
  put(directory: string, key: string, bytes: Uint8Array, options: { algorithms: string[] }): Promise<unknown>
  readonly get: {
    (directory: string, key: string): Promise<{ readonly data: Uint8Array }>
    readonly byDigest: (
      directory: string,
      integrity: string,
      options: { memoize: boolean },
    ) => Promise<Uint8Array>
  }
}
