/**
 * Removal of what a layer replaces or hides.
 *
 * @module
 */
import { lstatSync, readdirSync, rmdirSync, type Stats, unlinkSync } from 'node:fs'
import { systemCode } from '../errors.ts'
import type { Location } from '../location.ts'
import { decodePath } from '../path.ts'
import { DEFAULT_DIRECTORY, DirectoryNode } from './directory-node.ts'
import type { DirectoryHandles } from './handles.ts'

/** Names in a directory, exactly. */
export function listNames(location: Location): string[] {
  return readdirSync(location, 'latin1').map((name) => decodePath(Buffer.from(name, 'latin1')))
}

/**
 * Removes a name in a directory, with all that is below it if it is a directory; `false` if there is nothing. Never
 * follows a symlink.
 */
export function removeName(handles: DirectoryHandles, parent: DirectoryNode, name: string): boolean {
  const stats = lstatSync(handles.at(parent, name), { throwIfNoEntry: false })
  if (stats === undefined) return false
  if (stats.isDirectory()) removeDirectory(handles, parent, name, stats)
  else unlinkSync(handles.at(parent, name))
  return true
}

interface Frame {
  readonly node: DirectoryNode
  readonly names: string[]
}

/** Without recursion, since the depth is not ours to choose. */
function removeDirectory(handles: DirectoryHandles, parent: DirectoryNode, name: string, stats: Stats): void {
  const frames: Frame[] = [enter(handles, parent, name, stats)]
  try {
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const { node, names } = frame
      const next = names.pop()
      if (next === undefined) {
        handles.release(node)
        frames.pop()
        rmdirSync(handles.at(node.parent!, node.name))
        continue
      }
      const found = lstatSync(handles.at(node, next))
      if (found.isDirectory()) frames.push(enter(handles, node, next, found))
      else unlinkSync(handles.at(node, next))
    }
  } finally {
    for (const { node } of frames) handles.release(node)
  }
}

/** A directory of ours may lack the permissions its removal needs; root does not ask for any. */
function enter(handles: DirectoryHandles, parent: DirectoryNode, name: string, { mode }: Stats): Frame {
  const node = new DirectoryNode(parent, name, DEFAULT_DIRECTORY, false)
  if (process.geteuid?.() !== 0 && (mode & 0o700) !== 0o700) {
    try {
      handles.unlock(node, 0o700)
    } catch (error) {
      if (systemCode(error) !== 'EPERM') throw error
    }
  }
  return { node, names: listNames(handles.prefix(node)) }
}
