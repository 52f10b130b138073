import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { bytesSource, digestOf, hexOf, readAll } from '@varve/digest'
import t from 'tap'
import { STORE_CHECKS } from '../src/conformance.ts'
import { createLocalStore, type LocalStore } from '../src/local.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const HELLO = utf8('hello, layer')
const EMPTY = digestOf(new Uint8Array())
const HOUR_MS = 3_600_000

for (const check of STORE_CHECKS) {
  t.test(check.name, async (t) => {
    const directory = t.testdir()
    await check.run(await createLocalStore({ directory, durability: 'rename' }))
    const left = readdirSync(join(directory, 'ingest'), { withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    )
    t.strictSame(left, [], 'no temporary file is left')
    t.strictSame(readdirSync(join(directory, 'quarantine')), [], 'nothing was found damaged')
  })
}

t.test('the directory is a valid OCI image layout', async (t) => {
  const directory = join(t.testdir(), 'made', 'on', 'the', 'way')
  const { blobs } = await createLocalStore({ directory })
  const { digest } = await put(blobs, HELLO)
  const sha512 = digestOf(HELLO, 'sha512')
  await blobs.put(sha512, bytesSource(HELLO))

  t.strictSame(JSON.parse(readFileSync(join(directory, 'oci-layout'), 'utf8')), {
    imageLayoutVersion: '1.0.0',
  })
  t.strictSame(JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8')), {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [],
  })
  t.strictSame(JSON.parse(readFileSync(join(directory, 'store.json'), 'utf8')), { format: 1 })
  t.match(
    readFileSync(join(directory, 'CACHEDIR.TAG'), 'utf8'),
    /^Signature: 8a477f597d28d172789f06886806bc55\n/,
  )
  for (const named of [digest, sha512]) {
    const [algorithm = '', hex = ''] = named.split(':')
    const path = join(directory, 'blobs', algorithm, hex)
    t.strictSame(new Uint8Array(readFileSync(path)), HELLO)
    t.equal(lstatSync(path).mode & 0o333, 0, 'a blob is read-only')
  }
})

t.test('a store is found again, with what was in it', async (t) => {
  const directory = t.testdir()
  const first = await createLocalStore({ directory })
  const { digest } = await put(first.blobs, HELLO)
  await first.refs.update('a/b', () => utf8('one'))
  const ingest = await first.blobs.ingest('upload')
  await ingest.write(utf8('one '))

  const [second, third] = [await createLocalStore({ directory }), await createLocalStore({ directory })]
  t.strictSame(await read(second.blobs, digest), HELLO)
  t.strictSame(await second.refs.read('a/b'), new Uint8Array(utf8('one')))
  const resumed = await second.blobs.ingest('upload')
  t.equal(resumed.offset, 4)
  await t.rejects(
    ingest.write(utf8('lost')),
    { code: 'ERR_CACHE_STORE_BUSY' },
    'the writer before was fenced off',
  )
  await t.rejects(ingest.commit(), { code: 'ERR_CACHE_STORE_BUSY' })
  await resumed.write(utf8('two'))
  t.equal((await third.blobs.ingest('upload')).offset, 7)
  await t.rejects(resumed.commit(), { code: 'ERR_CACHE_STORE_BUSY' })
  t.equal((await (await second.blobs.ingest('upload')).commit()).digest, digestOf(utf8('one two')))
  t.strictSame(readdirSync(join(directory, 'ingest')), [])
})

t.test('blobs are files, too', async (t) => {
  const directory = t.testdir()
  const { blobs } = await createLocalStore({ directory })
  const { digest } = await put(blobs, HELLO)
  const path = await blobs.file(digest)
  t.ok(path !== undefined && isAbsolute(path))
  t.strictSame(new Uint8Array(readFileSync(path!)), HELLO)
  t.equal(await blobs.file(digestOf(utf8('absent'))), undefined)
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const empty = await blobs.file(digestOf(new Uint8Array(), algorithm))
    t.equal(lstatSync(empty!).size, 0, 'the empty blob, too')
  }
})

