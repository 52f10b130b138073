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
  /** Sorted by code unit. Costs a read of every document. */
  list(repository: string): Promise<string[]>
}

/** Decides whether a tag may move. */
export type TagGuard = (old: Digest | undefined) => void

/** Pairs and not an object, so that a tag `__proto__` is a tag. */
type Pairs = (readonly [tag: string, digest: Digest])[]

/** The tags kept in a store. */
export function createTagTable(refs: RefStore): TagTable {
  const change = (name: string, edit: (tags: Map<string, Digest>) => void): Promise<void> =>
    refs.update(name, (old) => {
      const tags = decodeTags(old)
      edit(tags)
      return tags.size === 0 ? undefined : encodeDocument([...tags])
    })
  return {
    async get(repository, tag) {
      return decodeTags(await refs.read(tagDocument(repository, tag))).get(tag)
    },
    set: (repository, tag, digest, guard) =>
      change(tagDocument(repository, tag), (tags) => {
        guard?.(tags.get(tag))
        tags.set(tag, digest)
      }),
    async remove(repository, tag) {
      let found = false
      await change(tagDocument(repository, tag), (tags) => {
        found = tags.delete(tag)
      })
      return found
    },
    async removeAll(repository, digest) {
      for (const name of await refs.list(documentPrefix(repository, 'tags'))) {
        const tags = decodeTags(await refs.read(name))
        if (![...tags.values()].includes(digest)) continue
        await change(name, (current) => {
          for (const [tag, target] of current) if (target === digest) current.delete(tag)
        })
      }
    },
    async list(repository) {
      const names = await refs.list(documentPrefix(repository, 'tags'))
      const documents = await Promise.all(names.map((name) => refs.read(name)))
      return documents.flatMap((bytes) => [...decodeTags(bytes).keys()]).toSorted()
    },
  }
}

function decodeTags(bytes: Uint8Array | undefined): Map<string, Digest> {
  return new Map(bytes && (decodeDocument(bytes) as Pairs))
}
