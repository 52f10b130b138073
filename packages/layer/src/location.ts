/**
 * Where a path lies in the file system of this machine.
 *
 * Node takes a file name as a UTF-8 string or as bytes; bytes are needed only for names that are not UTF-8. Linux takes
 * at most 4095 bytes at a time (PATH_MAX); a file deeper than that is reached from an open directory on the way, by
 * `/proc/self/fd`.
 *
 * @module
 */
import { closeSync, constants, openSync } from 'node:fs'
import { encodePath, hasRawBytes } from './path.ts'

/** A file name as `node:fs` takes it. */
export type Location = string | Buffer

/** Bytes one call may name: PATH_MAX less its terminating NUL, and less some room for a last component. */
const MAX_BYTES = 4095 - 256

/** `O_PATH` of Linux, which `node:fs` does not name: a handle that needs no permission to read. */
const O_PATH = 0o10_000_000

const DIRECTORY_FLAGS = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW

/** Turns a path into what `node:fs` takes. */
export function toLocation(path: string): Location {
  return hasRawBytes(path) ? asBuffer(encodePath(path)) : path
}

/** Adds components to a location. */
export function joinLocation(parent: Location, path: string): Location {
  if (path === '') return parent
  if (typeof parent === 'string' && !hasRawBytes(path)) return `${parent}/${path}`
  return Buffer.concat([Buffer.from(parent as string), SLASH, encodePath(path)])
}

/** Whether adding a component could make it longer than the system takes. */
export function isLongLocation(location: Location): boolean {
  // A character has at most three bytes of UTF-8 (a surrogate pair has four): count only when it might matter.
  if (location.length * 3 <= MAX_BYTES) return false
  return Buffer.byteLength(location) > MAX_BYTES
}

/** An open directory as the start of shorter names. Close it when no name made from it is used any more. */
export interface Anchor {
  readonly location: string
  close(): void
}

/** Opens a directory, not following a symlink in its last component. */
export function openAnchor(location: Location): Anchor {
  const fd = openSync(location, DIRECTORY_FLAGS)
  return { location: `/proc/self/fd/${fd}`, close: () => closeSync(fd) }
}

/** Calls `use` with a name for `path` below `root` that is short enough, however deep it lies. */
export function withLocation<T>(root: Location, path: string, use: (location: Location) => T): T {
  const whole = joinLocation(root, path)
  if (!isLongLocation(whole)) return use(whole)
  let anchor: Anchor | undefined
  try {
    let here = root
    for (const component of path.split('/')) {
      if (isLongLocation(here)) {
        const next = openAnchor(here)
        anchor?.close()
        anchor = next
        here = next.location
      }
      here = joinLocation(here, component)
    }
    return use(here)
  } finally {
    anchor?.close()
  }
}

const SLASH = Buffer.from('/')

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
