/**
 * What Node cannot do to a file system: extended attributes, devices and FIFOs.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/** Whether it was done; what was not is listed in the {@link ApplyReport}. */
export type AdapterResult = 'done' | 'unsupported'

/** Kinds of files {@link FileSystemAdapter.makeDevice} makes. */
export type DeviceType = 'char' | 'block' | 'fifo'

/**
 * Does what plain Node cannot. A path is a string unless its bytes are not UTF-8. Neither method may follow a symlink in
 * the last component, and an error it throws ends the apply.
 */
export interface FileSystemAdapter {
  /** Replaces all extended attributes of a file. */
  setXattrs(path: string | Uint8Array, xattrs: ReadonlyMap<string, Uint8Array>): AdapterResult
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
 * inside an unpacked tree is ever run. Each call starts a process. What a tool is missing for, or refuses, is
 * `unsupported`, and so are names that are not UTF-8.
 */
export function systemAdapter(): FileSystemAdapter {
  const mknod = findTool('mknod')
  const setfattr = findTool('setfattr')
  const getfattr = findTool('getfattr')
  return {
    setXattrs: (path, xattrs) => {
      if (typeof path !== 'string' || setfattr === undefined)
        return xattrs.size === 0 ? 'done' : 'unsupported'
      for (const name of getfattr === undefined ? [] : listXattrs(getfattr, path)) {
        if (!xattrs.has(name) && run(setfattr, ['-h', '-x', name, '--', path]) === undefined)
          return 'unsupported'
      }
      for (const [name, value] of xattrs) {
        const encoded = value.byteLength === 0 ? [] : ['-v', `0s${Buffer.from(value).toString('base64')}`]
        if (run(setfattr, ['-h', '-n', name, ...encoded, '--', path]) === undefined) return 'unsupported'
      }
      return 'done'
    },
    makeDevice: (path, type, major, minor, mode) => {
      if (typeof path !== 'string' || mknod === undefined) return 'unsupported'
      const kind = { char: 'c', block: 'b', fifo: 'p' }[type]
      const numbers = type === 'fifo' ? [] : [String(major), String(minor)]
      const permissions = `-m${(mode & 0o777).toString(8).padStart(4, '0')}`
      return run(mknod, [permissions, '--', path, kind, ...numbers]) === undefined ? 'unsupported' : 'done'
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

/** Names in the output of `getfattr`: one a line, after a comment with the file's name. */
function listXattrs(getfattr: string, path: string): string[] {
  const output = run(getfattr, ['-h', '-m', '-', '--absolute-names', '--', path]) ?? ''
  return output.split('\n').filter((line) => line !== '' && !line.startsWith('# file: '))
}

/** Standard output, or `undefined` if the tool reports failure. */
function run(tool: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(tool, args, {
      encoding: 'utf8',
      env: { LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch {
    return undefined
  }
}

function findTool(name: string): string | undefined {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    if (!isAbsolute(directory)) continue
    const path = join(directory, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not in this one.
    }
  }
  return undefined
}