t.test('a damaged blob is never read to its end, is taken away, and heals', async (t) => {
  const original = utf8('x'.repeat(3000))
  const damages: ReadonlyArray<readonly [what: string, bytes: Uint8Array | undefined]> = [
    ['flipped', Uint8Array.from(original, (byte, at) => (at === 1500 ? byte ^ 1 : byte))],
    ['truncated', original.subarray(0, 1000)],
    ['extended', utf8('x'.repeat(3001))],
    ['zeroed', new Uint8Array(3000)],
    ['emptied', new Uint8Array()],
    ['a symbolic link', undefined],
  ]
  for (const [what, bytes] of damages) {
    await t.test(what, async (t) => {
      const directory = t.testdir({ elsewhere: Buffer.from(original), store: {} })
      const { blobs } = await createLocalStore({ directory: join(directory, 'store') })
      const { digest, path } = await put(blobs, original)
      const damage = (): void => {
        chmodSync(join(directory, 'store', 'blobs', 'sha256'), 0o755)
        if (bytes === undefined) replaceByLink(path, join(directory, 'elsewhere'))
        else overwrite(path, bytes)
      }

      damage()
      const source = await blobs.get(digest)
      if (source !== undefined) {
        const seen: Uint8Array[] = []
        const reading = (async () => {
          for await (const chunk of source.open()) seen.push(chunk)
        })()
        await t.rejects(reading, { name: 'DigestError', code: 'ERR_DIGEST_MISMATCH' })
        t.strictSame(seen, [], 'no byte came out')
      }
      t.equal(await blobs.get(digest), undefined, 'afterwards it is a miss')
      t.equal((await blobs.missing([digest])).size, 1)
      t.equal(readdirSync(join(directory, 'store', 'quarantine')).length, 1)
      t.equal(await blobs.put(digest, bytesSource(original)), 'stored')

      damage()
      t.equal(await blobs.put(digest, bytesSource(original)), 'healed', 'a put does not believe the name')
      t.strictSame(await read(blobs, digest), original)

      damage()
      await t.rejects(blobs.put(digest, bytesSource(utf8('wrong, too'))), { code: 'ERR_DIGEST_MISMATCH' })
      t.equal(await blobs.get(digest), undefined, 'wrong bytes do not stay, though the put failed')

      const ingest = await blobs.ingest('upload')
      await ingest.write(original)
      await blobs.put(digest, bytesSource(original))
      damage()
      await ingest.commit()
      t.strictSame(await read(blobs, digest), original, 'a commit heals as well')
    })
  }
})

t.test('a large damaged blob withholds its end', async (t) => {
  const { blobs } = await createLocalStore({ directory: t.testdir() })
  const original = new Uint8Array(5 * 1024 * 1024).fill(1)
  const { digest, path } = await put(blobs, original)
  overwrite(path, original.fill(2, original.byteLength - 1))
  let seen = 0
  const source = (await blobs.get(digest))!
  const reading = (async () => {
    for await (const chunk of source.open()) seen += chunk.byteLength
  })()
  await t.rejects(reading, { code: 'ERR_DIGEST_MISMATCH' })
  t.ok(seen < original.byteLength)
})

t.test('what happens to a blob between get and the read is noticed', async (t) => {
  const { blobs } = await createLocalStore({ directory: t.testdir() })
  const { digest, path } = await put(blobs, HELLO)
  overwrite(path, HELLO.subarray(0, 5))
  const short = (await blobs.get(digest))!
  t.equal(await blobs.put(digest, bytesSource(HELLO)), 'healed')
  await t.rejects(
    readAll(short.open(), 100),
    { code: 'ERR_DIGEST_SIZE' },
    'the size that was promised is wrong',
  )
  t.strictSame(await read(blobs, digest), HELLO, 'but the healed blob is left alone')

  const long = (await blobs.get(digest))!
  overwrite(path, HELLO.subarray(0, 5))
  await t.rejects(
    readAll(long.open({ start: 2 }), 100),
    { code: 'ERR_DIGEST_SIZE' },
    'a part cannot be verified',
  )
  t.equal(await blobs.get(digest), undefined, 'but that it is damaged was seen')

  await put(blobs, HELLO)
  const gone = (await blobs.get(digest))!
  await blobs.delete(digest)
  await t.rejects(readAll(gone.open(), 100), { name: 'CacheStoreError', code: 'ERR_CACHE_STORE_MISSING' })
})

t.test('a directory in place of a file is moved away', async (t) => {
  const directory = t.testdir()
  const { blobs, refs } = await createLocalStore({ directory })
  mkdirSync(join(directory, 'blobs', 'sha256', hexOf(digestOf(HELLO))))
  t.equal(await blobs.put(digestOf(HELLO), bytesSource(HELLO)), 'healed')
  mkdirSync(join(directory, 'refs', 'a', 'b'), { recursive: true })
  t.equal(await refs.read('a'), undefined)
  await refs.update('a', () => HELLO)
  t.strictSame(await refs.read('a'), HELLO)
})

