/**
 * Build contexts: directories seen through their ignore files.
 *
 * @module
 */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Digest } from '@varve/digest'
import { createEntry, type Entry, fromDirectory, parentOf, Tree } from '@varve/layer'
import { BuilderError } from '../errors.ts'
import { parseDockerignore } from '../ignore/dockerignore.ts'
import { PatternMatcher } from '../ignore/pattern.ts'
import { FileHashes } from './file-hashes.ts'

/** Anything COPY can take files from. */
export interface FileSourceTree {
  readonly tree: Tree
  /** The digest of a regular file of the tree. */
  digest(entry: Entry): Digest | Promise<Digest>
  /** Throws if what was hashed is no longer what is there. */
  assertUnchanged(entries: Iterable<Entry>): void
}

/** A directory given by the user. */
export interface ContextDirectory {
  readonly directory: string
  /** Where file digests are remembered; none if absent. */
  readonly hashIndex?: string
  /** `<Dockerfile>.dockerignore`, used instead of `.dockerignore` where it exists. */
  readonly ignoreFile?: string
  readonly epoch: number
  /** Default `exact`. */
  readonly modes?: 'exact' | 'git'
  readonly signal?: AbortSignal
}

/** A context whose digests are remembered once the build is done. */
export interface LoadedContext extends FileSourceTree {
  save(): void
}

/**
 * Walks a context: owner 0:0, every time the epoch, ignored paths left out.
 *
 * @throws {BuilderError} `ERR_BUILDER_CONTEXT` if it is no readable directory, `ERR_BUILDER_IGNORE` if its ignore file
 *   is malformed.
 */
export async function loadContext(context: ContextDirectory): Promise<LoadedContext> {
  const { epoch, signal } = context
  const directory = existingDirectory(context.directory)
  const matcher = readIgnoreFile(directory, context.ignoreFile)
  const passed = new Set<string>()
  let tree: Tree
  try {
    tree = await fromDirectory(directory, {
      owner: { uid: 0, gid: 0 },
      mtime: epoch,
      ...(signal !== undefined && { signal }),
      ...(matcher !== undefined && {
        filter: (path: string, isDirectory: boolean) => {
          if (!matcher.matches(path)) return true
          if (!isDirectory || !matcher.couldMatchBelow(path)) return false
          passed.add(path)
          return true
        },
      }),
    })
  } catch (cause) {
    signal?.throwIfAborted()
    if (cause instanceof BuilderError) throw cause
    throw new BuilderError(
      'ERR_BUILDER_CONTEXT',
      `Cannot read the build context: ${(cause as Error).message}`,
      { cause },
    )
  }
  const hashes = new FileHashes(directory, context.hashIndex)
  if (passed.size > 0) tree = withoutEmpty(tree, passed)
  return {
    tree: context.modes === 'git' ? withGitModes(tree) : tree,
    digest: (entry) => hashes.digest(entry.path),
    assertUnchanged: (entries) => {
      hashes.assertUnchanged([...entries].map(({ path }) => path))
    },
    save: () => {
      hashes.save()
    },
  }
}

/** The absolute path of a directory that exists. */
export function existingDirectory(path: string): string {
  try {
    const directory = realpathSync(path)
    if (statSync(directory).isDirectory()) return directory
  } catch (cause) {
    throw new BuilderError(
      'ERR_BUILDER_CONTEXT',
      `The build context ${JSON.stringify(path)} cannot be read`,
      { cause },
    )
  }
  throw new BuilderError(
    'ERR_BUILDER_CONTEXT',
    `The build context ${JSON.stringify(path)} is not a directory`,
  )
}

function readIgnoreFile(directory: string, ignoreFile: string | undefined): PatternMatcher | undefined {
  const candidates = [ignoreFile, join(directory, '.dockerignore')]
  const file = candidates.find((path) => path !== undefined && existsSync(path))
  if (file === undefined) return undefined
  try {
    const matcher = new PatternMatcher(parseDockerignore(readFileSync(file)))
    return matcher.size === 0 ? undefined : matcher
  } catch (cause) {
    const { code, message } = cause as BuilderError
    const text = `Cannot use ${JSON.stringify(basename(file))}: ${message}`
    throw new BuilderError(code === 'ERR_BUILDER_IGNORE' ? code : 'ERR_BUILDER_CONTEXT', text, { cause })
  }
}

/** git keeps one bit of a mode: whether the owner may execute it (gitformat-index(5), "32-bit mode"). */
function withGitModes(tree: Tree): Tree {
  const entries = [...tree].map((entry) => {
    if (entry.type !== 'file' && entry.type !== 'directory') return entry
    const mode = entry.type === 'directory' || (entry.mode & 0o100) !== 0 ? 0o755 : 0o644
    return mode === entry.mode ? entry : createEntry({ ...entry, mode })
  })
  return Tree.from(entries)
}

/** Ignored directories were walked for the exceptions below them; those that had none go. */
function withoutEmpty(tree: Tree, passed: ReadonlySet<string>): Tree {
  const needed = new Set<string>()
  for (const { path } of tree) {
    if (passed.has(path)) continue
    for (let parent = parentOf(path); parent !== '' && !needed.has(parent); parent = parentOf(parent))
      needed.add(parent)
  }
  return Tree.from([...tree].filter(({ path }) => !passed.has(path) || needed.has(path)))
}
