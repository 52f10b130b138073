/**
 * What Node cannot do to a file system: extended attributes, devices and FIFOs.
 *
 * @module
 */
import { closeSync, constants, openSync, renameSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { findTool } from '../host-tools.ts'
import { decodePath } from '../path.ts'
import { isImageXattr, type XattrFilter } from '../xattrs/image-xattrs.ts'
import {
  listAttributes,
  readAttributes,
  removeAttribute,
  runTool,
  writeAttributes,
} from './attribute-tools.ts'

/** Whether it was done; what was not is listed in the {@link ApplyReport}. */
export type AdapterResult = 'done' | 'unsupported'

/** Kinds of files {@link FileSystemAdapter.makeDevice} makes. */
export type DeviceType = 'char' | 'block' | 'fifo'

/** A file that gets extended attributes. */
export interface XattrTask {
  /**
   * An open descriptor of the file; of a symlink or a device one of `O_PATH`. In this process `/proc/self/fd/<fd>` names
   * the file itself; a child gets the descriptor by its `stdio`. Not to be closed.
   */
  readonly fd: number
  readonly xattrs: ReadonlyMap<string, Uint8Array>
  /** Whether the file may have others, which have to go. */
  readonly replace: boolean
}

/**
 * Does what plain Node cannot. A path is a string unless its bytes are not UTF-8; it is good during the call, and on
 * Linux it begins with `/proc/self/fd/<directory>/`, which for a child process is a directory of its own: hand it over as
 * `cwd` or by `stdio`. No method may follow a symlink in the last component, and an error it throws ends the apply.
 */
export interface FileSystemAdapter {
  /** Replaces all extended attributes of a file. */
  setXattrs(path: string | Uint8Array, xattrs: ReadonlyMap<string, Uint8Array>): AdapterResult
  /**
   * The same for several files at once; used instead where it is there and descriptors can name files. Returns for each
   * the names that could not be set. Attributes that the filter refuses are of the host: they stay.
   */
  setXattrBatch?(tasks: readonly XattrTask[], filter: XattrFilter): readonly (readonly string[])[]
  /** Makes a device or a FIFO where nothing is; owner and time are set by the caller. */
  makeDevice(
    path: string | Uint8Array,
    type: DeviceType,
    major: number,
    minor: number,
    mode: number,
  ): AdapterResult
}

/**
 * Uses the host's `mknod`, `setfattr` and `getfattr`.
 *
 * They are looked for now, in absolute directories of the PATH of this process, and later run by the path found: nothing
 * inside an unpacked tree is ever run. What a tool is missing for, or refuses, is `unsupported`. Each device starts a
 * process; attributes of many files are set by one, values and names byte for byte, and read back if it reports any
 * trouble.
 */
export function systemAdapter(): FileSystemAdapter {
  const mknod = findTool('mknod')
  const setfattr = findTool('setfattr')
  const getfattr = findTool('getfattr')

  const setXattrBatch = (
    tasks: readonly XattrTask[],
    filter: XattrFilter,
  ): readonly (readonly string[])[] => {
    if (setfattr === undefined) return tasks.map(({ xattrs }) => [...xattrs.keys()])
    const fds = tasks.map(({ fd }) => fd)
    const replaced = tasks.flatMap(({ replace }, index) => (replace ? [index] : []))
    const stuck = tasks.map((): string[] => [])
    if (getfattr !== undefined && replaced.length > 0) {
      const found = listAttributes(
        getfattr,
        replaced.map((index) => fds[index]!),
      )
      for (const [at, names] of found.entries()) {
        const index = replaced[at]!
        for (const name of names) {
          if (!filter(name) || tasks[index]!.xattrs.has(name)) continue
          if (!removeAttribute(setfattr, fds[index]!, name)) stuck[index]!.push(name)
        }
      }
    }
    if (writeAttributes(setfattr, tasks)) return stuck
    const present = getfattr === undefined ? undefined : readAttributes(getfattr, fds)
    return tasks.map(({ xattrs }, index) => [
      ...stuck[index]!,
      ...[...xattrs].flatMap(([name, value]) =>
        present?.[index]?.get(name)?.equals(value) === true ? [] : [name],
      ),
    ])
  }

  return {
    setXattrBatch,
    setXattrs: (path, xattrs) => {
      if (setfattr === undefined) return xattrs.size === 0 ? 'done' : 'unsupported'
      return withDescriptor(path, (fd) => {
        const [refused] = setXattrBatch([{ fd, xattrs, replace: true }], isImageXattr)
        return refused!.length === 0
      })
    },
    makeDevice: (path, type, major, minor, mode) => {
      if (mknod === undefined) return 'unsupported'
      const kind = { char: 'c', block: 'b', fifo: 'p' }[type]
      const numbers = type === 'fifo' ? [] : [String(major), String(minor)]
      const permissions = `-m${(mode & 0o777).toString(8).padStart(4, '0')}`
      const { directory, name } = split(path)
      // No argument of a process can hold a name that is not UTF-8.
      const plain = typeof name === 'string' ? name : `.mknod-${process.pid}`
      const done = runTool(mknod, [permissions, '--', plain, kind, ...numbers], { cwd: directory }).ok
      if (done && plain !== name) renameSync(join(directory, plain), path as Buffer)
      return done ? 'done' : 'unsupported'
    },
  }
}

/** The default: nothing for attributes; devices and FIFOs as {@link systemAdapter} where the process is root. */
export function defaultAdapter(): FileSystemAdapter {
  const root = process.geteuid?.() === 0
  const system = root ? systemAdapter() : undefined
  return {
    setXattrs: (_path, xattrs) => (xattrs.size === 0 ? 'done' : 'unsupported'),
    makeDevice: (...device) => system?.makeDevice(...device) ?? 'unsupported',
  }
}

/** `O_PATH` of Linux, which `node:fs` does not name. */
const NAME_FLAGS = 0o10_000_000 | constants.O_NOFOLLOW

function withDescriptor(path: string | Uint8Array, use: (fd: number) => boolean): AdapterResult {
  const fd = openSync(path as string | Buffer, NAME_FLAGS)
  try {
    return use(fd) ? 'done' : 'unsupported'
  } finally {
    closeSync(fd)
  }
}

/** The directory and the name in it; a directory that is not UTF-8 cannot be handed to a process. */
function split(path: string | Uint8Array): {
  readonly directory: string
  readonly name: string | Uint8Array
} {
  if (typeof path === 'string') return { directory: dirname(path), name: basename(path) }
  const slash = path.lastIndexOf(0x2f)
  return { directory: decodePath(path.subarray(0, slash)), name: path.subarray(slash + 1) }
}