t.test('a damaged ref is read as none, and replaced', async (t) => {
  const directory = t.testdir()
  const { refs } = await createLocalStore({ directory })
  const path = join(directory, 'refs', 'a~b')
  for (const bytes of [
    new Uint8Array(),
    new Uint8Array(500),
    utf8('flipped'),
    new Uint8Array(3 * 1024 * 1024),
  ]) {
    await refs.update('a/b', () => utf8('one'))
    writeFileSync(path, bytes)
    t.equal(await refs.read('a/b'), undefined)
    let old: unknown = 'not called'
    await refs.update('a/b', (found) => {
      old = found
      return utf8('two')
    })
    t.equal(old, undefined)
    t.strictSame(await refs.read('a/b'), utf8('two'))
  }
})

t.test('a torn or foreign ingest is not resumed', async (t) => {
  const directory = t.testdir()
  const { blobs } = await createLocalStore({ directory })
  const ingests = join(directory, 'ingest')
  mkdirSync(join(ingests, 'a'))
  mkdirSync(join(ingests, 'b'))
  writeFileSync(join(ingests, 'b', 'meta'), '{"ref":"upl')
  mkdirSync(join(ingests, 'c'))
  writeFileSync(join(ingests, 'c', 'meta'), '{"ref":"upload"}')
  writeFileSync(join(ingests, 'd'), 'a file')
  mkdirSync(join(ingests, 'e'))
  writeFileSync(join(ingests, 'e', 'meta'), 'null')
  const ingest = await blobs.ingest('upload')
  t.equal(ingest.offset, 0)

  await ingest.write(utf8('counted'))
  const [mine = ''] = readdirSync(ingests).filter((name) => name.length === 32)
  writeFileSync(join(ingests, mine, 'data'), 'not what was written')
  await t.rejects(ingest.commit(), { code: 'ERR_CACHE_STORE_CORRUPT' })
  t.equal((await blobs.ingest('upload')).offset, 0)
  await t.rejects(ingest.write(utf8('late')), TypeError)
})

t.test('uses are noted at most once an hour', async (t) => {
  const { blobs } = await createLocalStore({ directory: t.testdir() })
  const { digest, path } = await put(blobs, HELLO)
  const setAge = (ms: number): void => utimesSync(path, (Date.now() - ms) / 1000, (Date.now() - ms) / 1000)
  const age = (): number => Date.now() - lstatSync(path).mtimeMs
  const uses = [
    () => blobs.missing([digest]),
    () => blobs.get(digest),
    () => blobs.put(digest, bytesSource(HELLO)),
  ]
  for (const use of uses) {
    setAge(2 * HOUR_MS)
    await use()
    t.ok(age() < HOUR_MS / 2, 'a use after two hours')
    setAge(HOUR_MS / 2)
    await use()
    t.ok(age() > HOUR_MS / 4, 'no use after half an hour')
  }
})

t.test('what is not of the store is left alone', async (t) => {
  const directory = t.testdir()
  const before = await createLocalStore({ directory })
  const { digest } = await put(before.blobs, HELLO)
  await before.refs.update('mine', () => HELLO)
  const foreign = [
    '.DS_Store',
    'notes',
    'blobs/README',
    'blobs/md5/x',
    'blobs/sha256/x',
    'ac/x',
    'refs/.',
    'refs/a b',
  ]
  for (const name of foreign.filter((each) => each !== 'refs/.')) {
    mkdirSync(join(directory, name, '..'), { recursive: true })
    writeFileSync(join(directory, name), 'foreign')
  }
  const { blobs, refs } = await createLocalStore({ directory })
  t.strictSame(await read(blobs, digest), HELLO)
  t.strictSame(await refs.list(''), ['mine'])
  t.equal(readFileSync(join(directory, 'notes'), 'utf8'), 'foreign')
  t.equal(readFileSync(join(directory, 'blobs/sha256/x'), 'utf8'), 'foreign')
})

t.test('a directory that is no store of this version is refused', async (t) => {
  const rejected: ReadonlyArray<readonly [why: string, content: Record<string, string>]> = [
    ['a newer store', { 'store.json': '{"format":2}' }],
    ['no format', { 'store.json': '{}' }],
    ['no JSON', { 'store.json': 'format' }],
    ['null', { 'store.json': 'null' }],
    ['a project', { 'package.json': '{}' }],
    ['the layout of somebody else', { 'oci-layout': '{"imageLayoutVersion":"1.0.0"}', 'index.json': '{}' }],
  ]
  for (const [why, content] of rejected) {
    await t.test(why, async (t) => {
      const directory = t.testdir(content)
      for (const readOnly of [false, true]) {
        await t.rejects(createLocalStore({ directory, readOnly }), {
          name: 'CacheStoreError',
          code: 'ERR_CACHE_STORE_FORMAT',
        })
      }
      t.strictSame(readdirSync(directory).toSorted(), Object.keys(content).toSorted(), 'nothing was written')
    })
  }
})

