/**
 * Wildcards in COPY and ADD sources: Go's `filepath.Match`, as BuildKit applies it to the walked tree.
 *
 * @module
 */
import { parseWildcards } from './wildcard.ts'
import { compileTokens } from './wildcard-compiler.ts'

/** Options of {@link compileGlob}. */
export interface GlobOptions {
  /** Let `**` span directories, as the sources of `COPY --parents` do; default false. */
  readonly globstar?: boolean
}

/**
 * Compiles a pattern once, for many names. `*` and `?` never match a `/`.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` if the pattern is malformed.
 */
export function compileGlob(pattern: string, options: GlobOptions = {}): (name: string) => boolean {
  const { globstar = false } = options
  return compileTokens(parseWildcards(pattern, { globstar, code: 'ERR_BUILDER_DOCKERFILE' }))
}

/**
 * Tells whether a pattern matches all of a name; see {@link compileGlob}.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` if the pattern is malformed.
 */
export function matchGlob(pattern: string, name: string): boolean {
  return compileGlob(pattern)(name)
}

/** Tells whether a source is a pattern: only then may it match nothing. An escaped wildcard does not count. */
export function hasWildcard(pattern: string): boolean {
  for (let index = 0; index < pattern.length; index += 1) {
    const character = pattern[index]!
    if (character === '\\') index += 1
    else if ('*?['.includes(character)) return true
  }
  return false
}
