import { execFileSync } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesSource, digestOf, hexOf, readAll } from '@varve/digest'
import t, { type Test } from 'tap'
import { type ActionRecord, createSteps } from '../src/index.ts'
import { createLocalStore } from '../src/local.ts'
import { tryLock } from '../src/local/lock.ts'
import { createPlace, type Place } from '../src/local/place.ts'
import { createLocalRefs } from '../src/local/refs.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes)
const KEY = digestOf(utf8('the key document'))
const RECORD: ActionRecord = {
  kv: 1,
  key: KEY,
  keyDoc: KEY,
  outputs: [],
  diffIDs: [],
  createdAt: '2026-01-01T00:00:00Z',
  durationMs: 0,
  builder: 'test',
}

t.test('a store that may not be written says so, with the path and the cause', async (t) => {
  const directory = t.testdir({ file: 'a file', closed: {} })
  await t.rejects(createLocalStore({ directory: join(directory, 'file', 'store') }), {
    name: 'CacheStoreError',
    code: 'ERR_CACHE_STORE_UNWRITABLE',
    path: join(directory, 'file', 'store'),
    cause: { code: 'ENOTDIR' },
  })

  const closed = join(directory, 'closed')
  chmodSync(closed, 0o555)
  await asNobody(t, () =>
    t.rejects(createLocalStore({ directory: closed }), {
      code: 'ERR_CACHE_STORE_UNWRITABLE',
      path: join(closed, 'ingest'),
      cause: { code: 'EACCES' },
    }),
  )
  t.strictSame(readdirSync(closed), [])
})

t.test('a store that others own can be read, and its writes fail with a type', async (t) => {
  const directory = t.testdir()
  const { blobs } = await createLocalStore({ directory })
  const known = digestOf(utf8('known'))
  await blobs.put(known, bytesSource(utf8('known')))
  utimesSync((await blobs.file(known))!, 1, 1)
  for (const name of ['', 'ingest', 'blobs/sha256', 'ac', 'refs']) chmodSync(join(directory, name), 0o555)
  const secret = join(directory, 'blobs/sha256', hexOf(KEY))
  writeFileSync(secret, 'the key document')
  chmodSync(secret, 0)

  await asNobody(t, async () => {
    const store = await createLocalStore({ directory, readOnly: true })
    t.equal(text(await readAll((await store.blobs.get(known))!.open(), 100)), 'known')
    const unreadable = (await store.blobs.get(KEY))!
    await t.rejects(readAll(unreadable.open(), 100), { code: 'ERR_CACHE_STORE_UNREADABLE', path: secret })
    const refused = { code: 'ERR_CACHE_STORE_UNWRITABLE', cause: { code: 'EACCES' } }
    const writable = await createLocalStore({ directory })
    await t.rejects(writable.blobs.put(digestOf(utf8('new')), bytesSource(utf8('new'))), refused)
    await t.rejects(writable.actions.put(RECORD, { scope: 'main' }), refused)
    await t.rejects(writable.blobs.ingest('upload'), refused)
    await t.rejects(writable.blobs.delete(known), refused)
  })
  for (const name of ['', 'ingest', 'blobs/sha256', 'ac', 'refs']) chmodSync(join(directory, name), 0o755)
})

t.test('when the store goes away, writes fail with a type and reads miss', async (t) => {
  const directory = t.testdir({ store: {} })
  const { blobs, actions, refs } = await createLocalStore({ directory: join(directory, 'store') })
  const ingest = await blobs.ingest('upload')
  rmSync(join(directory, 'store'), { recursive: true })
  const refused = { code: 'ERR_CACHE_STORE_UNWRITABLE', cause: { code: 'ENOENT' } }
  await t.rejects(blobs.put(KEY, bytesSource(utf8('the key document'))), refused)
  const large = new Uint8Array(1_000_000)
  await t.rejects(blobs.put(digestOf(large), bytesSource(large)), refused)
  await t.rejects(actions.put(RECORD, { scope: 'main' }), refused)
  await t.rejects(
    refs.update('a', () => utf8('one')),
    refused,
  )
  await t.rejects(ingest.write(large), { code: 'ERR_CACHE_STORE_BUSY' })
  await t.rejects(blobs.ingest('other'), { code: 'ERR_CACHE_STORE_UNREADABLE' })
  t.equal(await blobs.get(KEY), undefined)
  t.equal(await actions.get(KEY, ['main']), undefined)
  t.equal(await refs.read('a'), undefined)
})

