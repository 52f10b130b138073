/**
 * Images, servers and clients for the tests.
 *
 * @module
 */
import { createRegistryClient, type RegistryClient, type RegistryClientOptions } from '../src/index.ts'
import type { Teardown } from './server-fixtures.ts'

export * from './server-fixtures.ts'

/** A client, closed with the test. Not `await using`, which the oldest Node that runs these tests cannot parse. */
export function openClient(t: Teardown, options: RegistryClientOptions = {}): RegistryClient {
  const client = createRegistryClient(options)
  t.teardown(() => client.close())
  return client
}
