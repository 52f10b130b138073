/**
 * Which files the source words of COPY and ADD mean.
 *
 * @module
 */
import { posix } from 'node:path'
import type { Entry, Tree } from '@varve/layer'
import { BuilderError, type SourceLocation } from '../errors.ts'
import { hasWildcard, matchGlob } from '../ignore/glob.ts'
import { resolveInRoot } from './in-root.ts'

/** One file or directory to be copied. */
export interface Match {
  readonly tree: Tree
  /** Where it lies, links of the source word followed; `''` is the root of the source. */
  readonly path: string
  /** What it is; a root without an entry of its own counts as a directory. */
  readonly entry: Entry | undefined
  /** The name it has below a destination directory: its last component as written. */
  readonly name: string
  /** Directories to keep in front of it (`--parents`), `''` for none. */
  readonly kept: string
}

/**
 * Finds what one source word means: a path, or a pattern whose `*` stays within one component.
 *
 * A pattern may match nothing; a path must exist.
 *
 * @throws {BuilderError} `ERR_BUILDER_COPY`
 */
export function findSources(
  tree: Tree,
  word: string,
  options: { readonly parents: boolean; readonly location?: SourceLocation | undefined },
): Match[] {
  const { location } = options
  const [pivot, rest] = options.parents ? splitPivot(word) : ['', word]
  const pattern = clean(posix.join('/', pivot, rest))
  const paths = hasWildcard(pattern)
    ? [...tree].map(({ path }) => path).filter((path) => path !== '' && matchGlob(pattern, path))
    : [pattern]
  return paths.map((written) => {
    const path = resolveInRoot(tree, written)
    const entry = tree.get(path)
    if (entry === undefined && path !== '') {
      throw new BuilderError('ERR_BUILDER_COPY', `${JSON.stringify(`/${written}`)} not found`, {
        ...(location !== undefined && { location }),
        hint: 'Is it below the build context, and not excluded by .dockerignore?',
      })
    }
    const base = clean(posix.join('/', pivot))
    const below = base === '' ? written : written.slice(base.length + 1)
    return {
      tree,
      path,
      entry,
      name: posix.basename(written),
      kept: options.parents
        ? isDirectory(entry)
          ? below
          : clean(posix.join('/', posix.dirname(below)))
        : '',
    }
  })
}

/** Whether a match is a directory, whose contents are copied, not itself. */
export function isDirectory(entry: Entry | undefined): boolean {
  return entry === undefined || entry.type === 'directory'
}

/** `a/./b`: what is left of the pivot is not kept. */
function splitPivot(word: string): [pivot: string, rest: string] {
  const at = word.indexOf('/./')
  return at < 0 ? ['', word] : [word.slice(0, at), word.slice(at + 3)]
}

function clean(path: string): string {
  return posix.normalize(path).replace(/^\/+|\/+$/g, '')
}
