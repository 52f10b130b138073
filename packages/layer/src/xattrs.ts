/**
 * Extended attributes of a directory's files, read by one `getfattr` for all of them.
 *
 * Node cannot read them. The tool writes every byte that could be misread as `\ooo`, and values in base64; the directory
 * is handed to it as an open descriptor, so no name is looked up twice.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { attempt } from './directory/attempt.ts'
import { NO_XATTRS } from './entry.ts'
import { findTool } from './host-tools.ts'
import { openAnchor, toLocation } from './location.ts'
import { hasRawBytes } from './path.ts'
import { unescapeName } from './xattrs/dump-names.ts'
import { isImageXattr, portableValue, type XattrFilter } from './xattrs/image-xattrs.ts'

/**
 * Attributes by path. A file without any has no key; a file whose attributes could not be read has the value
 * `undefined`, which is *unknown*.
 */
export type FileXattrs = ReadonlyMap<string, ReadonlyMap<string, Uint8Array> | undefined>

/** Told of a file whose attributes stay unknown; of `''` and `tool` if that is so for all. */
export type UnknownXattrs = (path: string, reason: 'tool' | 'unreadable') => void

/** Options of {@link readXattrs}. */
export interface XattrOptions {
  /** Only of these, not of what is in them. Default: of everything. */
  readonly paths?: readonly string[] | undefined
  /** Which attributes count. Default: all but `security.selinux`, `system.nfs4_acl` and those of overlayfs. */
  readonly filter?: XattrFilter | undefined
  readonly onUnknown?: UnknownXattrs | undefined
  /** The tool; default `getfattr`, looked for in the absolute directories of the PATH. */
  readonly tool?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads the extended attributes of a directory and all that is in it, names sorted. File capabilities written in a user
 * namespace (revision 3) become those of the initial one (revision 2): what they carry more is an id of this machine.
 *
 * `undefined` where there is no such tool: then all attributes are unknown. Attributes a process may not list
 * (`trusted.*` without privilege) do not exist for it.
 *
 * @throws {LayerError} `ERR_LAYER_READ` if `root` is not a directory, or the tool cannot be run.
 */
export async function readXattrs(root: string, options: XattrOptions = {}): Promise<FileXattrs | undefined> {
  const { filter = isImageXattr, onUnknown, tool = findTool('getfattr'), signal } = options
  signal?.throwIfAborted()
  const directory = openRoot(root)
  try {
    if (tool === undefined) {
      onUnknown?.('', 'tool')
      return undefined
    }
    const dump = new Dump(filter)
    for (const args of argumentLists(options.paths)) await runTool(tool, args, directory.fd, dump, signal)
    for (const path of dump.unknown) {
      dump.files.set(path, undefined)
      onUnknown?.(path, 'unreadable')
    }
    return dump.files
  } finally {
    directory.close()
  }
}

/** Descriptor the directory has in the tool. */
const ROOT = '/proc/self/fd/3/.'

const ARGUMENTS = ['-h', '-P', '-d', '-m', '-', '-e', 'base64', '--absolute-names']

/** Characters of one list; Linux takes 128 KiB in an argument, and 2 MiB in all. */
const MAXIMUM_ARGUMENTS = 256 * 1024

function* argumentLists(paths: readonly string[] | undefined): Generator<string[], void, void> {
  // An argument cannot hold a name that is not UTF-8: then everything is read.
  if (paths === undefined || paths.some((path) => hasRawBytes(path))) {
    yield [...ARGUMENTS, '-R', '--', ROOT]
    return
  }
  let list: string[] = []
  let length = 0
  for (const path of paths) {
    const argument = path === '' ? ROOT : `${ROOT}/${path}`
    list.push(argument)
    length += argument.length
    if (length < MAXIMUM_ARGUMENTS) continue
    yield [...ARGUMENTS, '--', ...list]
    list = []
    length = 0
  }
  if (list.length > 0) yield [...ARGUMENTS, '--', ...list]
}

async function runTool(
  tool: string,
  args: readonly string[],
  fd: number,
  dump: Dump,
  signal: AbortSignal | undefined,
): Promise<void> {
  const child = spawn(tool, args, { stdio: ['ignore', 'pipe', 'pipe', fd], env: { LC_ALL: 'C' } })
  const stop = (): void => void child.kill('SIGKILL')
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const closed = once(child, 'close')
    await Promise.all([
      closed,
      eachLine(child.stdout as Readable, (line) => dump.line(line)),
      eachLine(child.stderr as Readable, (line) => dump.complaint(line)),
    ])
    signal?.throwIfAborted()
  } catch (error) {
    signal?.throwIfAborted()
    return attempt(
      '',
      () => {
        throw error
      },
      'ERR_LAYER_READ',
    )
  } finally {
    signal?.removeEventListener('abort', stop)
    stop()
  }
}

