/**
 * What this registry knows that is not bytes: which repository holds what, and where its tags point.
 *
 * Every change is a compare-and-swap of one small document in a `RefStore`, so writers do not lose each other's.
 *
 * @module
 */
import type { RefStore } from '@varve/cache-store'
import type { Digest } from '@varve/digest'
import { decodeDocument, encodeDocument } from './document.ts'
import { digestDocument, documentPrefix } from './document-name.ts'
import { createTagTable, type TagTable } from './tag-table.ts'

/** A blob is in the repository. */
export interface BlobRow {
  readonly digest: Digest
  readonly size: number
}

/** A manifest is in the repository, and was pushed as this. */
export interface ManifestRow {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  readonly subject?: Digest
}

/** Members of repositories by digest. */
export interface MemberTable<Row extends { readonly digest: Digest }> {
  get(repository: string, digest: Digest): Promise<Row | undefined>
  /** Idempotent; the last writer's row stays. */
  add(repository: string, row: Row): Promise<void>
  /** Tells whether it was there. */
  remove(repository: string, digest: Digest): Promise<boolean>
  isEmpty(repository: string): Promise<boolean>
}

/** Who refers to whom by `subject`. */
export interface ReferrerTable {
  /** Digests of the manifests with this subject, sorted. */
  list(repository: string, subject: Digest): Promise<readonly Digest[]>
  add(repository: string, subject: Digest, referrer: Digest): Promise<void>
  remove(repository: string, subject: Digest, referrer: Digest): Promise<void>
}

/** Everything this registry knows. */
export interface Catalog {
  readonly blobs: MemberTable<BlobRow>
  readonly manifests: MemberTable<ManifestRow>
  readonly referrers: ReferrerTable
  readonly tags: TagTable
}

/** The catalog kept in a store. */
export function createCatalog(refs: RefStore): Catalog {
  return {
    blobs: createMemberTable(refs, 'blobs'),
    manifests: createMemberTable(refs, 'manifests'),
    referrers: createReferrerTable(refs),
    tags: createTagTable(refs),
  }
}

function createMemberTable<Row extends { readonly digest: Digest }>(
  refs: RefStore,
  kind: 'blobs' | 'manifests',
): MemberTable<Row> {
  return {
    async get(repository, digest) {
      const bytes = await refs.read(digestDocument(repository, kind, digest))
      return bytes && (decodeDocument(bytes) as Row)
    },
    async add(repository, row) {
      await refs.update(digestDocument(repository, kind, row.digest), () => encodeDocument(row))
    },
    async remove(repository, digest) {
      let found = false
      await refs.update(digestDocument(repository, kind, digest), (old) => {
        found = old !== undefined
        return undefined
      })
      return found
    },
    async isEmpty(repository) {
      return (await refs.list(documentPrefix(repository, kind))).length === 0
    },
  }
}

function createReferrerTable(refs: RefStore): ReferrerTable {
  const change = (
    repository: string,
    subject: Digest,
    edit: (referrers: Set<Digest>) => void,
  ): Promise<void> =>
    refs.update(digestDocument(repository, 'referrers', subject), (old) => {
      const referrers = new Set(old && (decodeDocument(old) as Digest[]))
      edit(referrers)
      return referrers.size === 0 ? undefined : encodeDocument([...referrers].toSorted())
    })
  return {
    async list(repository, subject) {
      const bytes = await refs.read(digestDocument(repository, 'referrers', subject))
      return bytes === undefined ? [] : (decodeDocument(bytes) as Digest[])
    },
    add: (repository, subject, referrer) =>
      change(repository, subject, (referrers) => void referrers.add(referrer)),
    remove: (repository, subject, referrer) =>
      change(repository, subject, (referrers) => void referrers.delete(referrer)),
  }
}
