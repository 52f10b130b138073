/**
 * Marks of single-flight as objects.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { StoreOptions } from '../blob-store.ts'
import { assertFlightEntry, type FlightTable, MAX_FLIGHT_ENTRY } from '../flight-table.ts'
import { assertRefName } from '../names.ts'
import type { Keys } from './keys.ts'
import type { Objects } from './objects.ts'
import type { S3Capabilities } from './options.ts'
import { bodyOf, readSmall, type SmallObject, writeOwn } from './small.ts'
import { createTurns } from './turns.ts'

/** Before the entry, and new with each write: an ETag is a function of the bytes, and must not come back. */
const NONCE_BYTES = 16

/**
 * The marks of a bucket. The server must create atomically.
 *
 * Without `If-Match`, an owner writes over its mark after a look at it, and somebody else's mark is removed after a
 * look and created anew: two processes may then believe that they lead, which costs work and nothing more.
 */
export function createS3Flights(objects: Objects, keys: Keys, capabilities: S3Capabilities): FlightTable {
  const own = new Map<string, string>()
  const turns = createTurns()

  const look = async (name: string, tag: string, options: StoreOptions): Promise<SmallObject | undefined> => {
    const entry = await readSmall(objects, keys.flight(name), MAX_FLIGHT_ENTRY + NONCE_BYTES, options)
    return entry?.tag === tag ? entry : undefined
  }

  const replaceByLooking = async (
    name: string,
    tag: string,
    bytes: Uint8Array,
    options: StoreOptions,
  ): Promise<string | undefined> => {
    if ((await look(name, tag, options)) === undefined) return undefined
    if (own.get(name) === tag)
      return objects.write(keys.flight(name), bodyOf(wrapped(bytes)), undefined, options)
    await objects.remove(keys.flight(name), undefined, options)
    return writeOwn(objects, keys.flight(name), wrapped(bytes), 'absent', options)
  }

  const claimed = (name: string, tag: string | undefined): string | undefined => {
    if (tag === undefined) own.delete(name)
    else if (capabilities.ifMatch === false) own.set(name, tag)
    return tag
  }

  return {
    create: async (name, bytes, options = {}) => {
      assertFlightEntry(name, bytes)
      const tag = await writeOwn(objects, keys.flight(name), wrapped(bytes), 'absent', options)
      return tag === undefined ? undefined : claimed(name, tag)
    },
    read: async (name, options = {}) => {
      assertRefName(name)
      const entry = await readSmall(objects, keys.flight(name), MAX_FLIGHT_ENTRY + NONCE_BYTES, options)
      return entry && { bytes: entry.bytes.slice(NONCE_BYTES), tag: entry.tag, ageMs: entry.ageMs }
    },
    replace: async (name, tag, bytes, options = {}) => {
      assertFlightEntry(name, bytes)
      if (capabilities.ifMatch === false) {
        return turns.run(name, async () => claimed(name, await replaceByLooking(name, tag, bytes, options)))
      }
      return writeOwn(objects, keys.flight(name), wrapped(bytes), { tag }, options)
    },
    remove: async (name, tag, options = {}) => {
      assertRefName(name)
      own.delete(name)
      // Some servers say of what is not there that it is removed now, whatever the condition.
      if ((await look(name, tag, options)) === undefined) return false
      return objects.remove(keys.flight(name), capabilities.conditionalDelete ? tag : undefined, options)
    },
  }
}

function wrapped(bytes: Uint8Array): Uint8Array {
  const all = new Uint8Array(NONCE_BYTES + bytes.byteLength)
  all.set(randomBytes(NONCE_BYTES))
  all.set(bytes, NONCE_BYTES)
  return all
}