const full = smallFileSystem()
t.test('a full disk skips the put, leaves nothing behind, and the store stays usable', full, async (t) => {
  const directory = join(t.testdir({ disk: {} }), 'disk')
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory])
  try {
    await useUp(t, directory)
  } finally {
    execFileSync('umount', [directory])
  }
})

async function useUp(t: Test, directory: string): Promise<void> {
  const { blobs, actions, refs } = await createLocalStore({ directory: join(directory, 'store') })
  const ingests = join(directory, 'store', 'ingest')

  for (const size of [2_000_000, 20_000_000]) {
    const large = new Uint8Array(size).fill(1)
    t.equal(await blobs.put(digestOf(large), bytesSource(large)), 'skipped')
    t.equal((await blobs.missing([digestOf(large)])).size, 1)
  }
  t.strictSame(readdirSync(ingests), [])

  const upload = await blobs.ingest('upload')
  await upload.write(utf8('kept '))
  await t.rejects(upload.write(new Uint8Array(2_000_000)), {
    code: 'ERR_CACHE_STORE_FULL',
    cause: { code: 'ENOSPC' },
  })
  t.equal(upload.offset, 5)

  // Fills what is left with small blobs, down to the last one that fits.
  const outcomes = new Map<string, number>()
  const small = Array.from({ length: 300 }, (_, number) => utf8(`${number}`.padEnd(9000)))
  for (const bytes of small) {
    const outcome = await blobs.put(digestOf(bytes), bytesSource(bytes))
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  t.strictSame([...outcomes.keys()], ['stored', 'skipped'])
  t.equal((await blobs.missing(small.map((bytes) => digestOf(bytes)))).size, outcomes.get('skipped'))
  fill(join(directory, 'filler'))
  t.equal(await actions.put(RECORD, { scope: 'main' }), 'skipped')
  const steps = createSteps({ store: { blobs, actions, refs }, builder: 'test/1', project: 'full' })
  const made = { outputs: RECORD.outputs, durationMs: 1 }
  const document = { kv: 1, kind: 'run', step: 'make', fields: {} } as const
  t.match(
    await steps.run({ document }, async () => made),
    { how: 'built', recorded: 'skipped' },
    'work goes on',
  )
  await t.rejects(
    refs.update('a', () => utf8('one')),
    { code: 'ERR_CACHE_STORE_FULL' },
  )
  t.equal(readdirSync(ingests).length, 1, 'only the resumable ingest is there')

  rmSync(join(directory, 'filler'))
  for (const bytes of small.slice(0, 10)) t.equal(await blobs.delete(digestOf(bytes)), true)
  await upload.write(utf8('and finished'))
  const { digest } = await upload.commit()
  t.equal(text(await readAll((await blobs.get(digest))!.open(), 100)), 'kept and finished')
  await refs.update('a', () => utf8('one'))
  await blobs.put(KEY, bytesSource(utf8('the key document')))
  t.equal(await actions.put(RECORD, { scope: 'main' }), 'created')
  t.strictSame(await actions.get(KEY, ['main']), RECORD)
}

t.test('48: a full disk is collected for, and only what is old goes', full, async (t) => {
  const directory = join(t.testdir({ disk: {} }), 'disk')
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory])
  try {
    await evict(t, directory)
  } finally {
    execFileSync('umount', [directory])
  }
})

