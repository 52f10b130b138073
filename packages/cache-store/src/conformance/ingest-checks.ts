/**
 * The contract of an {@link Ingest}.
 *
 * @module
 */
import { digestOf } from '@varve/digest'
import type { BlobStore } from '../blob-store.ts'
import {
  type ConformanceCheck,
  expect,
  expectCode,
  expectEqual,
  isAbsent,
  pattern,
  readBlob,
  sameBytes,
  utf8,
} from './check.ts'

/** Every check of resumable writes. */
export const INGEST_CHECKS: readonly ConformanceCheck<BlobStore>[] = [
  {
    name: 'an ingest becomes the blob of its bytes',
    run: async (blobs) => {
      const ingest = await blobs.ingest('upload')
      expectEqual(ingest.offset, 0, 'the first offset')
      await ingest.write(utf8('hello, '))
      await ingest.write(new Uint8Array())
      expectEqual(ingest.offset, 7, 'the offset after a write')
      await ingest.write(utf8('layer'))
      expect(await isAbsent(blobs, digestOf(utf8('hello, layer'))), 'nothing visible before commit')
      const committed = await ingest.commit()
      expectEqual(committed, { digest: digestOf(utf8('hello, layer')), size: 12 }, 'what was committed')
      expect(
        sameBytes(await readBlob(blobs, committed.digest), utf8('hello, layer')),
        'the bytes that were written',
      )
    },
  },
  {
    name: 'an ingest can be resumed at any offset',
    run: async (blobs) => {
      const bytes = pattern(600)
      for (const step of [1, 100, 599]) {
        for (let at = 0; at < bytes.byteLength; at += step) {
          const ingest = await blobs.ingest('upload')
          expectEqual(ingest.offset, at, 'the offset')
          await ingest.write(bytes.subarray(at, at + step))
        }
        const ingest = await blobs.ingest('upload')
        const committed = await ingest.commit({ digest: digestOf(bytes), size: bytes.byteLength })
        expectEqual(committed.digest, digestOf(bytes), 'the digest')
        expect(sameBytes(await readBlob(blobs, committed.digest), bytes), 'the bytes that were written')
      }
    },
  },
  {
    name: 'a commit checks the digest, by any algorithm, and the size',
    run: async (blobs) => {
      const bytes = utf8('checked')
      for (const algorithm of ['sha256', 'sha512', 'blake3'] as const) {
        const ingest = await blobs.ingest(algorithm)
        await ingest.write(bytes)
        const expected = { digest: digestOf(bytes, algorithm), size: bytes.byteLength }
        expectEqual(await ingest.commit(expected), expected, 'what was committed')
        expect(sameBytes(await readBlob(blobs, expected.digest), bytes), 'the bytes that were written')
      }
    },
  },
  {
    name: 'a commit of something else is refused, and the ingest is gone',
    run: async (blobs) => {
      const bytes = utf8('not this')
      const rejected = [
        [{ digest: digestOf(utf8('but that')) }, 'ERR_DIGEST_MISMATCH'],
        [{ digest: digestOf(utf8('but that'), 'sha512') }, 'ERR_DIGEST_MISMATCH'],
        [{ size: bytes.byteLength - 1 }, 'ERR_DIGEST_SIZE'],
        [{ digest: digestOf(bytes), size: bytes.byteLength + 1 }, 'ERR_DIGEST_SIZE'],
      ] as const
      for (const [expected, code] of rejected) {
        const ingest = await blobs.ingest('upload')
        expectEqual(ingest.offset, 0, 'the offset')
        await ingest.write(bytes)
        await expectCode(ingest.commit(expected), code)
      }
      expect(await isAbsent(blobs, digestOf(bytes)), 'a miss')
      expect(await isAbsent(blobs, digestOf(utf8('but that'))), 'a miss')
    },
  },
  {
    name: 'an aborted ingest is gone; aborting after commit is harmless',
    run: async (blobs) => {
      const ingest = await blobs.ingest('upload')
      await ingest.write(utf8('never mind'))
      await ingest.abort()
      await ingest.abort()
      const again = await blobs.ingest('upload')
      expectEqual(again.offset, 0, 'the offset')
      await again.write(utf8('kept'))
      const { digest } = await again.commit()
      await again.abort()
      expect(!(await isAbsent(blobs, digest)), 'a hit')
    },
  },
  {
    name: 'an ingest of nothing is the empty blob',
    run: async (blobs) => {
      const committed = await (await blobs.ingest('upload')).commit({ size: 0 })
      expectEqual(committed, { digest: digestOf(new Uint8Array()), size: 0 }, 'what was committed')
    },
  },
  {
    name: 'whoever opens a ref takes it over, and the writer before can do no harm',
    run: async (blobs) => {
      const before = await blobs.ingest('upload')
      await before.write(utf8('one '))
      const after = await blobs.ingest('upload')
      expectEqual(after.offset, 4, 'the offset')
      await expectCode(before.write(utf8('lost')), 'ERR_CACHE_STORE_BUSY')
      await after.write(utf8('two'))
      await expectCode(before.commit(), 'ERR_CACHE_STORE_BUSY')
      await before.abort()
      const { digest } = await after.commit()
      expectEqual(digest, digestOf(utf8('one two')), 'the digest')
    },
  },
  {
    name: 'ingests of different refs do not meet',
    run: async (blobs) => {
      const [a, b] = [await blobs.ingest('a'), await blobs.ingest('b')]
      await a.write(utf8('a'))
      await b.write(utf8('b'))
      expectEqual((await a.commit()).digest, digestOf(utf8('a')), 'the first digest')
      expectEqual((await b.commit()).digest, digestOf(utf8('b')), 'the second digest')
    },
  },
  {
    name: 'a written chunk may be reused by the caller',
    run: async (blobs) => {
      const ingest = await blobs.ingest('upload')
      const chunk = utf8('ab')
      await ingest.write(chunk)
      chunk.fill(0)
      expectEqual((await ingest.commit()).digest, digestOf(utf8('ab')), 'the digest')
    },
  },
  {
    name: 'names outside the alphabet are refused',
    run: async (blobs) => {
      for (const name of ['', '.', '..', 'a/b', '../a', 'a\0', 'ä', 'a b', 'x'.repeat(129)]) {
        await expectCode(blobs.ingest(name), 'ERR_CACHE_STORE_NAME')
      }
    },
  },
]
