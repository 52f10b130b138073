/**
 * File systems that other programs unpacked, as text that can be compared.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync, type Stats } from 'node:fs'

/** What is compared beside type, mode, link target, link count and content. */
export interface Compared {
  /** Default: yes. */
  readonly owners?: boolean
  /** Default: yes. */
  readonly times?: boolean
}

/** Every file below a directory, by path: one line for each. Names are taken byte by byte. */
export function describeFiles(root: string, compared: Compared = {}): Map<string, string> {
  const files = new Map<string, string>()
  walk(Buffer.from(root), '', files, compared)
  return new Map([...files].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function walk(directory: Buffer, path: string, files: Map<string, string>, compared: Compared): void {
  for (const name of readdirSync(directory, { encoding: 'buffer' })) {
    const file = Buffer.concat([directory, Buffer.from('/'), name])
    const inside = `${path}/${name.toString('latin1')}`
    const stat = lstatSync(file)
    files.set(inside, describe(file, stat, compared))
    if (stat.isDirectory()) walk(file, inside, files, compared)
  }
}

function describe(file: Buffer, stat: Stats, { owners = true, times = true }: Compared): string {
  const type = (stat.mode >> 12).toString(8)
  const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0')
  return [
    type,
    stat.isSymbolicLink() ? '' : mode,
    owners ? `${stat.uid}:${stat.gid}` : '',
    times ? String(Math.floor(stat.mtimeMs / 1000)) : '',
    stat.isDirectory() ? '' : `x${stat.nlink}`,
    stat.isSymbolicLink() ? `-> ${readlinkSync(file)}` : '',
    stat.isFile() ? createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16) : '',
  ].join(' ')
}
