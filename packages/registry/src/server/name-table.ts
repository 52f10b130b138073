/**
 * Names of repositories: which there are, and which hold a blob.
 *
 * Documents of a repository are named by the hash of its name, so the names themselves have documents of their own. No
 * digest is in their text: what a ref of a store names is kept from collection.
 *
 * @module
 */
import type { RefStore } from '@varve/cache-store'
import type { Digest } from '@varve/digest'
import { decodeDocument, encodeDocument } from './document.ts'
import { holdersDocument, nameDocument, repositoryKey, ROOT } from './document-name.ts'

/** Names of repositories. */
export interface NameTable {
  /** Remembers a repository. Costs nothing when this process has done it before. */
  note(repository: string): Promise<void>
  /** Names of the repositories that hold a manifest, sorted by code unit. */
  list(): Promise<string[]>
  /** Remembers that a repository holds a blob, if few others do. */
  noteHolder(repository: string, digest: Digest): Promise<void>
  /** Some repositories that held a blob; whether they still do is to be looked up. */
  holders(digest: Digest): Promise<readonly string[]>
}

/** A blob that so many repositories hold can be mounted from one of them. */
const MAX_HOLDERS = 16

/** Names read at once, where each is a request to a store far away. */
const AT_ONCE = 32

/** The names kept in a store. */
export function createNameTable(refs: RefStore): NameTable {
  // A hash means one name for ever.
  const names = new Map<string, string>()

  const nameOf = async (key: string): Promise<string | undefined> => {
    const known = names.get(key)
    if (known !== undefined) return known
    const bytes = await refs.read(nameDocument(key))
    if (bytes === undefined) return undefined
    const name = decodeDocument(bytes) as string
    names.set(key, name)
    return name
  }

  const holders = async (digest: Digest): Promise<readonly string[]> => {
    const bytes = await refs.read(holdersDocument(digest))
    return bytes === undefined ? [] : (decodeDocument(bytes) as string[])
  }

  return {
    holders,
    async note(repository) {
      const key = repositoryKey(repository)
      if ((await nameOf(key)) !== undefined) return
      await refs.update(nameDocument(key), () => encodeDocument(repository))
      names.set(key, repository)
    },
    async list() {
      const keys = new Set<string>()
      for (const document of await refs.list(`${ROOT}/`)) {
        const [, key = '', kind] = document.split('/')
        if (kind === 'manifests') keys.add(key)
      }
      const found: string[] = []
      const waiting = [...keys]
      for (let part = waiting.splice(0, AT_ONCE); part.length > 0; part = waiting.splice(0, AT_ONCE)) {
        for (const name of await Promise.all(part.map(nameOf))) if (name !== undefined) found.push(name)
      }
      return found.toSorted()
    },
    async noteHolder(repository, digest) {
      const before = await holders(digest)
      if (before.includes(repository) || before.length >= MAX_HOLDERS) return
      await refs.update(holdersDocument(digest), (old) => {
        const all = new Set(old && (decodeDocument(old) as string[])).add(repository)
        return encodeDocument([...all].slice(0, MAX_HOLDERS))
      })
    },
  }
}
