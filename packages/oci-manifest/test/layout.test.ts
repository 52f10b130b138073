import {
  bytesSource,
  type ByteSource,
  type Descriptor,
  describe,
  digestOf,
  readAll,
  streamSource,
} from '@varve/digest'
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import { copyContent, MEDIA_TYPE_OCI_INDEX, MEDIA_TYPE_OCI_MANIFEST, verifyImage } from '../src/index.ts'
import { replaceFile } from '../src/layout/files.ts'
import { acquireLock } from '../src/layout/lock.ts'
import { type ImageLayout, openLayout } from '../src/layout.ts'
import { formatRoots, openRoots, withRoot } from '../src/roots-writer.ts'
import { makeImage, MemoryContent, utf8 } from './fixtures/content.ts'

const LAYOUT = 'ERR_OCI_MANIFEST_LAYOUT'
const NOT_FOUND = 'ERR_OCI_MANIFEST_NOT_FOUND'
const REFERENCE = 'ERR_OCI_MANIFEST_REFERENCE'
const LOCKED = 'ERR_OCI_MANIFEST_LOCKED'
const EMPTY_INDEX = `{"schemaVersion":2,"mediaType":"${MEDIA_TYPE_OCI_INDEX}","manifests":[]}`

const blobs = (directory: string): string[] => readdirSync(join(directory, 'blobs', 'sha256'))
const indexText = (directory: string): string => readFileSync(join(directory, 'index.json'), 'utf8')
const pathOf = (directory: string, { digest }: Descriptor): string =>
  join(directory, 'blobs', ...digest.split(':'))

/** A new directory; unlike `t.testdir()` it may be asked for twice. */
function scratch(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'varve-layout-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function makeLayout(t: Test): Promise<ImageLayout> {
  return openLayout(join(scratch(t), 'layout'), { create: true })
}

/** A layout with some manifests, all stored. */
async function makeTagged(t: Test, ...texts: readonly string[]) {
  const layout = await makeLayout(t)
  const content = new MemoryContent()
  const manifests: Descriptor[] = []
  for (const text of texts) {
    const { descriptor } = makeImage(content, text).manifest
    await copyContent(descriptor, content, layout)
    manifests.push(descriptor)
  }
  return { layout, content, manifests, first: manifests[0] as Descriptor, second: manifests[1] as Descriptor }
}

t.test('a new layout is what the specification says', async (t) => {
  const { directory } = await makeLayout(t)
  t.equal(readFileSync(join(directory, 'oci-layout'), 'utf8'), '{"imageLayoutVersion":"1.0.0"}')
  t.equal(indexText(directory), EMPTY_INDEX)
  t.strictSame(readdirSync(directory).toSorted(), ['blobs', 'index.json', 'oci-layout'])
  t.strictSame(blobs(directory), [])
  const again = await openLayout(directory, { create: true })
  t.strictSame((await again.index()).value.manifests, [], 'opening it again changes nothing')
})

t.test('openLayout refuses what is not a layout', async (t) => {
  const make = (files: Record<string, string>): string => {
    const directory = scratch(t)
    mkdirSync(join(directory, 'blobs', 'sha256'), { recursive: true })
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
    return directory
  }
  const good = {
    'oci-layout': '{"imageLayoutVersion":"1.0.0","more":1}',
    'index.json': EMPTY_INDEX,
    other: 'x',
  }
  t.ok(await openLayout(make(good)), 'unknown files and fields are fine')
  await t.rejects(openLayout(join(scratch(t), 'nothing')), { code: LAYOUT })
  await t.rejects(openLayout(make({ 'index.json': EMPTY_INDEX })), {
    code: LAYOUT,
    message: /oci-layout is missing/,
  })
  await t.rejects(openLayout(make({ ...good, 'oci-layout': '{"imageLayoutVersion":"2.0.0"}' })), {
    code: 'ERR_OCI_MANIFEST_UNSUPPORTED',
  })
  await t.rejects(openLayout(make({ ...good, 'oci-layout': '{}' })), { code: 'ERR_OCI_MANIFEST_INVALID' })
  await t.rejects(openLayout(make({ ...good, 'oci-layout': 'x'.repeat(70_000) })), {
    code: 'ERR_OCI_MANIFEST_LIMIT',
  })
  await t.rejects(openLayout(make({ ...good, 'index.json': '{}' })), { code: 'ERR_OCI_MANIFEST_INVALID' })
  const withoutIndex = make(good)
  rmSync(join(withoutIndex, 'index.json'))
  await t.rejects(openLayout(withoutIndex), { code: LAYOUT, message: /index.json is missing/ })
  const withoutBlobs = make(good)
  rmSync(join(withoutBlobs, 'blobs'), { recursive: true })
  await t.rejects(openLayout(withoutBlobs), { code: LAYOUT, message: /blobs is missing/ })
})

