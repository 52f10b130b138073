/**
 * What this registry knows that is not bytes: which repository holds what, and where its tags point.
 *
 * Every change is a compare-and-swap of one small document in a `RefStore`, so writers do not lose each other's.
 *
 * @module
 */
import type { RefStore } from '@varve/cache-store'
import type { Digest } from '@varve/digest'
import { createMemberTable, type MemberRow, type MemberTable } from './member-table.ts'
import { createNameTable, type NameTable } from './name-table.ts'
import { createReferrerTable, type ReferrerTable } from './referrer-table.ts'
import { createTagTable, type TagTable } from './tag-table.ts'

/** A blob is in the repository. */
export type BlobRow = MemberRow

/** A manifest is in the repository, and was pushed as this. */
export interface ManifestRow extends MemberRow {
  readonly mediaType: string
  readonly subject?: Digest
}

/** Everything this registry knows. */
export interface Catalog {
  readonly blobs: MemberTable<BlobRow>
  readonly manifests: MemberTable<ManifestRow>
  readonly referrers: ReferrerTable
  readonly tags: TagTable
  readonly names: NameTable
}

/** The catalog kept in a store. */
export function createCatalog(refs: RefStore, now: () => number): Catalog {
  const blobs = createMemberTable<BlobRow>(refs, 'blobs')
  const manifests = createMemberTable<ManifestRow>(refs, 'manifests')
  const names = createNameTable(refs)
  return {
    blobs: {
      ...blobs,
      async add(repository, row) {
        const noted = names.noteHolder(repository, row.digest)
        const [isNew] = await Promise.all([blobs.add(repository, row), noted])
        return isNew
      },
    },
    manifests: {
      ...manifests,
      async add(repository, row) {
        const [isNew] = await Promise.all([manifests.add(repository, row), names.note(repository)])
        return isNew
      },
    },
    referrers: createReferrerTable(refs),
    tags: createTagTable(refs, now),
    names,
  }
}
