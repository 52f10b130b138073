/**
 * The names callers choose: they end up in paths, so their alphabet is small.
 *
 * @module
 */
import { CacheStoreError } from './errors.ts'

const PART = /^[A-Za-z0-9._-]{1,128}$/
const MAX_SCOPE = 64
const MAX_REF = 200

/** @throws {CacheStoreError} `ERR_CACHE_STORE_NAME` */
export function assertScope(name: string): void {
  if (!isPart(name) || name.length > MAX_SCOPE) throw badName('scope', name)
}

/** @throws {CacheStoreError} `ERR_CACHE_STORE_NAME` */
export function assertIngestName(name: string): void {
  if (!isPart(name)) throw badName('ingest', name)
}

/** @throws {CacheStoreError} `ERR_CACHE_STORE_NAME` */
export function assertRefName(name: string): void {
  if (name.length > MAX_REF || !name.split('/').every(isPart)) throw badName('ref', name)
}

function isPart(part: string): boolean {
  return PART.test(part) && part !== '.' && part !== '..'
}

function badName(what: string, name: string): CacheStoreError {
  return new CacheStoreError(
    'ERR_CACHE_STORE_NAME',
    `Not a name for a ${what}: ${JSON.stringify(name.slice(0, 300))}`,
  )
}
