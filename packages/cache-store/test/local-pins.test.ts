import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf } from '@varve/digest'
import t, { type Test } from 'tap'
import { FLIGHT_TABLE_CHECKS, PIN_CHECKS } from '../src/conformance.ts'
import { createFlight } from '../src/index.ts'
import { createLocalStore, type LocalStore } from '../src/local.ts'
import { createLocalFlights } from '../src/local/flights.ts'
import { createPlace } from '../src/local/place.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes)
const ROOT = digestOf(utf8('root'))

for (const check of PIN_CHECKS) {
  t.test(`pins: ${check.name}`, async (t) => check.run((await open(t)).store.pins))
}

for (const check of FLIGHT_TABLE_CHECKS) {
  t.test(`flights: ${check.name}`, async (t) => {
    const { store, directory } = await open(t)
    await check.run(store.flights)
    t.strictSame(readdirSync(join(directory, 'ingest')), [], 'no temporary file is left')
    t.strictSame(
      readdirSync(join(directory, 'flight')).filter((name) => name.endsWith('+lock')),
      [],
      'no lock is left',
    )
  })
}

t.test('a damaged pin is no pin, and can be made anew', async (t) => {
  const { store, directory } = await open(t)
  await store.pins.pin('a', [ROOT])
  const path = join(directory, 'pins', 'a.json')
  const whole = readFileSync(path, 'utf8')
  for (const damage of [
    '',
    '\0'.repeat(whole.length),
    whole.slice(0, -2),
    `${whole}x`,
    whole.replace('a', 'b'),
  ]) {
    writeFileSync(path, damage)
    t.strictSame(await store.pins.list(), [])
    await store.pins.pin('a', [ROOT])
    t.strictSame(await store.pins.list(), [{ name: 'a', roots: [ROOT] }])
  }
  rmSync(path)
  symlinkSync(join(directory, 'elsewhere'), path)
  t.strictSame(await store.pins.list(), [])
  await store.pins.pin('a', [ROOT])
  t.strictSame(await store.pins.list(), [{ name: 'a', roots: [ROOT] }])
  t.notOk(readdirSync(directory).includes('elsewhere'), 'the link led nowhere')
  writeFileSync(join(directory, 'pins', 'a b.json'), whole)
  writeFileSync(join(directory, 'pins', 'notes'), whole)
  t.equal((await store.pins.list()).length, 1, 'what is not of the store is no pin')
})

t.test('a pin has its limit', async (t) => {
  const { store } = await open(t)
  const roots = Array.from({ length: 60_000 }, () => ROOT)
  await t.rejects(store.pins.pin('a', roots), { code: 'ERR_CACHE_STORE_LIMIT' })
  t.strictSame(await store.pins.list(), [])
})

t.test('a mark that is damaged, or no mark at all, does not keep its name', async (t) => {
  const { store, directory } = await open(t)
  const path = join(directory, 'flight', 'main~a')
  for (const damage of ['', '\0\0\0', '{"state":"build', 'x'.repeat(4000)]) {
    writeFileSync(path, damage)
    const entry = (await store.flights.read('main/a'))!
    t.ok(entry, 'it is there')
    t.equal(await store.flights.create('main/a', utf8('one')), undefined)
    t.ok(await store.flights.replace('main/a', entry.tag, utf8('two')), 'and can be replaced')
    t.equal(text((await store.flights.read('main/a'))?.bytes), 'two')
    rmSync(path)
  }
  const intruders: Record<string, () => void> = {
    'a directory': () => mkdirSync(path),
    'a link': () => symlinkSync(join(directory, 'store.json'), path),
    'a pipe': () => execFileSync('mkfifo', [path]),
    'something large': () => writeFileSync(path, new Uint8Array(100_000)),
  }
  for (const [what, intrude] of Object.entries(intruders)) {
    intrude()
    t.equal(await store.flights.read('main/a'), undefined, what)
    const tag = (await store.flights.create('main/a', utf8('one')))!
    t.equal(text((await store.flights.read('main/a'))?.bytes), 'one')
    t.equal(await store.flights.remove('main/a', tag), true)
  }
  t.equal(readFileSync(join(directory, 'store.json'), 'utf8'), '{"format":1}\n')
  t.equal(readdirSync(join(directory, 'quarantine')).length, 4)
})

t.test('the lock of a mark is waited for, not for ever, and taken over if nobody holds it', async (t) => {
  const { store, directory } = await open(t)
  const impatient = createLocalFlights(createPlace(directory, { durable: false, readOnly: false }), 50)
  const tag = (await store.flights.create('a', utf8('one')))!
  const lock = join(directory, 'flight', 'a+lock')
  writeFileSync(lock, 'somebody')
  await t.rejects(impatient.replace('a', tag, utf8('two')), { code: 'ERR_CACHE_STORE_BUSY', path: lock })
  await t.rejects(impatient.remove('a', tag), { code: 'ERR_CACHE_STORE_BUSY' })
  t.equal(text((await store.flights.read('a'))?.bytes), 'one')
  const reason = new Error('enough')
  const controller = new AbortController()
  setTimeout(() => controller.abort(reason), 20)
  await t.rejects(store.flights.remove('a', tag, { signal: controller.signal }), reason)
  for (const seconds of [Date.now() / 1000 - 60, Date.now() / 1000 + 600]) {
    writeFileSync(lock, 'somebody')
    utimesSync(lock, seconds, seconds)
    const { tag: current } = (await store.flights.read('a'))!
    t.ok(await store.flights.replace('a', current, utf8(`${seconds}`)))
  }
})

t.test('a mark from the future is as old as one from the past', async (t) => {
  const { store, directory } = await open(t)
  await store.flights.create('a', utf8('one'))
  const time = Date.now() / 1000 + 3600
  utimesSync(join(directory, 'flight', 'a'), time, time)
  t.ok((await store.flights.read('a'))!.ageMs > 3_000_000)
})

t.test('12: of many flights of one key over the files of a store one builds', async (t) => {
  const { store, directory } = await open(t)
  const others = await Promise.all([1, 2, 3].map(() => createLocalStore({ directory, durability: 'rename' })))
  let [built, known] = [0, '']
  const results = await Promise.all(
    [store, ...others].map(({ flights }) =>
      createFlight(flights, { pollMs: [5, 20] }).run({
        key: ROOT,
        scope: 'main',
        find: async () => known || undefined,
        build: async () => {
          built += 1
          await new Promise((resolve) => setTimeout(resolve, 50))
          return (known = 'made')
        },
      }),
    ),
  )
  t.equal(built, 1)
  t.strictSame(
    results.map(({ value }) => value),
    ['made', 'made', 'made', 'made'],
  )
  t.strictSame(readdirSync(join(directory, 'flight')), [])
})

t.test('a store opened for reading has marks that can be read', async (t) => {
  const { store, directory } = await open(t)
  const tag = (await store.flights.create('a', utf8('one')))!
  const { flights } = await createLocalStore({ directory, readOnly: true })
  t.equal(text((await flights.read('a'))?.bytes), 'one')
  const refused = { code: 'ERR_CACHE_STORE_UNWRITABLE' }
  await t.rejects(flights.create('b', utf8('two')), refused)
  await t.rejects(flights.replace('a', tag, utf8('two')), refused)
  await t.rejects(flights.remove('a', tag), refused)
})

async function open(t: Test): Promise<{ readonly store: LocalStore; readonly directory: string }> {
  const directory = t.testdir()
  return { store: await createLocalStore({ directory, durability: 'rename' }), directory }
}
