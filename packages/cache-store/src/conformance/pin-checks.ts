/**
 * The contract of {@link Pins}, as far as it can be told without a collection.
 *
 * @module
 */
import { type Digest, digestOf } from '@varve/digest'
import type { Pins } from '../pins.ts'
import { type ConformanceCheck, expectCode, expectEqual, expectReason, utf8 } from './check.ts'

const [ONE, TWO] = [digestOf(utf8('one')), digestOf(utf8('two'), 'sha512')]

/** Every check of pins and leases. */
export const PIN_CHECKS: readonly ConformanceCheck<Pins>[] = [
  {
    name: 'a store has no pins at first',
    run: async (pins) => {
      expectEqual(await pins.list(), [], 'the pins')
      expectEqual(await pins.unpin('a'), false, 'whether there was a pin')
    },
  },
  {
    name: 'pins are listed by name with their roots, which need not be there',
    run: async (pins) => {
      const names = ['b', 'a', 'a/b', 'a-b', 'B', 'a.b', 'a_b', 'x.json', 'x.lock']
      for (const name of names) await pins.pin(name, [ONE, TWO])
      await pins.pin('none', [])
      const wanted = [...names, 'none'].toSorted()
      const found = await pins.list()
      expectEqual(
        found.map((pin) => pin.name),
        wanted,
        'the names',
      )
      for (const { name, roots } of found) expectEqual(roots, name === 'none' ? [] : [ONE, TWO], 'the roots')
    },
  },
  {
    name: 'a pin of the same name replaces the one before',
    run: async (pins) => {
      await pins.pin('a', [ONE])
      await pins.pin('a', [TWO])
      expectEqual(await pins.list(), [{ name: 'a', roots: [TWO] }], 'the pins')
    },
  },
  {
    name: 'unpin takes away one pin, and tells whether there was one',
    run: async (pins) => {
      await pins.pin('a', [ONE])
      await pins.pin('b', [ONE])
      expectEqual(await pins.unpin('a'), true, 'whether there was a pin')
      expectEqual(await pins.unpin('a'), false, 'whether there was one still')
      expectEqual(await pins.list(), [{ name: 'b', roots: [ONE] }], 'the pins')
    },
  },
  {
    name: 'leases are many, and end once or more often',
    run: async (pins) => {
      const [first, second] = [await pins.lease(), await pins.lease({ ttlMs: 50 })]
      await first.release()
      await first.release()
      await second[Symbol.asyncDispose]()
      await second.release()
      expectEqual(await pins.list(), [], 'the pins, which leases are not')
    },
  },
  {
    name: 'names outside the alphabet are refused',
    run: async (pins) => {
      for (const name of ['', '/', '/a', 'a/', 'a//b', '.', 'a/..', '../a', 'a~b', 'ä', 'x'.repeat(201)]) {
        await expectCode(pins.pin(name, [ONE]), 'ERR_CACHE_STORE_NAME')
        await expectCode(pins.unpin(name), 'ERR_CACHE_STORE_NAME')
      }
    },
  },
  {
    name: 'what is no digest cannot be a root, and what is no time no life',
    run: async (pins) => {
      for (const root of ['', 'sha256:', `sha256:${'A'.repeat(64)}`, `md5:${'0'.repeat(32)}`]) {
        await expectTypeError(pins.pin('a', [root as Digest]))
      }
      for (const ttlMs of [0, -1, Number.NaN]) await expectTypeError(pins.lease({ ttlMs }))
      expectEqual(await pins.list(), [], 'the pins')
    },
  },
  {
    name: 'an aborted signal stops every operation',
    run: async (pins) => {
      await pins.pin('a', [ONE])
      const options = { signal: AbortSignal.abort({ why: 'enough' }) }
      const { reason } = options.signal
      await expectReason(pins.pin('b', [ONE], options), reason)
      await expectReason(pins.unpin('a', options), reason)
      await expectReason(pins.list(options), reason)
      await expectReason(pins.lease(options), reason)
      expectEqual(await pins.list(), [{ name: 'a', roots: [ONE] }], 'the pins')
    },
  },
]

async function expectTypeError(promise: Promise<unknown>): Promise<void> {
  const name = await promise.then(
    () => 'nothing',
    (error: unknown) => (error instanceof Error ? error.constructor.name : String(error)),
  )
  expectEqual(name, 'TypeError', 'what is thrown')
}
