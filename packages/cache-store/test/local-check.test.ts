import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  chmodSync,
  lstatSync,
} from 'node:fs'
import { join } from 'node:path'
import { bytesSource, describe, type Digest, digestOf, hexOf } from '@varve/digest'
import t, { type Test } from 'tap'
import { type ActionRecord, createMemoryStore, type Trust } from '../src/index.ts'
import { type CheckEvent, createLocalStore, type LocalStore } from '../src/local.ts'
import { createSharedSecret } from '../src/signing.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const nothing = { count: 0, names: [] }

t.test('18: a check of a store that is right finds nothing and changes nothing', async (t) => {
  const { store, directory } = await open(t)
  const key = await record(store, 'key', [await put(store, 'one'), digestOf(new Uint8Array())])
  await store.blobs.put(digestOf(utf8('two'), 'sha512'), bytesSource(utf8('two')))
  await store.refs.update('a', () => utf8('one'))
  await store.pins.pin('a', [key])
  for (const name of readdirSync(join(directory, 'blobs/sha256')))
    utimesSync(join(directory, 'blobs/sha256', name), 1, 1)
  const before = snapshot(directory)
  const events: CheckEvent[] = []
  const report = await store.check({ onProgress: (event) => void events.push(event) })
  t.strictSame(report, {
    checked: { blobs: { count: 3, bytes: 3 * 4096 }, records: { count: 1, bytes: 4096 }, refs: 1, pins: 1 },
    damaged: nothing,
    repaired: nothing,
    undecodable: nothing,
    untrusted: nothing,
    dangling: nothing,
    refs: nothing,
    pins: nothing,
  })
  t.strictSame(snapshot(directory), before, 'not even the time of a use')
  t.strictSame(
    events.map(({ kind, count }) => [kind, count]),
    [
      ['blobs', 1],
      ['blobs', 2],
      ['blobs', 3],
      ['records', 1],
    ],
  )
})

t.test('18: damaged blobs go to quarantine, and come back from where they are whole', async (t) => {
  const damages: ReadonlyArray<readonly [what: string, damage: (path: string) => void]> = [
    ['flipped', (path) => overwrite(path, utf8('blob X'))],
    ['truncated', (path) => overwrite(path, utf8('blo'))],
    ['extended', (path) => overwrite(path, utf8('blob 1 and more'))],
    ['emptied', (path) => overwrite(path, utf8(''))],
    ['a link', (path) => (rmSync(path), symlinkSync('/etc/hostname', path))],
    ['a directory', (path) => (rmSync(path), mkdirSync(path))],
  ]
  for (const [what, damage] of damages) {
    await t.test(what, async (t) => {
      const { store, directory } = await open(t)
      const [blob, other] = [await put(store, 'blob 1'), await put(store, 'other')]
      const key = await record(store, 'key', [blob])
      damage(pathOf(directory, blob))
      const remote = createMemoryStore()
      await remote.blobs.put(blob, bytesSource(utf8('blob 1')))
      const report = await store.check({ repairFrom: remote.blobs })
      t.strictSame(
        [report.damaged, report.repaired],
        [
          { count: 1, names: [blob] },
          { count: 1, names: [blob] },
        ],
      )
      t.equal(readdirSync(join(directory, 'quarantine')).length, 1)
      t.strictSame(readFileSync(pathOf(directory, blob), 'utf8'), 'blob 1')
      t.ok(await store.actions.get(key, ['main']))

      damage(pathOf(directory, blob))
      const alone = await store.check()
      t.strictSame([alone.damaged.count, alone.repaired.count], [1, 0])
      t.strictSame(alone.dangling, { count: 1, names: [`main/${key}`] }, 'its record is of no use any more')
      t.equal(await store.actions.get(key, ['main']), undefined)
      t.strictSame((await store.check()).damaged, nothing)
      t.equal((await store.blobs.missing([other])).size, 0)
    })
  }
})

t.test('R29: what is wrong elsewhere, too, repairs nothing', async (t) => {
  const { store, directory } = await open(t)
  const blobs = [await put(store, '1'), await put(store, '2'), await put(store, '3')]
  for (const blob of blobs) overwrite(pathOf(directory, blob), utf8('X'))
  const wrong = bytesSource(utf8('Y'))
  const report = await store.check({
    repairFrom: {
      get: async (digest) => {
        if (digest === blobs[0]) return undefined
        if (digest === blobs[1]) throw new Error('The other store is ill')
        return wrong
      },
    },
  })
  t.strictSame([report.damaged.count, report.repaired.count], [3, 0])
  t.equal((await store.blobs.missing(blobs)).size, 3)
})