async function evict(t: Test, directory: string): Promise<void> {
  const root = join(directory, 'store')
  const store = await createLocalStore({ directory: root })
  const { blobs, actions, refs, pins } = store
  const blob = (number: number): Uint8Array => utf8(`${number}`.padEnd(20_000))
  const nameOf = (number: number): string => hexOf(digestOf(blob(number)))
  const has = (number: number): boolean => readdirSync(join(root, 'blobs/sha256')).includes(nameOf(number))
  for (let number = 0; number < 30; number += 1) {
    t.equal(await blobs.put(digestOf(blob(number)), bytesSource(blob(number))), 'stored')
    if (number >= 20) continue
    const time = Date.now() / 1000 - (100 - number) * 3600
    utimesSync(join(root, 'blobs/sha256', nameOf(number)), time, time)
  }
  fill(join(directory, 'filler'))

  t.equal(await blobs.put(digestOf(blob(30)), bytesSource(blob(30))), 'stored')
  t.strictSame([has(0), has(19), has(20), has(30)], [false, true, true, true], 'the oldest made room')
  fill(join(directory, 'filler'))
  t.equal(await actions.put(RECORD, { scope: 'main' }), 'created')
  fill(join(directory, 'filler'))
  const upload = await blobs.ingest('upload')
  await upload.write(new Uint8Array(30_000))
  await upload.commit()
  fill(join(directory, 'filler'))
  await refs.update('a', () => utf8('one'))
  fill(join(directory, 'filler'))
  await pins.pin('a', [digestOf(blob(19))])
  fill(join(directory, 'filler'))
  await (await pins.lease()).release()

  const large = new Uint8Array(900_000)
  t.equal(await blobs.put(digestOf(large), bytesSource(large)), 'skipped', 'what is recent does not go')
  for (let number = 20; number <= 30; number += 1) t.ok(has(number), `${number} is there`)
  t.strictSame(readdirSync(join(root, 'ingest')), [])
  t.strictSame(readdirSync(join(root, 'trash')), [])
  t.notOk(readdirSync(root).includes('gc.lock'))
  t.equal((await store.usage()).leftovers.count, 0)
}

t.test('the lock of a dead process is taken over', async (t) => {
  const { place, lock } = await lockedRef(t, 'somebody')
  utimesSync(lock, Date.now() / 1000 - 60, Date.now() / 1000 - 60)
  await createLocalRefs(place).update('a', () => utf8('one'))
  t.equal(text(await createLocalRefs(place).read('a')), 'one')
  t.strictSame(readdirSync(join(place.root, 'refs')), ['a'])
  t.strictSame(readdirSync(join(place.root, 'ingest')), [])
})

t.test('the lock of a living process is waited for, not for ever, and left alone', async (t) => {
  const { place, lock } = await lockedRef(t, 'somebody')
  const updating = createLocalRefs(place, 100).update('a', () => utf8('one'))
  await t.rejects(updating, { name: 'CacheStoreError', code: 'ERR_CACHE_STORE_BUSY', path: lock })
  t.equal(readFileSync(lock, 'utf8'), 'somebody')

  const controller = new AbortController()
  const reason = new Error('enough')
  setTimeout(() => controller.abort(reason), 20)
  const { signal } = controller
  await t.rejects(
    createLocalRefs(place).update('a', () => utf8('one'), { signal }),
    reason,
  )

  setTimeout(() => rmSync(lock), 50)
  await createLocalRefs(place).update('a', () => utf8('one'))
  t.equal(text(await createLocalRefs(place).read('a')), 'one')
  t.strictSame(readdirSync(join(place.root, 'ingest')), [])
})

t.test('a lock that was taken over is not given back by its first owner', async (t) => {
  const { place, lock } = await lockedRef(t)
  const first = tryLock(place, lock)!
  t.equal(first.isHeld(), true)
  t.equal(tryLock(place, lock), undefined)
  utimesSync(lock, Date.now() / 1000 - 60, Date.now() / 1000 - 60)
  t.equal(tryLock(place, lock), undefined, 'the try that finds it stale only removes it')
  const second = tryLock(place, lock)!
  t.equal(first.isHeld(), false)
  first.release()
  t.equal(second.isHeld(), true)
  second.release()
  t.strictSame(readdirSync(join(place.root, 'refs')), [])
})

