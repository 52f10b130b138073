/**
 * Names of this registry's documents in a `RefStore`: `registry/<repository>/<kind>/<key>`,
 * `registry/<repository>/name` and `registry/holders/<key>`.
 *
 * A ref has at most 200 characters, 128 a part, and may be a file on a disk that does not tell `v1` from `V1`. So a
 * repository is named by the hash of its name, a tag lives in one of 256 documents chosen by its hash, and the
 * key of a digest is cut.
 *
 * @module
 */
import { type Digest, digestOf, hexOf } from '@varve/digest'

/** What a document is about. */
export type DocumentKind = 'blobs' | 'manifests' | 'referrers' | 'tags'

/** What every name begins with. */
export const ROOT = 'registry'

/** Leaves 412 bits of a sha512, more than the whole of a sha256. */
const KEY_LENGTH = 110

/** The prefix of every document of a kind. */
export function documentPrefix(repository: string, kind: DocumentKind): string {
  return `${ROOT}/${repositoryKey(repository)}/${kind}/`
}

/** What stands for a repository in names of documents: 64 hexadecimal digits. */
export function repositoryKey(repository: string): string {
  return hashOf(repository)
}

/** The document that holds the name of a repository, by its key. */
export function nameDocument(key: string): string {
  return `${ROOT}/${key}/name`
}

/** The document that holds names of repositories with a blob. */
export function holdersDocument(digest: Digest): string {
  return `${ROOT}/holders/${digestKey(digest)}`
}

/** The document about a digest. */
export function digestDocument(repository: string, kind: DocumentKind, digest: Digest): string {
  return digestDocumentOf(repositoryKey(repository), kind, digest)
}

/** The document about a digest in the repository with this key. */
export function digestDocumentOf(key: string, kind: DocumentKind, digest: Digest): string {
  return `${ROOT}/${key}/${kind}/${digestKey(digest)}`
}

/** The document that holds a tag, among others. */
export function tagDocument(repository: string, tag: string): string {
  return documentPrefix(repository, 'tags') + hashOf(tag).slice(0, 2)
}

function digestKey(digest: Digest): string {
  return digest.replace(':', '-').slice(0, KEY_LENGTH)
}

function hashOf(text: string): string {
  return hexOf(digestOf(new TextEncoder().encode(text)))
}
