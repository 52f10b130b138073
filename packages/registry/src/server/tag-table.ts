/**
 * Tags of repositories, spread over at most 256 documents each.
 *
 * @module
 */
import type { RefStore } from '@varve/cache-store'
import type { Digest } from '@varve/digest'
import { decodeDocument, encodeDocument } from './document.ts'
import { documentPrefix, tagDocument } from './document-name.ts'

/** Where tags point. */
export interface TagTable {
  get(repository: string, tag: string): Promise<Digest | undefined>
  /** Points a tag. `guard` sees where it points now, and may throw to keep it. */
  set(repository: string, tag: string, digest: Digest, guard?: TagGuard): Promise<void>
  /** Tells whether it was there. */
  remove(repository: string, tag: string): Promise<boolean>
  /** Removes every tag of a manifest. */
  removeAll(repository: string, digest: Digest): Promise<void>
  /**
   * Sorted by code unit. Costs a read of every document, but for `continued`: pages after the first may be cut from the
   * list that the first was cut from, if it is a few seconds old and nothing was changed here since.
   */
  list(repository: string, continued?: boolean): Promise<readonly string[]>
}

/** Decides whether a tag may move. */
export type TagGuard = (old: Digest | undefined) => void

/** Pairs and not an object, so that a tag `__proto__` is a tag. */
type Pairs = (readonly [tag: string, digest: Digest])[]

/** A list that pages are being cut from. */
interface Listing {
  readonly tags: Promise<readonly string[]>
  readonly at: number
}

/** For so long other processes may change tags without a listing in progress being told. */
const LISTING_MS = 10_000

/** Listings that are remembered. */
const MAX_LISTINGS = 32

/** The tags kept in a store; `now` is a clock in milliseconds. */
export function createTagTable(refs: RefStore, now: () => number): TagTable {
  const listings = new Map<string, Listing>()

  const change = async (
    repository: string,
    name: string,
    edit: (tags: Map<string, Digest>) => void,
  ): Promise<void> => {
    try {
      await refs.update(name, (old) => {
        const tags = decodeTags(old)
        edit(tags)
        return tags.size === 0 ? undefined : encodeDocument([...tags])
      })
    } finally {
      // One that began before the change may have missed it.
      listings.delete(repository)
    }
  }

  const read = async (repository: string): Promise<readonly string[]> => {
    const names = await refs.list(documentPrefix(repository, 'tags'))
    const documents = await Promise.all(names.map((name) => refs.read(name)))
    return documents.flatMap((bytes) => [...decodeTags(bytes).keys()]).toSorted()
  }
  return {
    async get(repository, tag) {
      return decodeTags(await refs.read(tagDocument(repository, tag))).get(tag)
    },
    set: (repository, tag, digest, guard) =>
      change(repository, tagDocument(repository, tag), (tags) => {
        guard?.(tags.get(tag))
        tags.set(tag, digest)
      }),
    async remove(repository, tag) {
      let found = false
      await change(repository, tagDocument(repository, tag), (tags) => {
        found = tags.delete(tag)
      })
      return found
    },
    async removeAll(repository, digest) {
      for (const name of await refs.list(documentPrefix(repository, 'tags'))) {
        const tags = decodeTags(await refs.read(name))
        if (![...tags.values()].includes(digest)) continue
        await change(repository, name, (current) => {
          for (const [tag, target] of current) if (target === digest) current.delete(tag)
        })
      }
    },
    list(repository, continued = false) {
      const known = listings.get(repository)
      if (continued && known !== undefined && now() - known.at < LISTING_MS) return known.tags
      const tags = read(repository)
      listings.delete(repository)
      listings.set(repository, { tags, at: now() })
      tags.catch(() => listings.delete(repository))
      const [oldest] = listings.keys()
      if (listings.size > MAX_LISTINGS && oldest !== undefined) listings.delete(oldest)
      return tags
    },
  }
}

function decodeTags(bytes: Uint8Array | undefined): Map<string, Digest> {
  return new Map(bytes && (decodeDocument(bytes) as Pairs))
}
