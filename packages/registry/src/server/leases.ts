/**
 * Leases while something is written: between the moment when bytes are in the store and the moment when a repository
 * holds them, nothing else keeps a collection from taking them.
 *
 * @module
 */
import type { Lease, Pins } from '@varve/cache-store'

/** Runs work under a lease. */
export type UnderLease = <Result>(work: () => Promise<Result>) => Promise<Result>

/** Leases of a store; without pins, work is just run. Work at the same time shares one lease. */
export function createLeases(pins: Pins | undefined): UnderLease {
  if (pins === undefined) return (work) => work()
  let users = 0
  let lease: Promise<Lease> | undefined
  return async (work) => {
    users += 1
    const mine = (lease ??= pins.lease())
    try {
      await mine
      return await work()
    } finally {
      users -= 1
      if (users === 0) {
        lease = undefined
        await mine.then(
          (held) => held.release(),
          () => undefined,
        )
      }
    }
  }
}
