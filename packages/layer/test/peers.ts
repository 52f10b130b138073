/**
 * Programs of others that read and write what we do. A test that needs one which is not installed is skipped by its
 * name, or fails if VARVE_TEST_REQUIRE_PEERS is set, as it is where all of them are known to be there.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** How each says that it is there. */
const PROBES = {
  'GNU tar': ['tar', '--version'],
  bsdtar: ['bsdtar', '--version'],
  Python: ['python3', '--version'],
  umoci: ['umoci', '--version'],
  getfattr: ['getfattr', '--version'],
  setfattr: ['setfattr', '--version'],
  gzip: ['gzip', '--version'],
  zstd: ['zstd', '--version'],
} as const

/** A program of others. */
export type Peer = keyof typeof PROBES

const known = new Map<Peer, boolean>()

/** The `skip` option of a test that needs these. */
export function needs(...peers: readonly Peer[]): false | string {
  const missing = peers.filter((peer) => !isThere(peer))
  if (missing.length === 0) return false
  const reason = `${missing.join(', ')}: not installed`
  if (process.env['VARVE_TEST_REQUIRE_PEERS']) throw new Error(reason)
  return reason
}

/** Says that a test cannot run here; where all is known to be there, that is a failure. */
export function passOver(t: Test, reason: string): void {
  if (process.env['VARVE_TEST_REQUIRE_PEERS']) throw new Error(reason)
  t.pass(reason, { skip: reason })
}

function isThere(peer: Peer): boolean {
  const [tool, ...args] = PROBES[peer]
  let found = known.get(peer)
  if (found === undefined) {
    try {
      const version = execFileSync(tool, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      // On some systems `tar` is another one.
      found = peer !== 'GNU tar' || version.includes('GNU tar')
    } catch {
      found = false
    }
    known.set(peer, found)
  }
  return found
}

/** Runs a program in a locale in which names are UTF-8, and returns what it prints, a character a byte. */
export function run(
  tool: string,
  args: readonly string[],
  options: { readonly input?: Uint8Array } = {},
): string {
  return execFileSync(tool, args, {
    ...options,
    encoding: 'latin1',
    env: { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC' },
    maxBuffer: 64 * 1024 * 1024,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
}

/** A directory that goes with the test, and directories in it. */
export function place(t: Test, ...directories: readonly string[]): string {
  const base = mkdtempSync(join(tmpdir(), 'layer-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  for (const each of directories) mkdirSync(join(base, each))
  return base
}