t.test('S11: links are not followed', async (t) => {
  const outside = scratch(t)
  mkdirSync(join(outside, 'sha256'))
  const { layout, first } = await makeTagged(t, 'x')
  const bytes = readFileSync(pathOf(layout.directory, first))
  const algorithm = join(layout.directory, 'blobs', 'sha256')
  const refused = async (why: string): Promise<void> => {
    await t.rejects(layout.has(first), { code: LAYOUT }, `${why}, has`)
    await t.rejects(layout.read(first), { code: LAYOUT }, `${why}, read`)
    await t.rejects(layout.write(first, bytesSource(bytes)), { code: LAYOUT }, `${why}, write`)
  }
  rmSync(pathOf(layout.directory, first))
  symlinkSync('/etc/passwd', pathOf(layout.directory, first))
  await refused('a linked blob')
  rmSync(algorithm, { recursive: true })
  symlinkSync(join(outside, 'sha256'), algorithm)
  await refused('a linked algorithm')
  await t.rejects(
    openLayout(layout.directory).then((each) => each.read(first)),
    { code: LAYOUT },
  )
  rmSync(join(layout.directory, 'blobs'), { recursive: true })
  symlinkSync(outside, join(layout.directory, 'blobs'))
  await refused('linked blobs')
  await t.rejects(openLayout(layout.directory), { code: LAYOUT })
  t.strictSame(readdirSync(join(outside, 'sha256')), [], 'nothing was written there')

  const fresh = scratch(t)
  symlinkSync(outside, join(fresh, 'blobs'))
  await t.rejects(openLayout(fresh, { create: true }), { code: LAYOUT })
  const { directory } = await openLayout(join(scratch(t), 'l'), { create: true })
  rmSync(join(directory, 'index.json'))
  symlinkSync('/etc/passwd', join(directory, 'index.json'))
  await t.rejects(openLayout(directory), { code: LAYOUT }, 'a linked index.json')
})

t.test('S8: what is not a digest never becomes a path', async (t) => {
  const { layout, first } = await makeTagged(t, 'x')
  const bad = [
    'sha256:../../../etc/passwd',
    `sha256:${'a'.repeat(63)}`,
    `sha256:${'A'.repeat(64)}`,
    'sha256/aa',
    '../x:y',
    '',
  ]
  for (const digest of bad) {
    const descriptor = { ...first, digest: digest as Descriptor['digest'] }
    await t.rejects(layout.read(descriptor), { code: 'ERR_OCI_MANIFEST_INVALID' }, digest)
    await t.rejects(layout.has(descriptor), { code: 'ERR_OCI_MANIFEST_INVALID' })
    await t.rejects(layout.write(descriptor, bytesSource(utf8('x'))), { code: 'ERR_OCI_MANIFEST_INVALID' })
    await t.rejects(layout.tag('x', descriptor), { code: 'ERR_OCI_MANIFEST_INVALID' })
  }
})

