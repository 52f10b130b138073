/**
 * A store in a directory, safe for many processes at once, without a daemon. Node only.
 *
 * @module
 */
export { createLocalStore, type LocalStore, type LocalStoreOptions } from './local/store.ts'
