/**
 * Local archives that ADD extracts.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { BlobStore } from '@varve/cache-store'
import { type ByteSource, readAll, withSignal } from '@varve/digest'
import { decompress, fromTar, type Tree } from '@varve/layer'
import { BuilderError, type SourceLocation } from '../errors.ts'

const TAR_MAGIC_OFFSET = 257
const HEAD = 512

/** Leading bytes of what may be an archive: RFC 1952, RFC 8878, and the formats' own documents. */
const COMPRESSIONS: ReadonlyArray<
  readonly [name: 'gzip' | 'zstd' | 'bzip2' | 'xz', magic: readonly number[]]
> = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
]

/**
 * The members of a tar archive, compressed or not; `undefined` if the file is something else, whatever its name says.
 *
 * @throws {BuilderError} `ERR_BUILDER_UNSUPPORTED` for bzip2 and xz, which Node cannot read.
 */
export async function openArchive(
  content: ByteSource,
  options: {
    readonly blobs: BlobStore
    readonly location: SourceLocation | undefined
    readonly signal?: AbortSignal
  },
): Promise<Tree | undefined> {
  const { blobs, location, signal } = options
  const head = await readAll(content.open({ end: HEAD, ...withSignal(signal) }), HEAD)
  const compression = COMPRESSIONS.find(([, magic]) =>
    magic.every((byte, index) => head[index] === byte),
  )?.[0]
  if (compression === 'bzip2' || compression === 'xz') {
    throw new BuilderError('ERR_BUILDER_UNSUPPORTED', `ADD cannot extract ${compression} archives`, {
      ...(location !== undefined && { location }),
      hint: 'Recompress it with gzip or zstd',
    })
  }
  if (compression === undefined) return isTar(head) ? fromTar(content, withSignal(signal)) : undefined
  const ingest = await blobs.ingest(`archive-${randomBytes(16).toString('hex')}`, withSignal(signal))
  try {
    let first: Uint8Array | undefined
    for await (const chunk of decompress(content.open(withSignal(signal)), withSignal(signal))) {
      first ??= chunk.slice(0, HEAD)
      await ingest.write(chunk)
    }
    if (first === undefined || !isTar(first)) return undefined
    const { digest } = await ingest.commit()
    const tar = await blobs.get(digest, withSignal(signal))
    return tar === undefined ? undefined : await fromTar(tar, withSignal(signal))
  } finally {
    await ingest.abort()
  }
}

function isTar(head: Uint8Array): boolean {
  return new TextDecoder('latin1').decode(head.subarray(TAR_MAGIC_OFFSET, TAR_MAGIC_OFFSET + 5)) === 'ustar'
}
