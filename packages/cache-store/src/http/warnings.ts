/**
 * What is wrong with a server, and is worked around: told once of each kind.
 *
 * @module
 */
import { CacheStoreError } from '../errors.ts'

/** One method for each kind; `request` is how the request is named in messages. */
export interface Warnings {
  /** A read was forbidden, and is a miss. */
  readForbidden(request: string): void
  /** A read was answered with a web page, and is a miss. */
  webPage(request: string): void
  /** One write was refused for a reason that may be its size, and is skipped. */
  writeRefused(error: CacheStoreError): void
  /** This client may not write: from now on it does not. */
  readOnly(error: CacheStoreError): void
}

/** Tells `onWarning`. */
export function createWarnings(onWarning: (error: unknown) => void): Warnings {
  const told = new Set<keyof Warnings>()
  const tell = (kind: keyof Warnings, error: CacheStoreError): void => {
    if (told.has(kind)) return
    told.add(kind)
    onWarning(error)
  }
  return {
    readForbidden: (request) => {
      const message = `${request} was answered 403, which is taken as a miss`
      const hint = 'Some servers say so of what they do not have; others want other credentials'
      tell('readForbidden', new CacheStoreError('ERR_CACHE_STORE_DENIED', message, { status: 403, hint }))
    },
    webPage: (request) => {
      const message = `${request} was answered with a web page, which is taken as a miss`
      const hint = 'The url may lead to something else than a cache of this protocol'
      tell('webPage', new CacheStoreError('ERR_CACHE_STORE_CONFIG', message, { status: 200, hint }))
    },
    writeRefused: (error) => tell('writeRefused', error),
    readOnly: (cause) => {
      const message = `${cause.message}; from now on nothing is written to this cache`
      const { status = 0, hint = 'Give credentials that may write, or open the cache as readOnly' } = cause
      tell('readOnly', new CacheStoreError('ERR_CACHE_STORE_DENIED', message, { cause, status, hint }))
    },
  }
}