t.test('a link in place of a lock does not lead anywhere', async (t) => {
  const { place, lock } = await lockedRef(t)
  writeFileSync(join(place.root, 'elsewhere'), 'untouched')
  symlinkSync(join(place.root, 'elsewhere'), lock)
  await t.rejects(
    createLocalRefs(place, 50).update('a', () => utf8('one')),
    { code: 'ERR_CACHE_STORE_BUSY' },
  )
  t.equal(readFileSync(join(place.root, 'elsewhere'), 'utf8'), 'untouched')
})

t.test('merge is called again if, and only if, another writer came first', async (t) => {
  const { place } = await lockedRef(t)
  const refs = createLocalRefs(place)
  const seen: (string | undefined)[] = []
  await refs.update('a', (old) => {
    seen.push(text(old))
    // Another writer, between our reading and our writing.
    if (seen.length === 1) execFileSync('cp', [join(place.root, 'prepared'), join(place.root, 'refs', 'a')])
    return utf8(`${text(old) ?? ''}+`)
  })
  t.strictSame(seen, [undefined, 'theirs'])
  t.equal(text(await refs.read('a')), 'theirs+')
})

t.test('places without durability behave the same', async (t) => {
  const directory = t.testdir()
  const store = await createLocalStore({ directory, durability: 'rename' })
  const large = new Uint8Array(3_000_000).fill(3)
  t.equal(await store.blobs.put(digestOf(large), bytesSource(large)), 'stored')
  await store.refs.update('a', () => utf8('one'))
  const found = await createLocalStore({ directory })
  t.equal((await readAll((await found.blobs.get(digestOf(large)))!.open(), 4_000_000)).byteLength, 3_000_000)
  t.equal(text(await found.refs.read('a')), 'one')
})

/** A store whose ref `a` is locked by `owner`, if any, and the sealed document of another writer as `prepared`. */
async function lockedRef(t: Test, owner?: string): Promise<{ place: Place; lock: string }> {
  const root = t.testdir()
  const { refs } = await createLocalStore({ directory: root })
  await refs.update('a', () => utf8('theirs'))
  writeFileSync(join(root, 'prepared'), readFileSync(join(root, 'refs', 'a')))
  await refs.update('a', () => undefined)
  const lock = join(root, 'refs', 'a+lock')
  if (owner !== undefined) writeFileSync(lock, owner)
  return { place: createPlace(root, { durable: false, readOnly: false }), lock }
}

/** Permissions mean nothing to root, so root becomes somebody else for a while. */
async function asNobody(t: Test, operation: () => Promise<unknown>): Promise<void> {
  const { getuid, seteuid } = process
  if (getuid?.() !== 0 || seteuid === undefined) {
    await operation()
    return
  }
  t.comment('as uid 65534')
  seteuid(65534)
  try {
    await operation()
  } finally {
    seteuid(0)
  }
}

/** Options of the test that needs a disk of its own: says why it is skipped. */
function smallFileSystem(): { readonly skip?: string } {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return { skip: 'SKIPPED: needs root on Linux to mount' }
  const directory = t.testdir({ probe: {} })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', join(directory, 'probe')], {
      stdio: 'pipe',
    })
    execFileSync('umount', [join(directory, 'probe')])
    return {}
  } catch {
    return { skip: 'SKIPPED: may not mount a tmpfs' }
  }
}

/** Writes until nothing fits any more. */
function fill(path: string): void {
  for (let size = 65_536; size >= 1; size = Math.floor(size / 2)) {
    try {
      for (;;) writeFileSync(path, new Uint8Array(size), { flag: 'a' })
    } catch {
      // Full for this size.
    }
  }
}
