/**
 * The contract of a {@link RefStore}.
 *
 * @module
 */
import type { RefStore } from '../ref-store.ts'
import { type ConformanceCheck, expectCode, expectEqual, expectReason, textOf, utf8 } from './check.ts'

const WRITERS = 20
const LIMIT = 1024 * 1024

/** Every check of refs. */
export const REF_CHECKS: readonly ConformanceCheck<RefStore>[] = [
  {
    name: 'a ref that was never written is nothing',
    run: async (refs) => {
      expectEqual(await refs.read('a'), undefined, 'the document')
      expectEqual(await refs.list(''), [], 'the names')
      let merged: unknown = 'not called'
      await refs.update('a', (old) => {
        merged = old
        return undefined
      })
      expectEqual(merged, undefined, 'what merge was given')
    },
  },
  {
    name: 'an update replaces the document, of any bytes',
    run: async (refs) => {
      for (const document of [utf8('one'), new Uint8Array(), utf8('\n\0\n'), new Uint8Array(LIMIT).fill(7)]) {
        await refs.update('a', () => document)
        const found = await refs.read('a')
        expectEqual(found?.byteLength, document.byteLength, 'the number of bytes')
        expectEqual(found?.at(-1), document.at(-1), 'the last byte')
      }
    },
  },
  {
    name: 'updates at once all survive',
    run: async (refs) => {
      await Promise.all(Array.from({ length: WRITERS }, () => refs.update('count', increment)))
      expectEqual(textOf(await refs.read('count')), String(WRITERS), 'the count')
    },
  },
  {
    name: 'merge returning undefined deletes',
    run: async (refs) => {
      await refs.update('a', () => utf8('one'))
      await refs.update('a', () => undefined)
      expectEqual(await refs.read('a'), undefined, 'the document')
      expectEqual(await refs.list(''), [], 'the names')
    },
  },
  {
    name: 'what merge throws comes out, and nothing changes',
    run: async (refs) => {
      await refs.update('a', () => utf8('one'))
      const failure = new Error('No')
      const failing = refs.update('a', () => {
        throw failure
      })
      await expectReason(failing, failure)
      expectEqual(textOf(await refs.read('a')), 'one', 'the document')
    },
  },
  {
    name: 'list gives the names with a prefix, sorted by code unit',
    run: async (refs) => {
      const names = ['b', 'a', 'a/b', 'a/b/c', 'a-b', 'B', 'a.b', 'a_b', 'x.lock']
      for (const name of names) await refs.update(name, () => utf8(name))
      expectEqual(await refs.list(''), names.toSorted(), 'all names')
      expectEqual(await refs.list('a/'), ['a/b', 'a/b/c'], 'the names below "a/"')
      expectEqual(await refs.list('zz'), [], 'the names below "zz"')
      for (const name of names) expectEqual(textOf(await refs.read(name)), name, 'the document')
    },
  },
  {
    name: 'nobody else holds the stored bytes',
    run: async (refs) => {
      const document = utf8('one')
      await refs.update('a', () => document)
      document.fill(0)
      ;(await refs.read('a'))?.fill(0)
      await refs.update('b', () => utf8('two'))
      await refs.update('a', (old) => {
        expectEqual(textOf(old), 'one', 'the document')
        old?.fill(0)
        return utf8('three')
      })
      expectEqual(textOf(await refs.read('a')), 'three', 'the document')
    },
  },
  {
    name: 'a document beyond 1 MiB is refused, and nothing changes',
    run: async (refs) => {
      await refs.update('a', () => utf8('one'))
      await expectCode(
        refs.update('a', () => new Uint8Array(LIMIT + 1)),
        'ERR_CACHE_STORE_LIMIT',
      )
      expectEqual(textOf(await refs.read('a')), 'one', 'the document')
    },
  },
  {
    name: 'an aborted signal stops every operation',
    run: async (refs) => {
      const signal = AbortSignal.abort({ why: 'enough' })
      await expectReason(
        refs.update('a', () => utf8('one'), { signal }),
        signal.reason,
      )
      await expectReason(refs.read('a', { signal }), signal.reason)
      await expectReason(refs.list('', { signal }), signal.reason)
      expectEqual(await refs.read('a'), undefined, 'the document')
    },
  },
  {
    name: 'names outside the alphabet are refused',
    run: async (refs) => {
      for (const name of [
        '',
        '/',
        '/a',
        'a/',
        'a//b',
        '.',
        'a/..',
        '../a',
        'a~b',
        'a+lock',
        'ä',
        'x'.repeat(201),
      ]) {
        await expectCode(refs.read(name), 'ERR_CACHE_STORE_NAME')
        await expectCode(refs.update(name, increment), 'ERR_CACHE_STORE_NAME')
      }
    },
  },
]

function increment(old: Uint8Array | undefined): Uint8Array {
  return utf8(String(Number(textOf(old) ?? '0') + 1))
}
