/**
 * Leases as files that are touched while their owners live.
 *
 * A lease says when it began; the time of its file says when its owner was last heard of. Both are of the clock of the
 * file system. One whose content is damaged keeps everything until it is stale: its owner, if there is one, writes it
 * whole with the next heartbeat.
 *
 * @module
 */
import { closeSync, constants, ftruncateSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { seal, unseal } from '../seal.ts'
import type { Lease } from '../pins.ts'
import { systemCode } from './failure.ts'
import { publishNew, readSmallFile, statusOf, writeFully, writeTemporary } from './files.ts'
import { leasesDirectory, type Place, randomName } from './place.ts'

/** Time to live if nobody says, and of a lease that is damaged. */
const DEFAULT_TTL_MS = 60_000

/** Longest that anybody's lease is believed to live without a heartbeat. */
const LONGEST_TTL_MS = 3_600_000

/** Times of files are as coarse as the ticks of a kernel, or worse. */
const COARSE_MS = 2_000

const MAX_LEASE = 4096

/** What a lease file says. */
export interface LeaseStatus {
  readonly path: string
  /** What was used since then is kept; by the clock of the file system. */
  readonly beganAt: number
  /** Whether its owner has been silent for too long. */
  readonly isStale: boolean
}

/**
 * Begins a lease; its file is there before this returns.
 *
 * @throws {TypeError} if it should live for no time. `ERR_CACHE_STORE_UNWRITABLE`, `ERR_CACHE_STORE_FULL`.
 */
export function beginLease(place: Place, ttlMs: number = DEFAULT_TTL_MS): Lease {
  if (!(ttlMs > 0)) throw new TypeError(`Not a time to live: ${ttlMs}`)
  const life = Math.min(ttlMs, LONGEST_TTL_MS)
  const path = join(leasesDirectory(place), `${randomName()}.json`)
  const document = { beganAt: Math.floor(place.clock.now()) - COARSE_MS, ttlMs: life }
  const bytes = seal(new TextEncoder().encode(JSON.stringify(document)))
  writeLease(place, path, bytes)
  const timer = setInterval(() => renew(place, path, bytes), life / 3)
  timer.unref()
  const release = async (): Promise<void> => {
    clearInterval(timer)
    // What cannot be removed dies by itself.
    rmSync(path, { force: true })
  }
  return { release, [Symbol.asyncDispose]: release }
}

/** A lease that a power failure takes away had an owner that is dead as well, so nothing is flushed. */
function writeLease(place: Place, path: string, bytes: Uint8Array): void {
  const unflushed = { ...place, durable: false }
  publishNew(unflushed, writeTemporary(unflushed, bytes, 0o644), path)
}

/** Writes the same bytes again, which sets the time by the right clock and heals what was damaged. */
function renew(place: Place, path: string, bytes: Uint8Array): void {
  try {
    const fd = openSync(path, constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0))
    try {
      writeFully(fd, bytes, 0)
      ftruncateSync(fd, bytes.byteLength)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') revive(place, path, bytes)
  }
}

/** A collector took it for dead, perhaps since the computer slept: what is still there is kept from now on. */
function revive(place: Place, path: string, bytes: Uint8Array): void {
  try {
    writeLease(place, path, bytes)
  } catch {
    // The next heartbeat tries again.
  }
}

/** What the file at `path` says now; `undefined` if there is no lease. */
export function leaseAt(place: Place, path: string): LeaseStatus | undefined {
  const status = statusOf(path)
  if (status === undefined || !status.isFile()) return undefined
  const { beganAt, ttlMs } = decodeLease(readSmallFile(path, MAX_LEASE)) ?? {
    beganAt: -Infinity,
    ttlMs: DEFAULT_TTL_MS,
  }
  // A time from the future is no owner's.
  return { path, beganAt, isStale: Math.abs(place.clock.now() - status.mtimeMs) > ttlMs }
}

function decodeLease(sealed: Uint8Array | undefined): { beganAt: number; ttlMs: number } | undefined {
  const payload = sealed && unseal(sealed)
  if (payload === undefined) return undefined
  try {
    const { beganAt, ttlMs } = JSON.parse(new TextDecoder().decode(payload)) as Record<string, unknown>
    if (typeof beganAt !== 'number' || typeof ttlMs !== 'number' || !(ttlMs > 0)) return undefined
    return { beganAt, ttlMs: Math.min(ttlMs, LONGEST_TTL_MS) }
  } catch {
    return undefined
  }
}