t.test('L1: a blob is stored once, verified, and read verified', async (t) => {
  const { directory, ...layout } = await makeLayout(t)
  const bytes = utf8('some bytes')
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const descriptor = describe('text/plain', bytes, algorithm)
    t.notOk(await layout.has(descriptor))
    t.equal(await layout.read(descriptor), undefined)
    await layout.write(descriptor, bytesSource(bytes))
    t.ok(await layout.has(descriptor))
    const source = (await layout.read(descriptor)) as ByteSource
    t.equal(source.size, bytes.byteLength)
    t.strictSame(await readAll(source.open(), 100), bytes)
    t.strictSame(await readAll(source.open({ start: 5 }), 100), bytes.subarray(5))
    const unread: ByteSource = streamSource(() => t.fail('an existing blob is reused') as never)
    await layout.write(descriptor, unread)
  }
  t.strictSame(readdirSync(directory).toSorted(), ['blobs', 'index.json', 'oci-layout'], 'no temporary files')
})

t.test('L1: writers of the same blob do not disturb each other', async (t) => {
  const { directory, ...layout } = await makeLayout(t)
  const bytes = new Uint8Array(3_000_000).fill(7)
  const descriptor = describe('text/plain', bytes)
  const slow = (): ByteSource =>
    streamSource(async function* () {
      for (let at = 0; at < bytes.byteLength; at += 500_000) {
        await new Promise(setImmediate)
        yield bytes.subarray(at, at + 500_000)
      }
    })
  await Promise.all(Array.from({ length: 5 }, () => layout.write(descriptor, slow())))
  t.ok(Buffer.from(bytes).equals(await readAll(((await layout.read(descriptor)) as ByteSource).open(), 1e7)))
  t.equal(readdirSync(directory).length, 3)
})

t.test('S9: wrong bytes leave nothing behind', async (t) => {
  const { directory, ...layout } = await makeLayout(t)
  const descriptor = describe('text/plain', utf8('right'))
  for (const [text, code] of [
    ['wrong', 'ERR_DIGEST_MISMATCH'],
    ['righ', 'ERR_DIGEST_SIZE'],
    ['right!', 'ERR_DIGEST_SIZE'],
  ] as const) {
    await t.rejects(layout.write(descriptor, bytesSource(utf8(text))), { name: 'DigestError', code }, text)
  }
  const broken = new Error('cut off')
  const failing = streamSource(async function* () {
    yield utf8('ri')
    throw broken
  })
  await t.rejects(layout.write(descriptor, failing), broken, 'an error of the source is its own')
  const reason = new Error('enough')
  await t.rejects(
    layout.write(descriptor, bytesSource(utf8('right')), { signal: AbortSignal.abort(reason) }),
    reason,
  )
  await t.rejects(layout.read(descriptor, { signal: AbortSignal.abort(reason) }), reason)
  t.notOk(await layout.has(descriptor))
  t.strictSame(readdirSync(directory).toSorted(), ['blobs', 'index.json', 'oci-layout'])
  t.strictSame(blobs(directory), [])
})

t.test('L1: a file is put in place whole, or nothing is left', async (t) => {
  const root = scratch(t)
  const path = join(root, 'file')
  for (const text of [['one, ', 'two, ', 'three'], ['one'], []]) {
    t.ok(await replaceFile({ root, path, chunks: text.map(utf8) }))
    t.equal(readFileSync(path, 'utf8'), text.join(''))
  }
  t.notOk(await replaceFile({ root, path, chunks: [utf8('unwanted')], confirm: () => false }))
  const broken = new Error('cut off')
  async function* cutOff(): AsyncGenerator<Uint8Array, void, void> {
    yield utf8('o')
    throw broken
  }
  await t.rejects(replaceFile({ root, path, chunks: cutOff() }), broken)
  t.equal(readFileSync(path, 'utf8'), '')
  const taken = join(root, 'taken')
  mkdirSync(join(taken, 'by a directory'), { recursive: true })
  await t.rejects(replaceFile({ root, path: taken, chunks: [utf8('one')] }), {
    code: LAYOUT,
    cause: { syscall: 'rename' },
  })
  await t.rejects(replaceFile({ root: join(root, 'gone'), path, chunks: [utf8('one')] }), {
    code: LAYOUT,
    cause: { code: 'ENOENT' },
  })
  t.strictSame(readdirSync(root).toSorted(), ['file', 'taken'], 'no temporary files')
})

