/**
 * What every store must do, as data: any test runner can walk the lists, and any driver can be held to them.
 *
 * Each check wants a store of its own, empty, and rejects with an error that says what was wrong.
 *
 * @example
 * for (const check of STORE_CHECKS) test(check.name, async () => check.run(await freshStore()))
 *
 * @module
 */
import { ACTION_CHECKS } from './conformance/action-checks.ts'
import { BLOB_CHECKS } from './conformance/blob-checks.ts'
import type { ConformanceCheck } from './conformance/check.ts'
import { FLIGHT_TABLE_CHECKS } from './conformance/flight-checks.ts'
import { INGEST_CHECKS } from './conformance/ingest-checks.ts'
import { PIN_CHECKS } from './conformance/pin-checks.ts'
import { REF_CHECKS } from './conformance/ref-checks.ts'
import type { Store } from './store.ts'

export {
  ACTION_CHECKS,
  BLOB_CHECKS,
  type ConformanceCheck,
  FLIGHT_TABLE_CHECKS,
  INGEST_CHECKS,
  PIN_CHECKS,
  REF_CHECKS,
}

/** All checks, for a driver of everything. */
export const STORE_CHECKS: readonly ConformanceCheck<Store>[] = [
  ...[...BLOB_CHECKS, ...INGEST_CHECKS].map((check) => lifted('blobs', check, (store) => store.blobs)),
  ...ACTION_CHECKS.map((check) => lifted('actions', check, (store) => store)),
  ...REF_CHECKS.map((check) => lifted('refs', check, (store) => store.refs)),
]

function lifted<Part>(
  what: string,
  check: ConformanceCheck<Part>,
  part: (store: Store) => Part,
): ConformanceCheck<Store> {
  return { name: `${what}: ${check.name}`, run: (store) => check.run(part(store)) }
}
