/**
 * Compare-and-swap on objects, by what a server can do.
 *
 * @module
 */
import type { StoreOptions } from '../blob-store.ts'
import type { Keys } from './keys.ts'
import type { ListedObject, Objects } from './objects.ts'
import type { S3Capabilities } from './options.ts'
import { MAX_REF } from './ref-document.ts'
import { readSmall, writeOwn } from './small.ts'
import { createSteadyReader } from './steady.ts'

/** What is stored under a name. No bytes stand for nothing: a deleted document. */
export interface RefVersion {
  readonly bytes: Uint8Array
  readonly version: string
  readonly ageMs: number
}

/** Stored bytes by name, replaced only if they are what they were. */
export interface RefVersions {
  read(name: string, options: StoreOptions): Promise<RefVersion | undefined>
  /** Tells `false`, and changes nothing, if there is another version than this, or any without one. */
  write(name: string, bytes: Uint8Array, version: string | undefined, options: StoreOptions): Promise<boolean>
  remove(name: string, version: string, options: StoreOptions): Promise<boolean>
  /** Names that are not deleted, in no order. */
  list(options: StoreOptions): Promise<string[]>
}

const NOTHING = new Uint8Array()

/** One object for a name, replaced under `If-Match`. */
export function createTaggedVersions(
  objects: Objects,
  keys: Keys,
  capabilities: S3Capabilities,
): RefVersions {
  const read = createSteadyReader(objects)
  return {
    read: async (name, options) => {
      const object = await read(keys.ref(name), MAX_REF, options)
      return object && { bytes: object.bytes, version: object.tag, ageMs: object.ageMs }
    },
    write: async (name, bytes, version, options) => {
      const condition = version === undefined ? 'absent' : { tag: version }
      return (await writeOwn(objects, keys.ref(name), bytes, condition, options)) !== undefined
    },
    // Without a condition a DELETE could take what another writer has just written; no bytes say the same.
    remove: async (name, tag, options) =>
      capabilities.conditionalDelete
        ? objects.remove(keys.ref(name), tag, options)
        : (await writeOwn(objects, keys.ref(name), NOTHING, { tag }, options)) !== undefined,
    list: async (options) => {
      const names: string[] = []
      for await (const { key, size } of all(objects, keys.refs, options)) {
        if (size > 0) names.push(nameFrom(key.slice(keys.refs.length)))
      }
      return names
    },
  }
}

/** Digits of the number of a version: as many as sort right for ever. */
const DIGITS = 16

/** How often a version may go while it is on its way to a reader. */
const RACES = 10

/** Versions that are always left, and the age at which older ones go: no update takes an hour. */
const [LEFT, OLD_MS] = [4, 3_600_000]

/** An object for each version, none of which ever changes: all that is needed is atomic creation. */
export function createNumberedVersions(objects: Objects, keys: Keys): RefVersions {
  const directory = (name: string): string => `${keys.ref(name)}/`
  const versions = async (name: string, options: StoreOptions): Promise<ListedObject[]> => {
    const found: ListedObject[] = []
    for await (const object of all(objects, directory(name), options)) found.push(object)
    return found.filter(({ key }) => /^\d{16}$/.test(key.slice(directory(name).length)))
  }

  const read: RefVersions['read'] = async (name, options) => {
    for (let tried = 0; tried < RACES; tried += 1) {
      const newest = (await versions(name, options)).at(-1)
      if (newest === undefined) return undefined
      const object = await readSmall(objects, newest.key, MAX_REF, options)
      // Newer ones have come, and this one was removed.
      if (object === undefined) continue
      return { bytes: object.bytes, version: newest.key.slice(directory(name).length), ageMs: object.ageMs }
    }
    return undefined
  }

  const write: RefVersions['write'] = async (name, bytes, version, options) => {
    const next = String(Number(version ?? 0) + 1).padStart(DIGITS, '0')
    if ((await writeOwn(objects, directory(name) + next, bytes, 'absent', options)) === undefined)
      return false
    const old = (await versions(name, options)).slice(0, -LEFT).filter(({ ageMs }) => ageMs > OLD_MS)
    for (const { key } of old) await objects.remove(key, undefined, options)
    return true
  }

  return {
    read,
    write,
    remove: (name, version, options) => write(name, NOTHING, version, options),
    list: async (options) => {
      const newest = new Map<string, number>()
      for await (const { key, size } of all(objects, keys.refs, options)) {
        const [name = '', number] = key.slice(keys.refs.length).split('/')
        if (number !== undefined) newest.set(nameFrom(name), size)
      }
      return [...newest].filter(([, size]) => size > 0).map(([name]) => name)
    },
  }
}

/** Every object whose key begins with `prefix`, in the order of the keys. */
export async function* all(
  objects: Objects,
  prefix: string,
  options: StoreOptions,
): AsyncGenerator<ListedObject, void, void> {
  for (let after = ''; ;) {
    const page = await objects.list(prefix, after, options)
    yield* page.objects
    after = page.objects.at(-1)?.key ?? ''
    if (!page.isTruncated) return
  }
}

function nameFrom(part: string): string {
  return part.replaceAll('~', '/')
}
