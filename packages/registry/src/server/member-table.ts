/**
 * What is in a repository, by digest: one document for each member.
 *
 * @module
 */
import type { RefStore } from '@varve/cache-store'
import type { Digest } from '@varve/digest'
import { decodeDocument, encodeDocument } from './document.ts'
import { digestDocument, documentPrefix } from './document-name.ts'

/** What is known of any member. */
export interface MemberRow {
  readonly digest: Digest
  readonly size: number
  /** When it was added last, in milliseconds since 1970. */
  readonly at: number
}

/** What is younger is not written again. No pruning may be that impatient while others push. */
const FRESH_MS = 60_000

/** Members of repositories by digest. */
export interface MemberTable<Row extends MemberRow> {
  get(repository: string, digest: Digest): Promise<Row | undefined>
  /** Whether it is there; if so, it counts as added now, and pruning that goes on leaves it alone. */
  rely(repository: string, digest: Digest, now: number): Promise<boolean>
  /** Tells whether it is new. The last writer's row stays. */
  add(repository: string, row: Row): Promise<boolean>
  /** Gives what was there. */
  remove(repository: string, digest: Digest): Promise<Row | undefined>
  isEmpty(repository: string): Promise<boolean>
}

/** The members of a kind, kept in a store. */
export function createMemberTable<Row extends MemberRow>(
  refs: RefStore,
  kind: 'blobs' | 'manifests',
): MemberTable<Row> {
  return {
    async get(repository, digest) {
      return decodeRow(await refs.read(digestDocument(repository, kind, digest)))
    },
    async rely(repository, digest, now) {
      const name = digestDocument(repository, kind, digest)
      const row = decodeRow(await refs.read(name))
      if (row === undefined || now - row.at < FRESH_MS) return row !== undefined
      let isThere = false
      await refs.update(name, (old) => {
        const current = decodeRow(old)
        isThere = current !== undefined
        return current && encodeDocument({ ...current, at: now })
      })
      return isThere
    },
    async add(repository, row) {
      let isNew = false
      await refs.update(digestDocument(repository, kind, row.digest), (old) => {
        isNew = old === undefined
        return encodeDocument(row)
      })
      return isNew
    },
    async remove(repository, digest) {
      let found: Row | undefined
      await refs.update(digestDocument(repository, kind, digest), (old) => {
        found = decodeRow(old)
        return undefined
      })
      return found
    },
    async isEmpty(repository) {
      return (await refs.list(documentPrefix(repository, kind))).length === 0
    },
  }

  function decodeRow(bytes: Uint8Array | undefined): Row | undefined {
    return bytes && (decodeDocument(bytes) as Row)
  }
}
