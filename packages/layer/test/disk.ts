/**
 * What is on disk, read without the package under test.
 *
 * @module
 */
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  type Stats,
  writeSync,
} from 'node:fs'

/** One line for each name below `root`, sorted: `path type mode uid:gid mtime details`. */
export function snapshot(
  root: string,
  options: { readonly times?: boolean; readonly owners?: boolean } = {},
): string[] {
  const lines: string[] = []
  const first = new Map<string, string>()
  const visit = (path: string): void => {
    const location = Buffer.from(`${root}${path}`, 'latin1')
    const stats = lstatSync(location)
    const key = `${stats.dev}:${stats.ino}`
    const linked = !stats.isDirectory() && stats.nlink > 1 ? first.get(key) : undefined
    if (linked === undefined) first.set(key, path)
    const owner = options.owners === true ? ` ${stats.uid}:${stats.gid}` : ''
    const time = options.times === true ? ` @${Math.floor(stats.mtimeMs / 1000)}` : ''
    const mode = stats.isSymbolicLink() ? '' : ` ${(stats.mode & 0o7777).toString(8)}`
    lines.push(
      `${path || '/'} ${linked === undefined ? describe(location, stats) : `=${linked}`}${mode}${owner}${time}`,
    )
    if (!stats.isDirectory()) return
    for (const name of readdirSync(location, 'latin1').toSorted()) visit(`${path}/${name}`)
  }
  visit('')
  return lines
}

function describe(location: Buffer, stats: Stats): string {
  if (stats.isDirectory()) return 'dir'
  if (stats.isSymbolicLink()) return `-> ${readlinkSync(location, 'latin1')}`
  if (stats.isFile()) return `"${readFileSync(location, 'latin1')}"`
  return stats.isFIFO() ? 'fifo' : `device ${stats.rdev}`
}

/** Only paths and contents. */
export function names(root: string): string[] {
  return snapshot(root).map((line) => line.replace(/ [0-7]+$/, ''))
}

/** Writes a file at a name of any bytes, given as one character a byte. */
export function writeBytes(path: string, content: string): void {
  const fd = openSync(Buffer.from(path, 'latin1'), 'w')
  writeSync(fd, content)
  closeSync(fd)
}

export const isRoot: boolean = process.geteuid?.() === 0