t.test('a damaged blob is not handed out, and one of another size is replaced', async (t) => {
  const { layout, content, first } = await makeTagged(t, 'x')
  const path = pathOf(layout.directory, first)
  const good = readFileSync(path)
  writeFileSync(path, Buffer.alloc(good.byteLength))
  const source = (await layout.read(first)) as ByteSource
  await t.rejects(readAll(source.open(), 1e6), { code: 'ERR_DIGEST_MISMATCH' })
  writeFileSync(path, 'short')
  await t.rejects(layout.read(first), { code: 'ERR_DIGEST_SIZE' })
  t.notOk(await layout.has(first))
  t.match(await verifyImage(layout, first), [{ code: 'ERR_DIGEST_SIZE' }])
  await copyContent(first, content, layout)
  t.same(await verifyImage(layout, first), [])
})

t.test('tags resolve, move and go', async (t) => {
  const { layout, first, second } = await makeTagged(t, 'one', 'two')
  await t.rejects(layout.resolve(), { code: NOT_FOUND })
  await layout.tag('a', first)
  t.equal((await layout.resolve()).digest, first.digest, 'the only one')
  await layout.tag('b', first)
  t.equal((await layout.resolve()).digest, first.digest, 'two names of one image')
  await layout.tag('c', second)
  await t.rejects(layout.resolve(), { code: REFERENCE })
  t.equal((await layout.resolve('a')).digest, first.digest)
  t.equal((await layout.resolve(second.digest)).digest, second.digest)
  t.strictSame([...(await layout.tags()).keys()], ['a', 'b', 'c'])
  await layout.tag('a', second)
  t.equal((await layout.resolve('a')).digest, second.digest, 'moved')
  t.equal((await layout.resolve('b')).digest, first.digest, 'only that one')
  t.ok(await layout.untag('a'))
  t.notOk(await layout.untag('a'))
  await t.rejects(layout.resolve('a'), { code: NOT_FOUND, available: ['b', 'c'] })
  t.equal((await layout.index()).value.manifests.length, 2, 'only roots are listed')
  t.ok(await layout.has(first))
})

t.test('a root may have no name', async (t) => {
  const { layout, first } = await makeTagged(t, 'one')
  await layout.tag(undefined, first)
  await layout.tag(undefined, { ...first, annotations: { 'org.opencontainers.image.ref.name': 'dropped' } })
  t.same((await layout.index()).value.manifests, [first])
  await layout.tag('a', first)
  t.equal((await layout.index()).value.manifests.length, 2)
  t.equal((await layout.resolve(first.digest)).digest, first.digest)
})

t.test('only content that is here can be a root', async (t) => {
  const { layout, first } = await makeTagged(t, 'one')
  await t.rejects(layout.tag('a', { ...first, digest: digestOf(utf8('gone')) }), { code: NOT_FOUND })
  await t.rejects(layout.tag('a', { ...first, size: 1 }), { code: NOT_FOUND })
  t.equal(indexText(layout.directory), EMPTY_INDEX)
})

t.test('names are written by the grammar of the specification, and read whatever they are', async (t) => {
  const { layout, first } = await makeTagged(t, 'one')
  const good = ['1.0', 'docker.io/library/alpine:3.20', 'a--b', 'A@b+c_d', `x@${first.digest}`]
  for (const name of good) await layout.tag(name, first)
  t.strictSame([...(await layout.tags()).keys()], good.toSorted())
  for (const name of ['', '/', 'a/', '-a', 'a__b', 'a b', '../x', 'a\nb', 'é', 'a'.repeat(1025)]) {
    await t.rejects(layout.tag(name, first), { code: REFERENCE }, JSON.stringify(name))
  }
  const odd = indexText(layout.directory).replace('"1.0"', '"a b/../é"')
  writeFileSync(join(layout.directory, 'index.json'), odd)
  t.equal((await layout.resolve('a b/../é')).digest, first.digest)
  t.ok(await layout.untag('a b/../é'))
})

