/**
 * What is known of a server when a store is opened: told, remembered, or probed now.
 *
 * @module
 */
import { type Access } from './access.ts'
import { kindOf } from './failure.ts'
import type { Keys } from './keys.ts'
import type { Objects } from './objects.ts'
import type { S3Capabilities, S3Options } from './options.ts'
import { probe } from './probe.ts'

/** What discovery works with. */
export interface DiscoverySettings {
  readonly options: S3Options
  readonly objects: Objects
  readonly keys: Keys
  readonly access: Access
  readonly setForm: (form: S3Capabilities['ifMatch']) => void
}

/** How long a result is believed by this process. */
const BELIEVED_MS = 3_600_000

const NAMES = [
  'atomicCreate',
  'ifMatch',
  'conditionalMultipart',
  'conditionalDelete',
  'checksPayload',
  'list',
  'tellsAbsence',
] as const satisfies ReadonlyArray<keyof S3Capabilities>

/** For those who may only read. */
const NONE: S3Capabilities = {
  atomicCreate: false,
  ifMatch: false,
  conditionalMultipart: false,
  conditionalDelete: false,
  checksPayload: false,
  list: true,
  tellsAbsence: true,
}

interface Result {
  readonly capabilities: Promise<S3Capabilities>
  readonly until: number
}

const byPlace = new Map<string, Result>()
const byClient = new WeakMap<object, Map<string, Result>>()

/**
 * Finds what the server can do, unless it is known. Asks the server at least once, unless everything is told.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_DENIED`, `_CONFIG`, `_CLOCK`, `_UNAVAILABLE`.
 */
export async function discover(settings: DiscoverySettings): Promise<S3Capabilities> {
  const { options, objects, keys, access } = settings
  const { capabilities: told = {} } = options
  if (NAMES.every((name) => told[name] !== undefined)) return told as S3Capabilities
  // A list says what is wrong with the bucket, the address or the credentials in so many words; a HEAD could not.
  const mayList = await isPermitted(() => objects.list(keys.probe(''), '', {}))
  try {
    return { ...(await remembered(settings)), ...told }
  } catch (error) {
    if (kindOf(error) !== 'denied') throw error
    // Whoever may list may look; without that, whoever is told that something is absent.
    const mayRead = mayList || (await isPermitted(() => lookFor(objects, keys.probe('nothing'))))
    if (!mayRead) throw error
    access.denyWrites(error)
    return { ...NONE, list: mayList, ...told }
  }
}

function remembered(settings: DiscoverySettings): Promise<S3Capabilities> {
  const { options, objects, keys, setForm } = settings
  const { client, endpoint = '', region = '', bucket } = options
  const results = client === undefined ? byPlace : resultsOf(client)
  const place = JSON.stringify([endpoint, region, bucket, keys.root])
  const known = results.get(place)
  if (known !== undefined && performance.now() < known.until) return known.capabilities
  const capabilities = probe({ objects, keys, setForm })
  results.set(place, { capabilities, until: performance.now() + BELIEVED_MS })
  // What went wrong this time says nothing about the server.
  capabilities.catch(() => results.delete(place))
  return capabilities
}

function resultsOf(client: object): Map<string, Result> {
  const results = byClient.get(client) ?? new Map<string, Result>()
  byClient.set(client, results)
  return results
}

async function lookFor(objects: Objects, Key: string): Promise<void> {
  try {
    await objects.send({ operation: 'HeadObject', input: { Bucket: objects.bucket, Key } })
  } catch (error) {
    if (kindOf(error) !== 'absent') throw error
  }
}

async function isPermitted(operation: () => Promise<unknown>): Promise<boolean> {
  try {
    await operation()
    return true
  } catch (error) {
    const kind = kindOf(error)
    if (kind === 'denied' || kind === 'unsupported') return false
    throw error
  }
}
