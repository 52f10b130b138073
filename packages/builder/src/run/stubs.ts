/**
 * Mount points that a run needs and its image lacks: made before, gone after.
 *
 * @module
 */
import { lstatSync, mkdirSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { BuilderError } from '../errors.ts'

/** Mount points made in a root file system. */
export interface Stubs {
  /** Removes what was made and is still empty; what a process put there stays. */
  remove(): void
}

/**
 * Makes sure that each path is there to be mounted on. A component that is not a directory is refused: a link would
 * lead the mount out of the root.
 *
 * @throws {BuilderError} `ERR_BUILDER_RUNNER`
 */
export function makeStubs(
  root: string,
  targets: ReadonlyArray<{ readonly path: string; readonly kind: 'directory' | 'file' }>,
): Stubs {
  const made: string[] = []
  for (const { path, kind } of targets) {
    for (const parent of parents(path)) ensure(join(root, parent), 'directory', made)
    ensure(join(root, path), kind, made)
  }
  return {
    remove: () => {
      for (const path of made.toReversed()) removeEmpty(path)
    },
  }
}

/** Whether `path` can be mounted on as it is: nothing is there, or a file or directory that is no link. */
export function isMountable(root: string, path: string): boolean {
  const before = parents(path).map((parent) => lstatSync(join(root, parent), { throwIfNoEntry: false }))
  const last = lstatSync(join(root, path), { throwIfNoEntry: false })
  return (
    before.every((stat) => stat === undefined || stat.isDirectory()) && (last === undefined || last.isFile())
  )
}

function ensure(path: string, kind: 'directory' | 'file', made: string[]): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) {
    if (kind === 'directory') mkdirSync(path)
    else writeFileSync(path, '', { flag: 'wx' })
    made.push(path)
  } else if (kind === 'directory' ? !stat.isDirectory() : !stat.isFile()) {
    throw new BuilderError('ERR_BUILDER_RUNNER', `Cannot mount on ${JSON.stringify(path)}: it is no ${kind}`)
  }
}

function removeEmpty(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat?.isFile() === true && stat.size === 0) unlinkSync(path)
  if (stat?.isDirectory() !== true) return
  try {
    rmdirSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error
  }
}

function parents(path: string): string[] {
  const up = dirname(path)
  return up === '.' || up === '/' ? [] : [...parents(up), up]
}