t.test('a name that means several images is not guessed', async (t) => {
  const { layout, first, second } = await makeTagged(t, 'one', 'two')
  await layout.tag('a', first)
  await layout.tag('b', second)
  writeFileSync(join(layout.directory, 'index.json'), indexText(layout.directory).replace('"b"', '"a"'))
  await t.rejects(layout.resolve('a'), { code: REFERENCE, available: ['a', 'a'] })
  await layout.tag('a', first)
  t.equal((await layout.resolve('a')).digest, first.digest, 'tagging settles it')
})

t.test('L4: the result does not depend on the order, and unknown fields stay', async (t) => {
  const { layout, first, second } = await makeTagged(t, 'one', 'two')
  const initial =
    `{"z":{"2":1.0,"1":0},"schemaVersion":2,"manifests":[{"size":${first.size},"digest":"${first.digest}","x":[1e3],` +
    `"mediaType":"${first.mediaType}","annotations":{"org.opencontainers.image.ref.name":"keep","k":"v"}}],"a":null}`
  const results: string[] = []
  for (const names of [
    ['p', 'q', '10', '9'],
    ['9', '10', 'q', 'p'],
  ]) {
    writeFileSync(join(layout.directory, 'index.json'), initial)
    for (const name of names) await layout.tag(name, second)
    await layout.tag('keep', { ...first, annotations: { more: '1' } })
    results.push(indexText(layout.directory))
  }
  t.equal(results[0], results[1])
  const of = (name: string): string =>
    `{"mediaType":"${second.mediaType}","digest":"${second.digest}","size":${second.size},"annotations":{"org.opencontainers.image.ref.name":"${name}"}}`
  t.equal(
    results[0],
    `{"schemaVersion":2,"manifests":[${of('10')},${of('9')},` +
      `{"mediaType":"${first.mediaType}","digest":"${first.digest}","size":${first.size},` +
      `"annotations":{"k":"v","more":"1","org.opencontainers.image.ref.name":"keep"},"x":[1e3]},` +
      `${of('p')},${of('q')}],"a":null,"z":{"2":1.0,"1":0}}`,
  )
  const before = statSync(join(layout.directory, 'index.json')).ino
  await layout.tag('p', second)
  t.equal(indexText(layout.directory), results[0], 'tagging again changes no byte')
  t.type(before, 'number')
  await layout.tag('keep', second)
  t.notMatch(indexText(layout.directory), /"x":/, 'a name that moves takes nothing along')
})

t.test('L5: tags set at the same time by one process all survive', async (t) => {
  const { layout, first } = await makeTagged(t, 'one')
  const other = await openLayout(layout.directory)
  const names = Array.from({ length: 40 }, (_, number) => `t-${number}`)
  await Promise.all(names.map((name, number) => (number % 2 === 0 ? layout : other).tag(name, first)))
  t.strictSame([...(await layout.tags()).keys()], names.toSorted())
  t.notOk(existsSync(join(layout.directory, 'index.json.lock')))
})