t.test('files that a power failure tore are made anew', async (t) => {
  for (const torn of ['', '\0'.repeat(13)]) {
    const directory = t.testdir()
    await createLocalStore({ directory })
    const names = ['store.json', 'oci-layout', 'index.json', 'CACHEDIR.TAG']
    const whole = names.map((name) => readFileSync(join(directory, name), 'utf8'))
    for (const name of names) writeFileSync(join(directory, name), torn)
    await createLocalStore({ directory })
    t.strictSame(
      names.map((name) => readFileSync(join(directory, name), 'utf8')),
      whole,
    )
  }
})

t.test('an index with roots is kept', async (t) => {
  const directory = t.testdir()
  await createLocalStore({ directory })
  const index = '{"schemaVersion":2,"manifests":[{"digest":"x"}]}'
  writeFileSync(join(directory, 'index.json'), index)
  await createLocalStore({ directory })
  t.equal(readFileSync(join(directory, 'index.json'), 'utf8'), index)
})

t.test('a directory that others could redirect is refused', async (t) => {
  const names = [
    'blobs',
    'blobs/sha256',
    'ac',
    'refs',
    'ingest',
    'quarantine',
    'pins',
    'leases',
    'flight',
    'trash',
  ]
  for (const name of names) {
    const linked = t.testdir({ elsewhere: {}, store: { 'store.json': '{"format":1}', blobs: {} } })
    const path = join(linked, 'store', name)
    if (name === 'blobs') replaceByLink(path, join(linked, 'elsewhere'))
    else symlinkSync(join(linked, 'elsewhere'), path)
    for (const readOnly of [false, true]) {
      const opening = createLocalStore({ directory: join(linked, 'store'), readOnly })
      await t.rejects(opening, { code: 'ERR_CACHE_STORE_UNSAFE', path }, `${name} is a link`)
    }
    t.strictSame(readdirSync(join(linked, 'elsewhere')), [], 'nothing was written there')

    const open = t.testdir()
    await createLocalStore({ directory: open })
    chmodSync(join(open, name), 0o777)
    await t.rejects(
      createLocalStore({ directory: open }),
      { code: 'ERR_CACHE_STORE_UNSAFE' },
      `${name} is open`,
    )
  }
})

t.test(
  'directories made later are not read or written through a link, nor if everybody may write',
  async (t) => {
    const directory = t.testdir({ store: {}, elsewhere: {} })
    const [root, elsewhere] = [join(directory, 'store'), join(directory, 'elsewhere')]
    const { blobs, actions } = await createLocalStore({ directory: root })
    const { digest } = await put(blobs, HELLO)
    const record = {
      kv: 1,
      key: digest,
      keyDoc: digest,
      outputs: [],
      diffIDs: [],
      createdAt: '2026-01-01T00:00:00Z',
      durationMs: 0,
      builder: 'test',
    } as const
    await actions.put(record, { scope: 'main' })
    const sha512 = digestOf(HELLO, 'sha512')
    await blobs.put(sha512, bytesSource(HELLO))
    const unsafe = { code: 'ERR_CACHE_STORE_UNSAFE' }
    for (const name of [`ac/main/${hexOf(digest).slice(0, 2)}`, 'ac/main']) {
      t.strictSame(await actions.get(digest, ['main']), record)
      chmodSync(join(root, name), 0o777)
      t.equal(await actions.get(digest, ['main']), undefined, `${name} is open`)
      await t.rejects(actions.put(record, { scope: 'main' }), unsafe)
      chmodSync(join(root, name), 0o755)
      renameSync(join(root, name), join(elsewhere, 'moved'))
      symlinkSync(join(elsewhere, 'moved'), join(root, name))
      const before = snapshot(elsewhere)
      t.equal(await actions.get(digest, ['main']), undefined, `${name} is a link`)
      await t.rejects(actions.put(record, { scope: 'main', mode: 'replace' }), unsafe)
      t.strictSame(snapshot(elsewhere), before, 'nothing was written there')
      rmSync(join(root, name))
      renameSync(join(elsewhere, 'moved'), join(root, name))
    }
    renameSync(join(root, 'blobs', 'sha512'), join(elsewhere, 'sha512'))
    symlinkSync(join(elsewhere, 'sha512'), join(root, 'blobs', 'sha512'))
    t.equal(await blobs.get(sha512), undefined)
    t.equal((await blobs.missing([sha512])).size, 1)
    await t.rejects(blobs.put(sha512, bytesSource(HELLO)), unsafe)
  },
)

