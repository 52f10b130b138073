/**
 * The manifests and indexes among the blobs of a layout, which says of no blob what it is.
 *
 * @module
 */
import {
  algorithmOf,
  type Descriptor,
  type Digest,
  digestOf,
  formatDigest,
  isDigest,
  OCI_ALGORITHMS,
  parseDigest,
  readAll,
  withSignal,
} from '@varve/digest'
import { fileSource } from '@varve/digest/node'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ContentReader } from '../content.ts'
import { OciManifestError } from '../errors.ts'
import { childrenOf, readDocument } from '../graph.ts'
import { type Document, parseDocument } from '../image-index.ts'
import { MAX_DOCUMENT_BYTES } from '../json.ts'
import { isIndexType } from '../media-types.ts'
import { describeReferrer } from '../referrer.ts'
import { blobPath, readBlob } from './blobs.ts'
import { fileSize, isDirectory, system } from './files.ts'

/** A document that is there, as far as it matters to others. */
export interface StoredDocument {
  /** As a list of referrers has it: with artifact type and annotations. */
  readonly descriptor: Descriptor
  readonly children: readonly Descriptor[]
  readonly subject: Descriptor | undefined
}

/** The documents of one layout. What a digest names never changes, so each is parsed once. */
export interface StoredDocuments {
  readonly root: string
  /**
   * A document by its descriptor; `undefined` if it is not there.
   *
   * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID`, `_LIMIT`, `_UNSUPPORTED`
   * @throws {DigestError} if the blob is damaged.
   */
  read(descriptor: Descriptor, signal?: AbortSignal): Promise<StoredDocument | undefined>
  /** All that have a subject, by digest. Blobs that are no documents, or damaged, are passed over. */
  withSubject(signal?: AbortSignal): Promise<readonly StoredDocument[]>
  /** Every digest that the text of a blob names, if it can be JSON; for documents of types not known here. */
  mentions(digest: Digest, signal?: AbortSignal): Promise<readonly Digest[]>
}

const ANY_DIGEST = /sha(?:256:[a-f0-9]{64}|512:[a-f0-9]{128})(?![a-f0-9])/g
/** JSON may begin with space, but no tool writes more of it. */
const HEAD_BYTES = 64

export function createStoredDocuments(root: string): StoredDocuments {
  const reader: ContentReader = { read: (descriptor) => readBlob(root, descriptor) }
  const known = new Map<string, StoredDocument>()
  /** Blobs that have been looked at, and the documents with a subject among them. */
  const seen = new Map<Digest, StoredDocument | undefined>()

  async function read(descriptor: Descriptor, signal?: AbortSignal): Promise<StoredDocument | undefined> {
    // One digest under two types is two questions.
    const key = `${descriptor.digest} ${isIndexType(descriptor.mediaType)}`
    const before = known.get(key)
    if (before !== undefined) return before
    if ((await reader.read(descriptor)) === undefined && descriptor.data === undefined) return undefined
    const document = await readDocument(reader, descriptor, withSignal(signal))
    const found = storedDocument(document, descriptor.digest)
    known.set(key, found)
    return found
  }

  async function withSubject(signal?: AbortSignal): Promise<readonly StoredDocument[]> {
    const found: StoredDocument[] = []
    for await (const digest of blobDigests(root)) {
      signal?.throwIfAborted()
      if (!seen.has(digest)) seen.set(digest, await look(digest, signal))
      const document = seen.get(digest)
      if (document !== undefined) found.push(document)
    }
    return found
  }

  async function look(digest: Digest, signal?: AbortSignal): Promise<StoredDocument | undefined> {
    const bytes = await readJsonBlob(root, digest, signal)
    if (
      bytes === undefined ||
      !Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('"subject"')
    )
      return undefined
    try {
      return storedDocument(parseDocument(bytes), digest)
    } catch (error) {
      if (error instanceof OciManifestError) return undefined
      throw error
    }
  }

  return {
    root,
    read,
    withSubject,
    mentions: async (digest, signal) => {
      const bytes = await readJsonBlob(root, digest, signal)
      const text = bytes === undefined ? '' : new TextDecoder('latin1').decode(bytes)
      return [...new Set(text.match(ANY_DIGEST))].map((each) => parseDigest(each))
    },
  }
}

/** Digests of all blobs that have one which can be verified here, in no order. */
export async function* blobDigests(root: string): AsyncGenerator<Digest, void, void> {
  for (const algorithm of OCI_ALGORITHMS) {
    const directory = join(root, 'blobs', algorithm)
    if (!(await isDirectory(directory))) continue
    for (const name of await system(readdir(directory))) {
      if (isDigest(`${algorithm}:${name}`)) yield formatDigest(algorithm, name)
    }
  }
}

/** The bytes of a blob that is what its name says, small enough, and begins as a JSON object. */
async function readJsonBlob(
  root: string,
  digest: Digest,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const path = blobPath(root, digest)
  const size = await fileSize(path)
  if (size === undefined || size > MAX_DOCUMENT_BYTES) return undefined
  const source = fileSource(path, size)
  const head = await readAll(source.open({ end: HEAD_BYTES, ...withSignal(signal) }), HEAD_BYTES)
  if (!/^[ \t\r\n]*\{/.test(new TextDecoder('latin1').decode(head))) return undefined
  const bytes = await readAll(source.open(withSignal(signal)), size)
  return digestOf(bytes, algorithmOf(digest)) === digest ? bytes : undefined
}

function storedDocument(found: Document, digest: Digest): StoredDocument {
  const { subject } = found.document.value
  return { descriptor: { ...describeReferrer(found), digest }, children: childrenOf(found), subject }
}
