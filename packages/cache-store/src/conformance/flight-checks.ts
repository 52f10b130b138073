/**
 * The contract of a {@link FlightTable}.
 *
 * @module
 */
import type { FlightTable } from '../flight-table.ts'
import { pause } from '../pause.ts'
import {
  type ConformanceCheck,
  expect,
  expectCode,
  expectEqual,
  expectReason,
  textOf,
  utf8,
} from './check.ts'

const CONTENDERS = 16
const LIMIT = 4096

/** More than any entry can be old that was written just now, however slow the computer. */
const SOON_MS = 120_000

/** Every check of a flight table. Entries of one name always differ in their bytes, as those of leaders do. */
export const FLIGHT_TABLE_CHECKS: readonly ConformanceCheck<FlightTable>[] = [
  {
    name: 'a name that was never written is nothing, and cannot be replaced or removed',
    run: async (table) => {
      expectEqual(await table.read('main/a'), undefined, 'the entry')
      expectEqual(await table.replace('main/a', 'tag', utf8('one')), undefined, 'the tag of a replacement')
      expectEqual(await table.remove('main/a', 'tag'), false, 'whether it was removed')
      expectEqual(await table.read('main/a'), undefined, 'the entry afterwards')
    },
  },
  {
    name: 'an entry is created once, and found with its tag and its age',
    run: async (table) => {
      const tag = await table.create('main/a', utf8('one'))
      expect(typeof tag === 'string' && tag !== '', 'a tag')
      expectEqual(await table.create('main/a', utf8('two')), undefined, 'the tag of a second creation')
      const entry = await table.read('main/a')
      expectEqual(textOf(entry?.bytes), 'one', 'the bytes')
      expectEqual(entry?.tag, tag, 'the tag')
      expect(entry !== undefined && entry.ageMs >= 0 && entry.ageMs < SOON_MS, 'an age that is none yet')
    },
  },
  {
    name: 'a replacement needs the tag, and gives another one',
    run: async (table) => {
      const first = (await table.create('main/a', utf8('one')))!
      const second = await table.replace('main/a', first, utf8('two'))
      expect(second !== undefined && second !== first, 'a new tag')
      expectEqual(await table.replace('main/a', first, utf8('three')), undefined, 'what the old tag gives')
      expectEqual(await table.remove('main/a', first), false, 'whether the old tag removes')
      const entry = await table.read('main/a')
      expectEqual(textOf(entry?.bytes), 'two', 'the bytes')
      expectEqual(entry?.tag, second, 'the tag')
      expect((await table.replace('main/a', second, utf8('four'))) !== undefined, 'the new tag to do')
    },
  },
  {
    name: 'a removal needs the tag, and frees the name',
    run: async (table) => {
      const first = (await table.create('main/a', utf8('one')))!
      expectEqual(await table.remove('main/a', `${first}x`), false, 'whether a wrong tag removes')
      expectEqual(await table.remove('main/a', first), true, 'whether the tag removes')
      expectEqual(await table.read('main/a'), undefined, 'the entry')
      expectEqual(await table.remove('main/a', first), false, 'whether it can be removed again')
      const second = await table.create('main/a', utf8('two'))
      expect(second !== undefined && second !== first, 'another tag for a new entry')
      expectEqual(await table.replace('main/a', first, utf8('three')), undefined, 'what the old tag gives')
      expectEqual(textOf((await table.read('main/a'))?.bytes), 'two', 'the bytes')
    },
  },
  {
    name: 'of many who create an entry at once, one does',
    run: async (table) => {
      const tags = await contend((number) => table.create('main/a', utf8(`by ${number}`)))
      const winners = tags.flatMap((tag, number) => (tag === undefined ? [] : [number]))
      expectEqual(winners.length, 1, 'the number of winners')
      const entry = await table.read('main/a')
      expectEqual(textOf(entry?.bytes), `by ${winners[0]}`, 'the bytes')
      expectEqual(entry?.tag, tags[winners[0]!], 'the tag')
    },
  },
  {
    name: 'of many who replace an entry at once, one does',
    run: async (table) => {
      const first = (await table.create('main/a', utf8('one')))!
      const tags = await contend((number) => table.replace('main/a', first, utf8(`by ${number}`)))
      const winners = tags.flatMap((tag, number) => (tag === undefined ? [] : [number]))
      expectEqual(winners.length, 1, 'the number of winners')
      const entry = await table.read('main/a')
      expectEqual(textOf(entry?.bytes), `by ${winners[0]}`, 'the bytes')
      expectEqual(entry?.tag, tags[winners[0]!], 'the tag')
    },
  },
  {
    name: 'of many who remove an entry at once somebody does, and the name is free',
    run: async (table) => {
      const first = (await table.create('main/a', utf8('one')))!
      const removed = await contend(() => table.remove('main/a', first))
      expect(removed.includes(true), 'somebody to have removed it')
      expect((await table.create('main/a', utf8('two'))) !== undefined, 'the name to be free')
    },
  },
  {
    name: 'an entry grows older, and is young again when it is replaced',
    run: async (table) => {
      const first = (await table.create('main/a', utf8('one')))!
      let age = 0
      // Some stores count whole seconds.
      while (age < 1_500) {
        await pause(100)
        age = (await table.read('main/a'))!.ageMs
      }
      await table.replace('main/a', first, utf8('two'))
      const after = (await table.read('main/a'))!.ageMs
      expect(after < age, `${after} ms after a replacement to be less than ${age} ms before it`)
    },
  },
  {
    name: 'bytes of any kind come back, up to 4 KiB, and nobody else holds them',
    run: async (table) => {
      for (const [number, bytes] of [utf8('one'), utf8('\n\0\n'), new Uint8Array(LIMIT).fill(7)].entries()) {
        const written = bytes.slice()
        await table.create(`main/${number}`, written)
        written.fill(0)
        ;(await table.read(`main/${number}`))?.bytes.fill(1)
        const entry = await table.read(`main/${number}`)
        expectEqual([...(entry?.bytes ?? [])], [...bytes], 'the bytes')
      }
    },
  },
  {
    name: 'more than 4 KiB is refused, and nothing changes',
    run: async (table) => {
      const large = new Uint8Array(LIMIT + 1)
      await expectCode(table.create('main/a', large), 'ERR_CACHE_STORE_LIMIT')
      expectEqual(await table.read('main/a'), undefined, 'the entry')
      const tag = (await table.create('main/a', utf8('one')))!
      await expectCode(table.replace('main/a', tag, large), 'ERR_CACHE_STORE_LIMIT')
      expectEqual(textOf((await table.read('main/a'))?.bytes), 'one', 'the bytes')
    },
  },
  {
    name: 'names are kept apart',
    run: async (table) => {
      const names = ['a', 'a/b', 'a/b/c', 'a-b', 'a.b', 'a_b', 'B', 'main/a', 'pr-1/a', 'a.lock']
      for (const name of names) {
        expect((await table.create(name, utf8(name))) !== undefined, `the name ${name} to be free`)
      }
      for (const name of names) expectEqual(textOf((await table.read(name))?.bytes), name, 'the bytes')
    },
  },
  {
    name: 'names outside the alphabet are refused',
    run: async (table) => {
      for (const name of ['', '/', '/a', 'a/', 'a//b', '.', 'a/..', '../a', 'a~b', 'a+lock', 'ä', 'a\0']) {
        await expectCode(table.create(name, utf8('one')), 'ERR_CACHE_STORE_NAME')
        await expectCode(table.read(name), 'ERR_CACHE_STORE_NAME')
        await expectCode(table.replace(name, 'tag', utf8('one')), 'ERR_CACHE_STORE_NAME')
        await expectCode(table.remove(name, 'tag'), 'ERR_CACHE_STORE_NAME')
      }
    },
  },
  {
    name: 'an aborted signal stops every operation',
    run: async (table) => {
      const tag = (await table.create('main/a', utf8('one')))!
      const options = { signal: AbortSignal.abort({ why: 'enough' }) }
      const { reason } = options.signal
      await expectReason(table.create('main/b', utf8('two'), options), reason)
      await expectReason(table.read('main/a', options), reason)
      await expectReason(table.replace('main/a', tag, utf8('two'), options), reason)
      await expectReason(table.remove('main/a', tag, options), reason)
      expectEqual(await table.read('main/b'), undefined, 'what was not created')
      expectEqual(textOf((await table.read('main/a'))?.bytes), 'one', 'what was not changed')
    },
  },
]

function contend<Result>(attempt: (number: number) => Promise<Result>): Promise<Result[]> {
  return Promise.all(Array.from({ length: CONTENDERS }, (_, number) => attempt(number)))
}