t.test('records that are damaged, misplaced, not trusted or dangling are removed', async (t) => {
  const secret = createSharedSecret(new Uint8Array(32).fill(1))
  const trust = { signer: secret, verifier: secret }
  const { store, directory } = await open(t, trust)
  const unsigned = await createLocalStore({ directory, durability: 'rename' })
  const [whole, damaged, moved, untrusted, dangling] = [
    await record(store, 'whole', []),
    await record(store, 'damaged', []),
    await record(store, 'moved', []),
    await record(unsigned, 'untrusted', []),
    await record(store, 'dangling', [digestOf(utf8('absent'))]),
  ]
  const file = (key: Digest, scope = 'main'): string =>
    join(directory, 'ac', scope, hexOf(key).slice(0, 2), hexOf(key))
  overwrite(file(damaged), readFileSync(file(damaged)).subarray(1))
  mkdirSync(join(directory, 'ac', 'other', hexOf(moved).slice(0, 2)), { recursive: true })
  writeFileSync(file(moved, 'other'), readFileSync(file(moved)))

  t.strictSame((await unsigned.check()).untrusted, nothing, 'trust is a matter of who opens the store')
  await record(store, 'dangling', [digestOf(utf8('absent'))])
  overwrite(file(whole), readFileSync(file(whole)))
  writeFileSync(file(damaged), 'damaged again')
  writeFileSync(file(moved, 'other'), readFileSync(file(moved)))
  const report = await store.check()
  t.strictSame(report.undecodable.names.toSorted(), [`main/${damaged}`, `other/${moved}`].toSorted())
  t.strictSame(report.untrusted, { count: 1, names: [`main/${untrusted}`] })
  t.strictSame(report.dangling, { count: 1, names: [`main/${dangling}`] })
  for (const key of [damaged, untrusted, dangling])
    t.equal(await unsigned.actions.get(key, ['main', 'other']), undefined)
  for (const key of [whole, moved]) t.ok(await store.actions.get(key, ['main']))
  const again = await store.check()
  t.strictSame([again.undecodable, again.untrusted, again.dangling], [nothing, nothing, nothing])
})

t.test('damaged refs and pins are put away; a ref that somebody is changing is not', async (t) => {
  const { store, directory } = await open(t)
  for (const name of ['a', 'b/c']) {
    await store.refs.update(name, () => utf8('one'))
    await store.pins.pin(name, [])
  }
  for (const file of ['refs/a', 'refs/b~c', 'pins/b~c.json']) writeFileSync(join(directory, file), 'x')
  writeFileSync(join(directory, 'refs', 'a+lock'), 'somebody')
  const report = await store.check()
  t.strictSame(
    [report.refs, report.pins],
    [
      { count: 1, names: ['b/c'] },
      { count: 1, names: ['b/c'] },
    ],
  )
  t.strictSame(report.checked, {
    blobs: { count: 0, bytes: 0 },
    records: { count: 0, bytes: 0 },
    refs: 2,
    pins: 2,
  })
  t.equal(readdirSync(join(directory, 'quarantine')).length, 2)
  t.strictSame(await store.refs.list(''), ['a'])
  t.strictSame(await store.pins.list(), [{ name: 'a', roots: [] }])
})

t.test('a store opened for reading is checked, and not changed', async (t) => {
  const { store, directory } = await open(t)
  const blob = await put(store, 'blob')
  await record(store, 'key', [digestOf(utf8('absent'))])
  await store.refs.update('a', () => utf8('one'))
  await store.pins.pin('a', [])
  overwrite(pathOf(directory, blob), utf8('X'))
  for (const file of ['refs/a', 'pins/a.json']) writeFileSync(join(directory, file), 'x')
  const before = snapshot(directory)
  const reader = await createLocalStore({ directory, readOnly: true })
  const report = await reader.check({ repairFrom: createMemoryStore().blobs })
  t.strictSame(
    [report.damaged.count, report.repaired.count, report.dangling.count, report.pins.count],
    [1, 0, 1, 1],
  )
  t.strictSame(snapshot(directory), before)
})

t.test('a check can be stopped, and names no more than a hundred', async (t) => {
  const { store, directory } = await open(t)
  for (let number = 0; number < 120; number += 1) {
    const blob = await put(store, `${number}`)
    overwrite(pathOf(directory, blob), utf8('X'))
  }
  const controller = new AbortController()
  const reason = new Error('enough')
  const stopped = store.check({
    signal: controller.signal,
    onProgress: ({ count }) => count === 10 && controller.abort(reason),
  })
  await t.rejects(stopped, reason)
  t.equal(readdirSync(join(directory, 'quarantine')).length, 10)
  const { damaged } = await store.check()
  t.strictSame([damaged.count, damaged.names.length], [110, 100])
})

async function open(
  t: Test,
  trust: Trust = {},
): Promise<{ readonly store: LocalStore; readonly directory: string }> {
  const directory = t.testdir()
  return { store: await createLocalStore({ directory, durability: 'rename', trust }), directory }
}

async function put(store: LocalStore, content: string): Promise<Digest> {
  const digest = digestOf(utf8(content))
  await store.blobs.put(digest, bytesSource(utf8(content)))
  return digest
}

async function record(store: LocalStore, content: string, outputs: readonly Digest[]): Promise<Digest> {
  const key = await put(store, content)
  const entry: ActionRecord = {
    kv: 1,
    key,
    keyDoc: key,
    outputs: outputs.map((digest) => ({ ...describe('application/octet-stream', utf8('')), digest })),
    diffIDs: [],
    createdAt: '2026-01-01T00:00:00Z',
    durationMs: 0,
    builder: 'test',
  }
  await store.actions.put(entry, { scope: 'main' })
  return key
}

function pathOf(directory: string, digest: Digest): string {
  return join(directory, 'blobs', 'sha256', hexOf(digest))
}

/** In place, as a disk or a person would do it. */
function overwrite(path: string, bytes: Uint8Array): void {
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
}

function snapshot(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => `${name} ${lstatSync(join(directory, name)).mtimeMs}`)
    .toSorted()
}