t.test('the directory itself may be a link, and everything may have been made with umask 0', async (t) => {
  const directory = t.testdir({ store: {} })
  symlinkSync(join(directory, 'store'), join(directory, 'link'))
  const umask = process.umask(0)
  t.teardown(() => process.umask(umask))
  const { blobs } = await createLocalStore({ directory: join(directory, 'link') })
  await put(blobs, HELLO)
  await createLocalStore({ directory: join(directory, 'link') })
})

t.test('a store opened for reading changes nothing', async (t) => {
  const directory = t.testdir()
  const written = await createLocalStore({ directory })
  const { digest, path } = await put(written.blobs, HELLO)
  await written.refs.update('a', () => HELLO)
  const record = {
    kv: 1,
    key: digest,
    keyDoc: digest,
    outputs: [],
    diffIDs: [],
    createdAt: '2026-01-01T00:00:00Z',
    durationMs: 0,
    builder: 'test',
  } as const
  await written.actions.put(record, { scope: 'main' })
  utimesSync(path, 1, 1)
  const before = snapshot(directory)

  const { blobs, actions, refs } = await createLocalStore({ directory, readOnly: true })
  t.strictSame(await read(blobs, digest), HELLO)
  t.strictSame(await actions.get(digest, ['main']), record)
  t.strictSame(await refs.read('a'), HELLO)
  t.equal(await blobs.put(digestOf(utf8('new')), bytesSource(utf8('new'))), 'skipped')
  t.equal(await actions.put(record, { scope: 'other' }), 'skipped')
  const refused = { code: 'ERR_CACHE_STORE_UNWRITABLE' }
  await t.rejects(blobs.ingest('upload'), refused)
  await t.rejects(blobs.delete(digest), refused)
  await t.rejects(
    refs.update('a', () => undefined),
    refused,
  )
  t.equal(await blobs.file(digestOf(new Uint8Array(), 'sha512')), undefined)
  t.strictSame(snapshot(directory), before)

  overwrite(path, utf8('damaged'))
  await t.rejects(read(blobs, digest), { code: 'ERR_DIGEST_MISMATCH' })
  t.same(readdirSync(join(directory, 'quarantine')), [])
})

t.test('a store that nobody has made reads as an empty one', async (t) => {
  const directory = join(t.testdir(), 'absent')
  const { blobs, actions, refs } = await createLocalStore({ directory, readOnly: true })
  t.equal(await blobs.get(digestOf(HELLO)), undefined)
  t.equal((await blobs.missing([digestOf(HELLO), EMPTY])).size, 1)
  t.equal(await actions.get(digestOf(HELLO), ['main']), undefined)
  t.strictSame(await refs.list(''), [])
  t.throws(() => lstatSync(directory), { code: 'ENOENT' })
})

t.test('a batch can be large, and stopped', async (t) => {
  const { blobs } = await createLocalStore({ directory: t.testdir() })
  const controller = new AbortController()
  const reason = new Error('enough')
  const digests = function* () {
    for (let number = 0; number < 5000; number += 1) {
      if (number === 2500) controller.abort(reason)
      yield digestOf(utf8(String(number)))
    }
  }
  t.equal((await blobs.missing(digests())).size, 5000)
  await t.rejects(blobs.missing(digests(), { signal: controller.signal }), reason)
})

async function put(
  blobs: LocalStore['blobs'],
  bytes: Uint8Array,
): Promise<{ digest: ReturnType<typeof digestOf>; path: string }> {
  const digest = digestOf(bytes)
  await blobs.put(digest, bytesSource(bytes))
  return { digest, path: (await blobs.file(digest))! }
}

async function read(blobs: LocalStore['blobs'], digest: ReturnType<typeof digestOf>): Promise<Uint8Array> {
  return new Uint8Array(await readAll((await blobs.get(digest))!.open(), 1024 * 1024))
}

/** In place, as a disk or a person would do it: the file stays the same one. */
function overwrite(path: string, bytes: Uint8Array): void {
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
}

function replaceByLink(path: string, target: string): void {
  rmSync(path, { recursive: true, force: true })
  symlinkSync(target, path)
}

function snapshot(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => `${name} ${lstatSync(join(directory, name)).mtimeMs}`)
    .toSorted()
}
