/**
 * The contract of a {@link BlobStore}, without ingests.
 *
 * @module
 */
import { type Algorithm, bytesSource, digestOf } from '@varve/digest'
import type { BlobStore } from '../blob-store.ts'
import {
  chunkedSource,
  type ConformanceCheck,
  expect,
  expectCode,
  expectEqual,
  expectReason,
  isAbsent,
  pattern,
  putBytes,
  readBlob,
  sameBytes,
  utf8,
} from './check.ts'

const ALGORITHMS: readonly Algorithm[] = ['sha256', 'sha512', 'blake3']
const BIG = 8 * 1024 * 1024
const HELLO = utf8('hello, layer')

/** Every check of blobs that are put whole. */
export const BLOB_CHECKS: readonly ConformanceCheck<BlobStore>[] = [
  {
    name: 'what was not put is a miss',
    run: async (blobs) => {
      expect(await isAbsent(blobs, digestOf(HELLO)), 'a miss')
    },
  },
  {
    name: 'what was put comes back, with its size',
    run: async (blobs) => {
      const chunks = chunkedSource(HELLO, 5, HELLO.byteLength)
      expectEqual(await blobs.put(digestOf(HELLO), chunks), 'stored', 'the outcome')
      const source = await blobs.get(digestOf(HELLO))
      expectEqual(source?.size, HELLO.byteLength, 'the size')
      expect(sameBytes(await readBlob(blobs, digestOf(HELLO)), HELLO), 'the bytes that were put')
    },
  },
  {
    name: 'a second put is "existed" and does not read the source',
    run: async (blobs) => {
      const digest = await putBytes(blobs, HELLO)
      const untouchable = {
        size: HELLO.byteLength,
        open: () => {
          throw new Error('The source was opened')
        },
      }
      expectEqual(await blobs.put(digest, untouchable), 'existed', 'the outcome')
    },
  },
  {
    name: 'every algorithm names blobs',
    run: async (blobs) => {
      for (const algorithm of ALGORITHMS) {
        const digest = digestOf(HELLO, algorithm)
        expectEqual(await blobs.put(digest, bytesSource(HELLO)), 'stored', algorithm)
        expect(sameBytes(await readBlob(blobs, digest), HELLO), `the bytes by ${algorithm}`)
      }
    },
  },
  {
    name: 'the empty blob is always there, by every algorithm',
    run: async (blobs) => {
      for (const algorithm of ALGORITHMS) {
        const digest = digestOf(new Uint8Array(), algorithm)
        expectEqual((await blobs.missing([digest])).size, 0, 'the number of missing blobs')
        expectEqual((await blobs.get(digest))?.size, 0, 'the size')
        expectEqual((await readBlob(blobs, digest)).byteLength, 0, 'the number of bytes')
        expectEqual(await blobs.put(digest, bytesSource(new Uint8Array())), 'existed', 'the outcome of a put')
        expectEqual(await blobs.delete(digest), false, 'the answer of delete')
        expectEqual((await blobs.missing([digest])).size, 0, 'the number of missing blobs after delete')
      }
    },
  },
  {
    name: 'bytes of another digest are refused and leave nothing',
    run: async (blobs) => {
      for (const size of [HELLO.byteLength, BIG]) {
        const digest = digestOf(pattern(size))
        await expectCode(blobs.put(digest, chunkedSource(pattern(size, 2), 65_536)), 'ERR_DIGEST_MISMATCH')
        expect(await isAbsent(blobs, digest), 'a miss')
      }
    },
  },
  {
    name: 'fewer or more bytes than announced are refused and leave nothing',
    run: async (blobs) => {
      for (const announced of [HELLO.byteLength - 1, HELLO.byteLength + 1]) {
        const source = chunkedSource(HELLO, 4, announced)
        await expectCode(blobs.put(digestOf(HELLO), source), 'ERR_DIGEST_SIZE')
        expect(await isAbsent(blobs, digestOf(HELLO)), 'a miss')
      }
    },
  },
  {
    name: 'a source that fails fails the put, and a later put succeeds',
    run: async (blobs) => {
      const failure = new Error('The network went away')
      const bytes = pattern(BIG)
      const failing = {
        size: undefined,
        async *open() {
          yield bytes.slice(0, BIG / 2)
          throw failure
        },
      }
      await expectReason(blobs.put(digestOf(bytes), failing), failure)
      expect(await isAbsent(blobs, digestOf(bytes)), 'a miss')
      expectEqual(await blobs.put(digestOf(bytes), bytesSource(bytes)), 'stored', 'the outcome')
    },
  },
  {
    name: 'a big blob in chunks of any size comes back',
    run: async (blobs) => {
      const bytes = pattern(BIG)
      const digest = digestOf(bytes)
      for (const [chunkSize, size] of [[4096], [1_000_003, BIG], [BIG]] as const) {
        expectEqual(await blobs.put(digest, chunkedSource(bytes, chunkSize, size)), 'stored', 'the outcome')
        expect(sameBytes(await readBlob(blobs, digest), bytes), 'the bytes that were put')
        expectEqual(await blobs.delete(digest), true, 'the answer of delete')
      }
    },
  },
  {
    name: 'any range can be read',
    run: async (blobs) => {
      const bytes = pattern(3 * 1024 * 1024)
      const digest = await putBytes(blobs, bytes)
      const last = bytes.byteLength
      const ranges: readonly (readonly [number, number?])[] = [
        [0, 10],
        [10, 10],
        [5, 1_500_000],
        [last - 3],
        [last],
        [last + 5],
        [0, last + 5],
        [0, 0],
      ]
      for (const [start, end] of ranges) {
        const part = await readBlob(blobs, digest, start, end)
        expect(sameBytes(part, bytes.subarray(start, end)), `bytes ${start} to ${end ?? 'the end'}`)
      }
    },
  },
  {
    name: 'one source can be opened many times, also at once, and changing a chunk changes nothing',
    run: async (blobs) => {
      const bytes = pattern(300_000)
      const source = await blobs.get(await putBytes(blobs, bytes))
      expect(source !== undefined, 'a blob')
      const reads = [1, 2, 3].map(async () => {
        let at = 0
        for await (const chunk of source.open()) {
          expect(sameBytes(chunk, bytes.subarray(at, at + chunk.byteLength)), 'the bytes that were put')
          at += chunk.byteLength
          chunk.fill(0)
        }
        expectEqual(at, bytes.byteLength, 'the number of bytes')
      })
      await Promise.all(reads)
    },
  },
  {
    name: 'changing the array after the put changes nothing',
    run: async (blobs) => {
      const bytes = utf8('mine')
      const digest = await putBytes(blobs, bytes)
      bytes.fill(0)
      expect(sameBytes(await readBlob(blobs, digest), utf8('mine')), 'the bytes that were put')
    },
  },
  {
    name: 'many puts of one digest at once all succeed',
    run: async (blobs) => {
      const bytes = pattern(500_000)
      const digest = digestOf(bytes)
      const puts = Array.from({ length: 8 }, () => blobs.put(digest, chunkedSource(bytes, 50_000)))
      for (const outcome of await Promise.all(puts)) {
        expect(outcome === 'stored' || outcome === 'existed', `"stored" or "existed", not "${outcome}"`)
      }
      expect(sameBytes(await readBlob(blobs, digest), bytes), 'the bytes that were put')
    },
  },
  {
    name: 'missing answers for a whole batch',
    run: async (blobs) => {
      const all = Array.from({ length: 50 }, (_, number) => utf8(`blob ${number}`))
      for (const [number, bytes] of all.entries()) if (number % 2 === 0) await putBytes(blobs, bytes)
      const absent = await blobs.missing(all.map((bytes) => digestOf(bytes)))
      const expected = all.filter((_, number) => number % 2 === 1).map((bytes) => digestOf(bytes))
      expectEqual([...absent].toSorted(), expected.toSorted(), 'the missing digests')
      expectEqual((await blobs.missing([])).size, 0, 'what is missing of nothing')
    },
  },
  {
    name: 'delete forgets, and says whether there was something',
    run: async (blobs) => {
      const digest = await putBytes(blobs, HELLO)
      expectEqual(await blobs.delete(digest), true, 'the first answer')
      expectEqual(await blobs.delete(digest), false, 'the second answer')
      expect(await isAbsent(blobs, digest), 'a miss')
      expectEqual(await blobs.put(digest, bytesSource(HELLO)), 'stored', 'the outcome of a put afterwards')
    },
  },
  {
    name: 'an aborted signal stops every operation before it begins',
    run: async (blobs) => {
      const signal = AbortSignal.abort({ why: 'enough' })
      const digest = digestOf(HELLO)
      await expectReason(blobs.missing([digest], { signal }), signal.reason)
      await expectReason(blobs.get(digest, { signal }), signal.reason)
      await expectReason(blobs.put(digest, bytesSource(HELLO), { signal }), signal.reason)
      await expectReason(blobs.ingest('upload', { signal }), signal.reason)
      await expectReason(blobs.delete(digest, { signal }), signal.reason)
      expect(await isAbsent(blobs, digest), 'a miss')
    },
  },
  {
    name: 'an abort in the middle of a put or a read rejects with the reason, and leaves nothing',
    run: async (blobs) => {
      const bytes = pattern(BIG)
      const digest = digestOf(bytes)
      const reason = { why: 'enough' }
      const putting = new AbortController()
      const source = {
        size: BIG,
        // A source that knows nothing of signals.
        async *open() {
          yield bytes.slice(0, BIG / 2)
          putting.abort(reason)
          yield bytes.slice(BIG / 2)
        },
      }
      await expectReason(blobs.put(digest, source, { signal: putting.signal }), reason)
      expect(await isAbsent(blobs, digest), 'a miss')

      await blobs.put(digest, bytesSource(bytes))
      const blob = await blobs.get(digest)
      expect(blob !== undefined, 'a blob')
      await expectReason(drain(blob.open({ signal: AbortSignal.abort(reason) })), reason)
      const reading = new AbortController()
      const read = async (): Promise<void> => {
        for await (const _ of blob.open({ signal: reading.signal })) reading.abort(reason)
      }
      // A store may hand out all bytes at once; then there is nothing left to stop.
      await read().catch((error: unknown) => expect(error === reason, 'the reason of the signal, untouched'))
    },
  },
]

async function drain(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of chunks);
}
