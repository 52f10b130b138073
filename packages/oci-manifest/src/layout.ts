/**
 * Image layouts: directories of blobs with an index of roots. Node only.
 *
 * image-spec v1.1.1, image-layout.md. Blobs and `index.json` are written by temporary file, fsync and rename;
 * `index.json` changes under a lock between processes.
 *
 * @module
 */
import type { ByteSource, Descriptor, Digest } from '@varve/digest'
import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { ContentOptions, ContentReader, ContentWriter } from './content.ts'
import type { BlobWriter } from './copy.ts'
import type { Parsed } from './document.ts'
import { OciManifestError } from './errors.ts'
import { notFound } from './graph.ts'
import type { ImageIndex, IndexEntry } from './image-index.ts'
import { assertVersion, MAX_VERSION_BYTES, versionFile } from './layout-version.ts'
import { makeDirectory, readBlob, relyOnBlob, writeBlob } from './layout/blobs.ts'
import { isDirectory, readSmallFile, replaceFile, system } from './layout/files.ts'
import { readIndexFile, updateIndexFile } from './layout/index-file.ts'
import { relyOnContent } from './layout/reachable.ts'
import { findReferrers } from './layout/referrers.ts'
import { createStoredDocuments } from './layout/stored-documents.ts'
import { compareText } from './json-writer.ts'
import { assertRefName, findRoot, refNameOf, type ResolveOptions } from './roots.ts'
import { withoutName, withRoot } from './roots-writer.ts'

export { type CollectOptions, type Collection, collectLayout } from './layout/collect.ts'
export type { ResolveOptions } from './roots.ts'

/** How to open a layout. */
export interface OpenLayoutOptions {
  /** Makes the layout if there is none; the directory may have other files. */
  readonly create?: boolean
  /** How long to wait for other processes that change `index.json`. Default 30 s. */
  readonly lockTimeoutMs?: number
  /** How long a lock of an unknown owner is respected though nobody touches it. Default 10 s. */
  readonly lockStaleMs?: number
}

/**
 * A directory of blobs, and the roots among them. Holds nothing open.
 *
 * A large blob whose `write` was interrupted, by an error of its source, an abort or the end of the process, is gone on
 * with by the next `write` of the same blob, in whatever process: the source is then opened at an offset.
 */
export interface ImageLayout extends ContentReader, ContentWriter, BlobWriter {
  /** Absolute, without links. */
  readonly directory: string
  /** `index.json` as it is now. */
  index(): Promise<Parsed<ImageIndex>>
  /**
   * The root of a name or a digest, or the only one. `alpine:3.20` also finds what is called
   * `docker.io/library/alpine:3.20`, in either of the annotations that tools write.
   *
   * @throws {OciManifestError} `ERR_OCI_MANIFEST_NOT_FOUND`, or `_REFERENCE` if several fit, both with `available`;
   *   `_PLATFORM` if several fit and none of them the platform.
   */
  resolve(nameOrDigest?: string, options?: ResolveOptions): Promise<IndexEntry>
  /**
   * Makes content that is here a root, under a name that then means only this; or, without one, under its digest.
   *
   * @throws {OciManifestError} `ERR_OCI_MANIFEST_NOT_FOUND`; `_REFERENCE` if the name is not one that image-spec
   *   allows; `_LOCKED`.
   */
  tag(name: string | undefined, entry: IndexEntry, options?: ContentOptions): Promise<void>
  /** Forgets a name and its entry, not the blobs; tells whether it was there. */
  untag(name: string, options?: ContentOptions): Promise<boolean>
  /** Every root with a name, sorted by it. */
  tags(): Promise<ReadonlyMap<string, IndexEntry>>
  /**
   * What says that it is about `subject`: manifests and indexes among the blobs, and what is listed under its referrers
   * tag; by digest, with artifact type and annotations. Reads every document of the layout once.
   */
  referrers(subject: Digest, options?: ReferrersOptions): Promise<readonly Descriptor[]>
}

/** Which referrers. */
export interface ReferrersOptions extends ContentOptions {
  readonly artifactType?: string
}

/**
 * Opens a layout, or makes one.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_LAYOUT` if it is none, or cannot be read, or `blobs` is a link;
 *   `ERR_OCI_MANIFEST_UNSUPPORTED` if it is of another version.
 */
export async function openLayout(directory: string, options: OpenLayoutOptions = {}): Promise<ImageLayout> {
  const { create = false, lockTimeoutMs = 30_000, lockStaleMs = 10_000 } = options
  const lock = { timeoutMs: lockTimeoutMs, staleMs: lockStaleMs }
  if (create) await system(mkdir(directory, { recursive: true }))
  const root = await system(realpath(directory))
  if (!(await checkVersion(root))) {
    if (!create) throw notLayout(root, 'oci-layout is missing')
    await makeDirectory(join(root, 'blobs'))
    await makeDirectory(join(root, 'blobs', 'sha256'))
    await updateIndexFile(root, (entries) => entries, lock)
    const path = join(root, 'oci-layout')
    await replaceFile({ root, path, chunks: [versionFile()] })
  }
  if (!(await isDirectory(join(root, 'blobs')))) throw notLayout(root, 'blobs is missing')
  const index = async (): Promise<Parsed<ImageIndex>> => {
    const found = await readIndexFile(root)
    if (found === undefined) throw notLayout(root, 'index.json is missing')
    return found
  }
  await index()
  const documents = createStoredDocuments(root)
  return {
    directory: root,
    index,
    read: async (
      descriptor: Descriptor,
      { signal }: ContentOptions = {},
    ): Promise<ByteSource | undefined> => {
      signal?.throwIfAborted()
      return readBlob(root, descriptor)
    },
    has: (descriptor) => relyOnBlob(root, descriptor),
    write: async (descriptor, source, each = {}) => {
      await writeBlob(root, descriptor, source, each)
    },
    pushBlob: (descriptor, source, each = {}) => writeBlob(root, descriptor, source, each),
    resolve: async (nameOrDigest, each = {}) => findRoot((await index()).value, nameOrDigest, each),
    tag: async (name, entry, each = {}) => {
      if (name !== undefined) assertRefName(name)
      if (!(await relyOnContent(documents, entry, each.signal))) throw notFound(entry)
      await updateIndexFile(root, (entries) => withRoot(entries, name, entry), { ...lock, ...each })
    },
    untag: async (name, each = {}) => {
      let found = false
      await updateIndexFile(
        root,
        (entries) => {
          const left = withoutName(entries, name)
          found = left !== entries
          return left
        },
        { ...lock, ...each },
      )
      return found
    },
    tags: async () => {
      const named = new Map<string, IndexEntry>()
      for (const entry of (await index()).value.manifests) {
        const name = refNameOf(entry)
        if (name !== undefined && !named.has(name)) named.set(name, entry)
      }
      return new Map([...named].toSorted(([a], [b]) => compareText(a, b)))
    },
    referrers: async (subject, { artifactType, signal } = {}) => {
      const found = await findReferrers(documents, (await index()).value, subject, signal)
      return artifactType === undefined ? found : found.filter((each) => each.artifactType === artifactType)
    },
  }
}

/** Whether there is a version file, of the one version there is. */
async function checkVersion(root: string): Promise<boolean> {
  const bytes = await readSmallFile(join(root, 'oci-layout'), MAX_VERSION_BYTES)
  if (bytes === undefined) return false
  assertVersion(bytes)
  return true
}

function notLayout(root: string, why: string): OciManifestError {
  return new OciManifestError(
    'ERR_OCI_MANIFEST_LAYOUT',
    `${JSON.stringify(root)} is not an image layout: ${why}`,
  )
}
