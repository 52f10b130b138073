/**
 * Programs of others that a test needs. Where one is missing the test is skipped by its name, or fails if
 * VARVE_TEST_REQUIRE_PEERS is set, as it is where all of them are known to be installed.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Options of a test. */
export interface Needs {
  readonly skip?: string
}

const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** For programs that start others. */
export const SYSTEM_PATH: string = [process.env['PATH'] ?? '', ...SYSTEM_DIRECTORIES].join(delimiter)

/** Where `scripts/services/build-go` puts what it builds. */
const BUILT = fileURLToPath(new URL('../../node_modules/.cache/services', import.meta.url))

/** Where a program is, of the system or built by `scripts/services/build-go`. */
export function findProgram(name: string): string | undefined {
  return [BUILT, ...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_DIRECTORIES]
    .filter((directory) => directory.startsWith('/'))
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path))
}

/** Whether this process is root on Linux. */
export function isRoot(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0
}

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  root: 'root on Linux',
  run: 'root on Linux with unshare, mount and setpriv',
  busybox: 'a static busybox',
}

/** What a test needs: `root`, `run` (a computer that can run RUN), `busybox` (linked statically), or programs. */
export function needs(...names: readonly string[]): Needs {
  const missing = names.filter((name) => !isThere(name)).map((name) => DESCRIPTIONS[name] ?? name)
  if (missing.length === 0) return {}
  const reason = `needs ${missing.join(', ')}`
  if (process.env['VARVE_TEST_REQUIRE_PEERS']) throw new Error(`This test ${reason}`)
  return { skip: reason }
}

function isThere(name: string): boolean {
  switch (name) {
    case 'root':
      return isRoot()
    case 'run':
      return isRoot() && ['unshare', 'mount', 'setpriv'].every((tool) => findProgram(tool) !== undefined)
    case 'busybox':
      return findBusybox() !== undefined
    default:
      return findProgram(name) !== undefined
  }
}

/** A busybox that runs where there is no library. */
export function findBusybox(): string | undefined {
  const path = findProgram('busybox')
  return path !== undefined && isStatic(readFileSync(path)) ? path : undefined
}

/** Whether an ELF file of 64 bits asks for no interpreter (elf(5), PT_INTERP). */
function isStatic(file: Buffer): boolean {
  const [start, size, count] = [
    Number(file.readBigUInt64LE(0x20)),
    file.readUInt16LE(0x36),
    file.readUInt16LE(0x38),
  ]
  const types = Array.from({ length: count }, (_, index) => file.readUInt32LE(start + index * size))
  return !types.includes(3)
}
