/**
 * Reads `.dockerignore` files into patterns, by the rules of moby's `ignorefile`.
 *
 * @module
 */
import { BuilderError } from '../errors.ts'
import { trimSpace } from '../dockerfile/whitespace.ts'
import { cleanPath } from './clean-path.ts'

/** Largest accepted file, in bytes. */
const MAX_FILE_BYTES = 4 * 1024 * 1024

/**
 * Returns the patterns of an ignore file in order, cleaned and relative to the context root.
 *
 * A comment has its `#` in the first column. A byte order mark is dropped. `!` keeps its place at the front, with
 * the spaces after it removed. Whether the patterns are any good is for `PatternMatcher` to say.
 *
 * @throws {BuilderError} `ERR_BUILDER_IGNORE` if the file is larger than 4 MiB.
 */
export function parseDockerignore(source: string | Uint8Array): string[] {
  if (source.length > MAX_FILE_BYTES) {
    throw new BuilderError('ERR_BUILDER_IGNORE', `The ignore file is larger than ${MAX_FILE_BYTES} bytes`)
  }
  const text = typeof source === 'string' ? source.replace(/^\uFEFF/, '') : new TextDecoder().decode(source)
  const patterns: string[] = []
  for (const line of text.split('\n')) {
    const trimmed = trimSpace(line)
    if (line.startsWith('#') || trimmed === '') continue
    const negated = trimmed.startsWith('!')
    const pattern = negated ? trimSpace(trimmed.slice(1)) : trimmed
    patterns.push((negated ? '!' : '') + (pattern === '' ? '' : relative(cleanPath(pattern))))
  }
  return patterns
}

function relative(path: string): string {
  return path.length > 1 && path.startsWith('/') ? path.slice(1) : path
}
