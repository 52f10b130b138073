/**
 * Writing tar entries one after the other: the same entries give the same bytes.
 *
 * @module
 */
import { algorithmOf, bytesSource, type Digest, hexOf, parseDigest } from '@varve/digest'
import { type Pack, pack as createPack } from 'tar-stream'
import type { ContentOptions } from '../content.ts'

/** An entry to be written; without a source it is a directory. */
export interface Entry {
  readonly name: string
  readonly size: number
  readonly open?: () => Promise<AsyncIterable<Uint8Array>>
}

/** The name of a blob's entry. */
export function blobName(digest: Digest): string {
  // Once more, for what comes from plain JavaScript: a digest becomes a name here.
  const checked = parseDigest(digest)
  return `blobs/${algorithmOf(checked)}/${hexOf(checked)}`
}

/** A small file. */
export function fileEntry(name: string, bytes: Uint8Array): Entry {
  return { name, size: bytes.byteLength, open: async () => bytesSource(bytes).open() }
}

/** Writes an archive as a stream; times and owners are 0. Stops reading when nobody reads. */
export async function* writeEntries(
  entries: readonly Entry[],
  options: ContentOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const pack = createPack()
  const feeding = feed(pack, entries, options)
  // It is awaited below; if the reader leaves before, what it says no longer matters.
  feeding.catch(() => undefined)
  try {
    for await (const chunk of pack) yield chunk as Uint8Array
    await feeding
  } finally {
    pack.destroy()
    await feeding.catch(() => undefined)
  }
}

/** Puts the entries into the stream as fast as it is read; an error becomes the stream's. */
async function feed(pack: Pack, entries: readonly Entry[], { signal }: ContentOptions): Promise<void> {
  try {
    for (const entry of entries) {
      signal?.throwIfAborted()
      await addEntry(pack, entry)
    }
    pack.finalize()
  } catch (error) {
    pack.destroy(error as Error)
    throw error
  }
}

async function addEntry(pack: Pack, { name, size, open }: Entry): Promise<void> {
  // Before the header is written: an entry that has begun cannot be taken back.
  const chunks = await open?.()
  const { sink, done } = begin(pack, name, chunks === undefined ? 'directory' : 'file', size)
  if (chunks !== undefined) {
    for await (const chunk of chunks) {
      if (sink.write(chunk)) continue
      await Promise.race([done, new Promise<void>((drained) => void sink.once('drain', () => drained()))])
    }
    sink.end(null)
  }
  await done
}

function begin(
  pack: Pack,
  name: string,
  type: 'file' | 'directory',
  size: number,
): { readonly sink: ReturnType<Pack['entry']>; readonly done: Promise<void> } {
  let settle: (error?: Error | null) => void = () => undefined
  const done = new Promise<void>((resolve, reject) => {
    settle = (error) => (error ? reject(error) : resolve())
  })
  done.catch(() => undefined)
  // tar-stream fills in the time of day and its own modes where these are missing.
  const mode = type === 'file' ? 0o644 : 0o755
  const header = { name, size, type, mode, mtime: new Date(0), uid: 0, gid: 0 }
  const sink = pack.entry(header, (error) => settle(error))
  // It also tells by an event, which nobody else listens to.
  sink.on('error', () => undefined)
  return { sink, done }
}
