/**
 * Removal of what a layer replaces or hides.
 *
 * @module
 */
import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { systemCode } from '../errors.ts'
import { type Anchor, isLongLocation, joinLocation, type Location, openAnchor } from '../location.ts'
import { decodePath } from '../path.ts'

/** Names in a directory, exactly. */
export function listNames(location: Location): string[] {
  return readdirSync(location, 'latin1').map((name) => decodePath(Buffer.from(name, 'latin1')))
}

/** Removes a file, or a directory with all that is in it; `false` if there is nothing. Never follows a symlink. */
export function removeTree(location: Location): boolean {
  const stats = lstatSync(location, { throwIfNoEntry: false })
  if (stats === undefined) return false
  if (stats.isDirectory()) removeDirectory(location)
  else unlinkSync(location)
  return true
}

interface Frame {
  readonly location: Location
  readonly names: string[]
  readonly anchor: Anchor | undefined
  /** Removed when it is empty: its name, not the anchor. */
  readonly self: Location
}

/** Without recursion, since the depth is not ours to choose. */
function removeDirectory(top: Location): void {
  const frames: Frame[] = []
  const enter = (self: Location): void => {
    const anchor = isLongLocation(self) ? openAnchor(self) : undefined
    const location = anchor?.location ?? self
    frames.push({ location, names: listForRemoval(location), anchor, self })
  }
  try {
    enter(top)
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const name = frame.names.pop()
      if (name === undefined) {
        frame.anchor?.close()
        frames.pop()
        rmdirSync(frame.self)
        continue
      }
      const location = joinLocation(frame.location, name)
      if (lstatSync(location).isDirectory()) enter(location)
      else unlinkSync(location)
    }
  } finally {
    for (const { anchor } of frames) anchor?.close()
  }
}

/** A directory of ours may lack the permissions its removal needs; root does not ask for any. */
function listForRemoval(location: Location): string[] {
  if (process.geteuid?.() !== 0) {
    try {
      chmodSync(location, 0o700)
    } catch (error) {
      if (systemCode(error) !== 'EPERM') throw error
    }
  }
  return listNames(location)
}
