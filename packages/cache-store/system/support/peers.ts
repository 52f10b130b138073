/**
 * Programs of others that a test needs. Where one is missing the test is skipped by its name, or fails if
 * VARVE_TEST_REQUIRE_PEERS is set, as it is where all of them are known to be installed.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Options of a test. */
export interface Needs {
  readonly skip?: string
}

const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Where a program is. */
export function findProgram(name: string): string | undefined {
  return [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_DIRECTORIES]
    .filter((directory) => directory.startsWith('/'))
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path))
}

/** What a test needs, as names of programs. */
export function needs(...names: readonly string[]): Needs {
  const missing = names.filter((name) => findProgram(name) === undefined)
  if (missing.length === 0) return {}
  const reason = `needs ${missing.join(', ')}`
  if (process.env['VARVE_TEST_REQUIRE_PEERS']) throw new Error(`This test ${reason}`)
  return { skip: reason }
}
