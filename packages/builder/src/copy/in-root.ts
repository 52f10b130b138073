/**
 * Paths inside a tree, symbolic links followed without ever leaving it.
 *
 * @module
 */
import type { Entry } from '@varve/layer'
import { BuilderError } from '../errors.ts'

/** As many as Linux follows before it answers ELOOP (path_resolution(7)). */
const MAXIMUM_LINKS = 40

/** Anything with paths that may be links: a tree, or a directory on disk. */
export interface Links {
  get(path: string): Pick<Entry, 'type' | 'linkname'> | undefined
}

/**
 * Follows every link of `path`, the last component included. `..` stops at the root, absolute targets start there
 * again; what does not exist is taken as written.
 *
 * @throws {BuilderError} `ERR_BUILDER_COPY` on a loop.
 */
export function resolveInRoot(tree: Links, path: string): string {
  const pending = components(path).toReversed()
  const resolved: string[] = []
  let links = 0
  for (let component = pending.pop(); component !== undefined; component = pending.pop()) {
    if (component === '..') {
      resolved.pop()
      continue
    }
    const entry = tree.get([...resolved, component].join('/'))
    if (entry?.type !== 'symlink') {
      resolved.push(component)
      continue
    }
    links += 1
    if (links > MAXIMUM_LINKS) {
      throw new BuilderError('ERR_BUILDER_COPY', `Too many symbolic links in ${JSON.stringify(path)}`)
    }
    if (entry.linkname.startsWith('/')) resolved.length = 0
    pending.push(...components(entry.linkname).toReversed())
  }
  return resolved.join('/')
}

/** A path below a directory, either of which may be `''`. */
export function joinBelow(directory: string, path: string): string {
  return directory === '' || path === '' ? directory + path : `${directory}/${path}`
}

function components(path: string): string[] {
  return path.split('/').filter((component) => component !== '' && component !== '.')
}
