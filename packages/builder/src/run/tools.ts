/**
 * Programs of the host, found once and called by absolute path.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where administrators' tools are, which an ordinary user's PATH may lack. */
const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Where a program is, by the host's PATH; `undefined` if it is not installed. */
export function findTool(name: string): string | undefined {
  return [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_DIRECTORIES]
    .filter((directory) => directory.startsWith('/'))
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path))
}
