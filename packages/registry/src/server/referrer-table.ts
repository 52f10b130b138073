/**
 * Who refers to whom by `subject`: one document for each subject.
 *
 * @module
 */
import type { RefStore } from '@varve/cache-store'
import type { Digest } from '@varve/digest'
import { decodeDocument, encodeDocument } from './document.ts'
import { digestDocument } from './document-name.ts'

/** Referrers by subject. */
export interface ReferrerTable {
  /** Digests of the manifests with this subject, sorted. */
  list(repository: string, subject: Digest): Promise<readonly Digest[]>
  add(repository: string, subject: Digest, referrer: Digest): Promise<void>
  remove(repository: string, subject: Digest, referrer: Digest): Promise<void>
}

/** The referrers kept in a store. */
export function createReferrerTable(refs: RefStore): ReferrerTable {
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
