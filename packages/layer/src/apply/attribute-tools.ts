/**
 * The host's `setfattr` and `getfattr`, for many files at once.
 *
 * Files are handed over as descriptors, so no name is looked up by the tool. Attribute names and values go by standard
 * input in the format of `getfattr --dump`: names with `\ooo` for any byte, values in base64.
 *
 * @module
 */
import { spawnSync, type StdioOptions } from 'node:child_process'
import { hasRawBytes } from '../path.ts'
import { escapeName, unescapeName } from '../xattrs/dump-names.ts'

/** What a tool said. */
export interface ToolResult {
  readonly ok: boolean
  /** One character a byte. */
  readonly output: string
}

/** Runs a tool by its absolute path; in it, `fds` are open from descriptor 3 on. */
export function runTool(
  tool: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly input?: string; readonly fds?: readonly number[] } = {},
): ToolResult {
  const { cwd = '/', input = '', fds = [] } = options
  const stdio: StdioOptions = ['pipe', 'pipe', 'ignore', ...fds]
  const { status, stdout } = spawnSync(tool, args, {
    cwd,
    input: Buffer.from(input, 'latin1'),
    stdio,
    env: { LC_ALL: 'C' },
    encoding: 'latin1',
    maxBuffer: MAX_OUTPUT,
  })
  return { ok: status === 0, output: stdout ?? '' }
}

/** Sets attributes. Returns whether all of them are set; of those that are refused the others still are. */
export function writeAttributes(
  setfattr: string,
  files: readonly { readonly fd: number; readonly xattrs: ReadonlyMap<string, Uint8Array> }[],
): boolean {
  const lines: string[] = []
  for (const [index, { xattrs }] of files.entries()) {
    if (xattrs.size === 0) continue
    lines.push(`# file: ${childName(index)}`)
    for (const [name, value] of xattrs) lines.push(`${escapeName(name)}=${encodeValue(value)}`)
    lines.push('', '')
  }
  if (lines.length === 0) return true
  const fds = files.map(({ fd }) => fd)
  return runTool(setfattr, ['--restore=-'], { input: lines.join('\n'), fds }).ok
}

/** Names of the attributes of each file. */
export function listAttributes(getfattr: string, fds: readonly number[]): string[][] {
  const { output } = runTool(getfattr, ['-m', '-', '--absolute-names', '--', ...fds.map(byIndex)], { fds })
  const found = fds.map((): string[] => [])
  parseDump(output, (index, name) => found[index]?.push(name))
  return found
}

/** The attributes of each file. */
export function readAttributes(getfattr: string, fds: readonly number[]): Map<string, Buffer>[] {
  const args = ['-d', '-m', '-', '-e', 'base64', '--absolute-names', '--', ...fds.map(byIndex)]
  const { output } = runTool(getfattr, args, { fds })
  const found = fds.map(() => new Map<string, Buffer>())
  parseDump(output, (index, name, value) => found[index]?.set(name, value))
  return found
}

/** Removes an attribute; `false` if it stays, as one whose name no argument can hold. */
export function removeAttribute(setfattr: string, fd: number, name: string): boolean {
  if (hasRawBytes(name)) return false
  return runTool(setfattr, ['-x', name, '--', childName(0)], { fds: [fd] }).ok
}

/** Values of 64 files, each with as many as a file system takes. */
const MAX_OUTPUT = 64 * 1024 * 1024

/** Descriptors 0 to 2 are taken. */
const FIRST_FD = 3

function childName(index: number): string {
  return `/proc/self/fd/${FIRST_FD + index}`
}

function byIndex(_fd: number, index: number): string {
  return childName(index)
}

function encodeValue(value: Uint8Array): string {
  return value.byteLength === 0 ? '""' : `0s${Buffer.from(value).toString('base64')}`
}

function parseDump(dump: string, found: (index: number, name: string, value: Buffer) => void): void {
  let index = -1
  for (const line of dump.split('\n')) {
    if (line.startsWith('# file: ')) index = Number(line.slice(line.lastIndexOf('/') + 1)) - FIRST_FD
    else if (line !== '') {
      // `=` in a name is escaped.
      const [name = '', value = ''] = line.split(/=(.*)/su)
      found(index, unescapeName(name), Buffer.from(value.replace(/^0s/u, ''), 'base64'))
    }
  }
}
