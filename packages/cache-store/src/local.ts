/**
 * A store in a directory, safe for many processes at once, without a daemon. Node only.
 *
 * @module
 */
export type { CheckEvent, CheckOptions, CheckReport, Findings } from './local/check.ts'
export type { StoreUsage } from './local/count.ts'
export { createLocalStore, type LocalStore, type LocalStoreOptions } from './local/store.ts'