/** What the tool writes, line by line; one character a byte. */
class Dump {
  readonly files = new Map<string, ReadonlyMap<string, Uint8Array> | undefined>()
  readonly unknown = new Set<string>()
  readonly #filter: XattrFilter
  #path = ''
  #values: [name: string, value: Uint8Array][] = []

  constructor(filter: XattrFilter) {
    this.#filter = filter
  }

  line(line: string): void {
    if (line.startsWith(HEADING)) {
      this.#path = pathOf(line.slice(HEADING.length)) ?? ''
      return
    }
    if (line === '') return this.#finish()
    const equals = line.indexOf('=')
    const name = unescapeName(equals === -1 ? line : line.slice(0, equals))
    if (!this.#filter(name)) return
    const value = equals === -1 ? '' : line.slice(equals + 1).replace(/^0s/u, '')
    this.#values.push([
      name,
      portableValue(name, plain(value === '""' ? Buffer.alloc(0) : Buffer.from(value, 'base64'))),
    ])
  }

  /**
   * `path: error`, or `path: attribute: error`. Either may hold a colon, so both readings count: of a file that is not
   * meant nothing worse is said than that its attributes are unknown.
   */
  complaint(line: string): void {
    let rest = line.slice(Math.max(0, line.indexOf(ROOT)))
    for (let cut = rest.lastIndexOf(': '); cut > 0; cut = rest.lastIndexOf(': ')) {
      rest = rest.slice(0, cut)
      const path = pathOf(rest)
      if (path !== undefined) this.unknown.add(path)
    }
  }

  #finish(): void {
    const values = this.#values
    if (values.length === 0) return
    this.#values = []
    values.sort(([a], [b]) => (a < b ? -1 : 1))
    this.files.set(this.#path, new Map(values))
  }
}

const HEADING = '# file: '

function pathOf(text: string): string | undefined {
  if (text === ROOT) return ''
  return text.startsWith(`${ROOT}/`) ? unescapeName(text.slice(ROOT.length + 1)) : undefined
}

async function eachLine(stream: Readable, take: (line: string) => void): Promise<void> {
  let rest = ''
  for await (const chunk of stream.setEncoding('latin1') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) take(line)
  }
  if (rest !== '') take(rest)
}

/** A copy of its own: the bytes of a `Buffer` may be part of a pool, which would stay as long as they do. */
function plain(bytes: Buffer): Uint8Array {
  return Uint8Array.from(bytes)
}

function openRoot(root: string): { readonly fd: number; close(): void } {
  const { location } = attempt('', () => openAnchor(toLocation(resolve(root))), 'ERR_LAYER_READ')
  const fd = Number(location.slice(location.lastIndexOf('/') + 1))
  return { fd, close: () => closeSync(fd) }
}

/** The attributes of one file among those that were read: none if it is not mentioned. */
export function xattrsOf(xattrs: FileXattrs, path: string): ReadonlyMap<string, Uint8Array> | undefined {
  return xattrs.get(path) ?? (xattrs.has(path) ? undefined : NO_XATTRS)
}
