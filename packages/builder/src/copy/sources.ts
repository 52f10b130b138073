/**
 * Which files the source words of COPY and ADD mean.
 *
 * @module
 */
import { posix } from 'node:path'
import type { Entry, Tree } from '@varve/layer'
import { BuilderError, type SourceLocation } from '../errors.ts'
import { compileGlob, hasWildcard } from '../ignore/glob.ts'
import type { PatternMatcher } from '../ignore/pattern.ts'
import { linkedFile } from './hard-links.ts'
import { joinBelow, resolveInRoot } from './in-root.ts'
import { located } from './located.ts'

/** One file or directory to be copied. */
export interface Match {
  readonly tree: Tree
  /** Where it lies, links of the source word followed; `''` is the root of the source. */
  readonly path: string
  /** What it is; a root without an entry of its own counts as a directory. */
  readonly entry: Entry | undefined
  /** The name it has below a destination directory: its last component as written. */
  readonly name: string
  /** Directories to keep in front of it (`--parents`), outermost first; a directory is the last of them itself. */
  readonly kept: readonly KeptDirectory[]
}

/** A directory that `--parents` keeps, with the attributes it has in the source. */
export interface KeptDirectory {
  /** Below the destination. */
  readonly path: string
  readonly entry: Entry | undefined
}

/** One thing that a match brings along. */
export interface SourceFile {
  /** Below the destination directory; it is also what `--exclude` looks at. */
  readonly path: string
  /** The entry found, which may be a hard link. */
  readonly name: Entry
  /** The file it is a name of: all its metadata, and the content. */
  readonly file: Entry
}

/**
 * Finds what one source word means: a path, or a pattern whose `*` stays within one component.
 *
 * A pattern may match nothing; a path must exist. With `parents`, `**` spans directories, and `/./` ends the part of
 * the path that is not kept.
 *
 * @throws {BuilderError} `ERR_BUILDER_COPY` if a path does not exist or its links loop; `ERR_BUILDER_DOCKERFILE` if a
 *   pattern is malformed.
 */
export function findSources(
  tree: Tree,
  word: string,
  options: { readonly parents: boolean; readonly location?: SourceLocation | undefined },
): Match[] {
  return located(options.location, () => findMatches(tree, word, options.parents))
}

/**
 * Everything a match brings along, in the order of its tree: kept directories, then a file itself, or what is below a
 * directory.
 *
 * @throws {BuilderError} `ERR_BUILDER_COPY` for a hard link that leads nowhere.
 */
export function* sourceFiles(match: Match, exclude?: PatternMatcher): Generator<SourceFile, void, void> {
  for (const [path, name] of namesOf(match)) {
    if (exclude?.matches(path) === true) continue
    yield { path, name, file: linkedFile(match.tree, name) }
  }
}

/** Whether a match is a directory, whose contents are copied, not itself. */
export function isDirectory(entry: Entry | undefined): boolean {
  return entry === undefined || entry.type === 'directory'
}

function findMatches(tree: Tree, word: string, parents: boolean): Match[] {
  const [pivot, rest] = parents ? splitPivot(word) : ['', word]
  return expandPattern(tree, '', clean(pivot), parents).flatMap((root) =>
    expandPattern(tree, root, clean(rest), parents).map((written) => {
      const path = resolveInRoot(tree, joinBelow(root, written))
      const entry = tree.get(path)
      if (entry === undefined && path !== '') {
        const wanted = JSON.stringify(`/${joinBelow(root, written)}`)
        throw new BuilderError('ERR_BUILDER_COPY', `${wanted} not found`, {
          hint: 'Is it below the build context, and not excluded by .dockerignore?',
        })
      }
      const kept = isDirectory(entry) ? written : clean(posix.dirname(written))
      return {
        tree,
        path,
        entry,
        name: posix.basename(written),
        kept: parents ? keptDirectories(tree, root, kept) : [],
      }
    }),
  )
}

function* namesOf({ tree, path, entry, name, kept }: Match): Generator<[path: string, name: Entry]> {
  for (const directory of kept) {
    if (directory.entry !== undefined) yield [directory.path, directory.entry]
  }
  const directory = kept.at(-1)?.path ?? ''
  if (entry !== undefined && !isDirectory(entry)) {
    yield [joinBelow(directory, name), entry]
    return
  }
  const skipped = path === '' ? 0 : path.length + 1
  for (const below of tree.below(path)) yield [joinBelow(directory, below.path.slice(skipped)), below]
}

/** What a pattern means below `root`, as written there; a path means itself, whether it exists or not. */
function expandPattern(tree: Tree, root: string, pattern: string, globstar: boolean): string[] {
  if (!hasWildcard(pattern)) return [pattern]
  const parts = pattern.split('/')
  const wild = parts.findIndex((part) => hasWildcard(part))
  const prefix = parts.slice(0, wild).join('/')
  const directory = resolveInRoot(tree, joinBelow(root, prefix))
  const matches = compileGlob(parts.slice(wild).join('/'), { globstar })
  const found: string[] = []
  let covered: string | undefined
  for (const { path, type } of tree.below(directory)) {
    // What is below a match comes with it.
    if (covered !== undefined && path.startsWith(covered)) continue
    const relative = directory === '' ? path : path.slice(directory.length + 1)
    if (!matches(relative)) continue
    found.push(joinBelow(prefix, relative))
    if (type === 'directory') covered = `${path}/`
  }
  return found
}

/** `a`, `a/b`, … up to `path`, which lies below `root`. */
function keptDirectories(tree: Tree, root: string, path: string): KeptDirectory[] {
  if (path === '') return []
  const parts = path.split('/')
  return parts.map((_, index) => {
    const kept = parts.slice(0, index + 1).join('/')
    return { path: kept, entry: tree.get(resolveInRoot(tree, joinBelow(root, kept))) }
  })
}

/** `a/./b`: what is left of the pivot is not kept. */
function splitPivot(word: string): [pivot: string, rest: string] {
  const at = word.indexOf('/./')
  return at < 0 ? ['', word] : [word.slice(0, at), word.slice(at + 3)]
}

/** Relative to the root of the source, which `..` does not leave. */
function clean(path: string): string {
  return posix.join('/', path).replaceAll(/^\/+|\/+$/g, '')
}
