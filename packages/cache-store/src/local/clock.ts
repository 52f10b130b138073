/**
 * The clock of the file system.
 *
 * Files carry its times, and the clocks of the computers that share a store differ from it and from each other: ages
 * are told by this clock alone. It is read off a file just made; in between, time is counted from the last reading.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, rmSync } from 'node:fs'

/** A reading is good for so long. */
const TRUSTED_MS = 10 * 60 * 1000

/** Both clocks of this process run alike, unless it was suspended or somebody set one. */
const DRIFT_MS = 1000

/** Tells the time in milliseconds since the epoch. */
export interface Clock {
  now(): number
}

/** Reads the clock when it must, by making a file whose name `newPath` gives. Without one, the process's clock will do. */
export function createClock(newPath: () => string): Clock {
  let known: { readonly time: number; readonly steady: number; readonly wall: number } | undefined
  return {
    now: () => {
      const [steady, wall] = [performance.now(), Date.now()]
      const since = steady - (known?.steady ?? -Infinity)
      if (known === undefined || since > TRUSTED_MS || Math.abs(wall - known.wall - since) > DRIFT_MS) {
        known = { time: timeOfNewFile(newPath()) ?? wall, steady, wall }
      }
      return known.time + steady - known.steady
    },
  }
}

function timeOfNewFile(path: string): number | undefined {
  try {
    const fd = openSync(path, 'wx', 0o600)
    try {
      return fstatSync(fd).mtimeMs
    } finally {
      closeSync(fd)
      rmSync(path, { force: true })
    }
  } catch {
    // Nothing can be written there, so nothing will be done about ages either.
    return undefined
  }
}
