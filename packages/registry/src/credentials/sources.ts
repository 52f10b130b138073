/**
 * Sources of credentials that need nothing but memory.
 *
 * @module
 */
import { type Credential, type CredentialSource, isCredential } from './credential.ts'
import { matchKeys } from './key.ts'

/**
 * Gives the credentials of a table. Keys are `host[:port]`, or `host[:port]/namespace` for the repositories of a
 * namespace only; the longest that fits wins.
 *
 * @throws {TypeError} for a user name with a colon, and for tokens that cannot be sent.
 * @example
 * const credentials = createFixedCredentials({ 'ghcr.io/team': { kind: 'basic', username: 'me', password } })
 */
export function createFixedCredentials(table: Readonly<Record<string, Credential>>): CredentialSource {
  const entries = new Map(Object.entries(table))
  for (const [key, credential] of entries) assertCredential(key, credential)
  return {
    async find(query, options = {}) {
      options.signal?.throwIfAborted()
      return matchKeys(entries, query)[0]
    },
  }
}

/** Asks sources in their order; the first that has something is the last to be asked. */
export function combineCredentials(...sources: readonly CredentialSource[]): CredentialSource {
  return {
    async find(query, options) {
      for (const source of sources) {
        const credential = await source.find(query, options)
        if (credential !== undefined) return credential
      }
      return undefined
    },
  }
}

function assertCredential(key: string, credential: Credential): void {
  if (!isCredential(credential)) throw new TypeError(`Not a credential: that of ${JSON.stringify(key)}`)
}