t.test('L3: a lock is respected, and waiting has an end', async (t) => {
  const { layout, first } = await makeTagged(t, 'one')
  const lock = await acquireLock(join(layout.directory, 'index.json.lock'))
  const impatient = await openLayout(layout.directory, { lockTimeoutMs: 100 })
  await t.rejects(impatient.tag('a', first), {
    code: LOCKED,
    owner: new RegExp(`process ${process.pid} on `),
  })
  const reason = new Error('enough')
  await t.rejects(layout.tag('a', first, { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' })
  await t.rejects(layout.tag('a', first, { signal: AbortSignal.abort(reason) }), reason)
  const waiting = layout.tag('a', first)
  const second = layout.tag('b', first, { signal: AbortSignal.timeout(50) })
  await t.rejects(second, { name: 'TimeoutError' }, 'also one that waits for its turn in this process')
  await lock.release()
  await waiting
  t.notOk((await layout.tags()).has('b'))
  t.ok((await layout.tags()).has('a'))
})

t.test('L3: a lock nobody touches is taken away, by the waiter’s clock', async (t) => {
  const { layout, first } = await makeTagged(t, 'one')
  const path = join(layout.directory, 'index.json.lock')
  const patient = await openLayout(layout.directory, { lockStaleMs: 300 })
  for (const text of ['', 'nonsense', '{"pid":1,"host":"elsewhere","token":"x"}']) {
    writeFileSync(path, text)
    // As another machine's clock may have it.
    utimesSync(path, new Date(4e12), new Date(4e12))
    const started = performance.now()
    await patient.tag('a', first)
    t.ok(performance.now() - started >= 290, text)
    t.notOk(existsSync(path))
  }
  const held = await acquireLock(path)
  const waiting = openLayout(layout.directory, { lockStaleMs: 2000, lockTimeoutMs: 3000 }).then((each) =>
    each.tag('b', first),
  )
  await t.rejects(waiting, { code: LOCKED }, 'one that is touched is not')
  await held.release()
})

t.test('L3: a lock that was lost is neither used nor deleted', async (t) => {
  const { layout, first } = await makeTagged(t, 'one')
  const path = join(layout.directory, 'index.json.lock')
  const lock = await acquireLock(path)
  t.ok(lock.isHeld())
  writeFileSync(path, 'somebody else')
  t.notOk(lock.isHeld())
  await lock.release()
  t.equal(readFileSync(path, 'utf8'), 'somebody else')
  const patient = await openLayout(layout.directory, { lockStaleMs: 50 })
  await patient.tag('a', first)
  t.notOk(existsSync(path))
})

t.test(
  'S11: what is no file in the place of the lock is neither followed, read nor taken away',
  async (t) => {
    const makers: readonly (readonly [string, (path: string) => unknown])[] = [
      ['a pipe, which nobody writes to', (path) => execFileSync('mkfifo', [path])],
      ['a link to an endless file', (path) => symlinkSync('/dev/zero', path)],
      ['a link to nothing', (path) => symlinkSync('nothing', path)],
      ['a directory', (path) => mkdirSync(path)],
    ]
    for (const [why, make] of makers) {
      const { layout, first } = await makeTagged(t, 'one')
      const path = join(layout.directory, 'index.json.lock')
      make(path)
      const before = lstatSync(path)
      const impatient = await openLayout(layout.directory, { lockTimeoutMs: 150, lockStaleMs: 20 })
      await t.rejects(impatient.tag('a', first), { code: LOCKED, owner: 'unknown' }, why)
      t.equal(lstatSync(path).ino, before.ino)
      t.equal((await layout.tags()).size, 0, 'reading needs no lock')
    }
  },
)

t.test('S10: of a file in the place of the lock, however large, little is read', async (t) => {
  const { layout, first } = await makeTagged(t, 'one')
  const path = join(layout.directory, 'index.json.lock')
  writeFileSync(path, '')
  truncateSync(path, 2 ** 33)
  const impatient = await openLayout(layout.directory, { lockStaleMs: 20 })
  await impatient.tag('a', first)
  t.notOk(existsSync(path))
})

t.test('temporary files of the dead are removed, those of the living are not', async (t) => {
  const { layout, first } = await makeTagged(t, 'one')
  const name = (letter: string): string =>
    join(layout.directory, `.varve-${letter.repeat(8)}-0000-0000-0000-000000000000.tmp`)
  const other = join(layout.directory, '.other.tmp')
  for (const path of [name('a'), name('b'), other]) writeFileSync(path, '')
  for (const path of [name('a'), other]) utimesSync(path, 0, 0)
  await layout.tag('a', first)
  t.strictSame(
    [name('a'), name('b'), other].map((path) => existsSync(path)),
    [false, true, true],
  )
})

t.test('errors of the system are wrapped, and keep their cause', async (t) => {
  const { directory, ...layout } = await makeLayout(t)
  rmSync(directory, { recursive: true })
  const error = await layout.write(describe('x', utf8('x')), bytesSource(utf8('x'))).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  t.match(error, { code: LAYOUT, cause: { code: 'ENOENT' } })
  t.notOk(existsSync(directory))
  const file = join(scratch(t), 'file')
  writeFileSync(file, '')
  await t.rejects(openLayout(file, { create: true }), { code: LAYOUT, cause: { code: 'EEXIST' } })
})

t.test('another layout can be copied into this one, and read by others', async (t) => {
  const { layout, first } = await makeTagged(t, 'one')
  const copy = await openLayout(join(scratch(t), 'copy'), { create: true })
  await copyContent(first, layout, copy)
  await copy.tag('x', first)
  t.same(await verifyImage(copy, await copy.resolve('x')), [])
  const moved = join(scratch(t), 'moved')
  mkdirSync(moved)
  cpSync(copy.directory, moved, { recursive: true })
  t.equal((await (await openLayout(moved)).resolve('x')).mediaType, MEDIA_TYPE_OCI_MANIFEST)
})

t.test('an index that another tool is just writing is read again', async (t) => {
  const { layout, first } = await makeTagged(t, 'one')
  await layout.tag('a', first)
  const path = join(layout.directory, 'index.json')
  const whole = readFileSync(path)
  for (const part of [0, 10, whole.byteLength - 1]) {
    writeFileSync(path, whole.subarray(0, part))
    const reading = layout.tags()
    await new Promise((resolve) => void setTimeout(resolve, 10))
    writeFileSync(path, whole)
    t.ok((await reading).has('a'))
  }
  const blob = pathOf(layout.directory, first)
  const bytes = readFileSync(blob)
  writeFileSync(blob, '')
  const tagging = layout.tag('b', first)
  await new Promise((resolve) => void setTimeout(resolve, 10))
  writeFileSync(blob, bytes)
  await tagging
  t.ok((await layout.tags()).has('b'), 'so is a manifest')
  writeFileSync(path, whole.subarray(0, 10))
  await t.rejects(layout.tags(), { code: 'ERR_OCI_MANIFEST_INVALID' }, 'but not for ever')
  await t.rejects(layout.tag('b', first), { code: 'ERR_OCI_MANIFEST_INVALID' })
  t.equal(readFileSync(path).byteLength, 10, 'nor is it written over')
})

t.test('L4: any order of the same changes gives the same bytes', async (t) => {
  const names = fc.uniqueArray(fc.constantFrom(...'a b 1 10 9 A é x/y z:1'.split(' ')), { minLength: 1 })
  const roots = fc.dictionary(fc.constantFrom('k', '2', 'z'), fc.string(), { maxKeys: 2 })
  const changes = names.chain((each) =>
    fc.tuple(
      ...each.map((name) => fc.record({ name: fc.constant(name), annotations: roots, digit: fc.nat(3) })),
    ),
  )
  fc.assert(
    fc.property(changes, fc.infiniteStream(fc.nat()), (list, random) => {
      const write = (order: typeof list): string => {
        let { index, entries } = openRoots()
        for (const { name, annotations, digit } of order) {
          const digest = digestOf(Uint8Array.of(digit))
          entries = withRoot(entries, name, { mediaType: 'x/y', digest, size: 1, annotations })
        }
        const bytes = formatRoots({ index, entries })
        t.strictSame(formatRoots(openRoots(bytes)), bytes, 'and reading it changes nothing')
        return Buffer.from(bytes).toString()
      }
      const shuffled = list
        .map((change) => ({ change, key: random.next().value as number }))
        .toSorted((a, b) => a.key - b.key)
      t.equal(write(shuffled.map(({ change }) => change)), write(list))
    }),
    { numRuns: 200 },
  )
})
