import assert from 'node:assert/strict'
import { readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import * as fc from 'fast-check'
import { digestOf } from '../src/index.ts'
import { digestFile, fileSource } from '../src/node.ts'
import { collect, utf8 } from './support.ts'

const BLOCK = 1024 * 1024

/** Longer than two blocks, and different in each. */
const LONG = Uint8Array.from({ length: 2 * BLOCK + 3 }, (_, index) => (index * 7 + (index >> 12)) % 256)

t.test('digest and size of a file are those of its bytes', async (t) => {
  for (const bytes of [new Uint8Array(), utf8('abc'), LONG]) {
    const path = file(t, bytes)
    t.strictSame(digestFile(path), { digest: digestOf(bytes), size: bytes.byteLength })
    t.strictSame(digestFile(path, 'sha512').digest, digestOf(bytes, 'sha512'))
  }
})

t.test('any part of a file equals Array.slice, and it opens again', async (t) => {
  const bytes = LONG.slice(0, 50)
  const source = fileSource(file(t, bytes))
  t.equal(source.size, 50)
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 60 }), fc.nat({ max: 60 }), async (start, end) => {
      assert.deepEqual(await collect(source.open({ start, end })), bytes.slice(start, Math.max(start, end)))
    }),
  )
  t.strictSame(await collect(source.open()), bytes)
})

t.test('a long file comes in blocks that belong to the reader', async (t) => {
  const chunks: Uint8Array[] = []
  for await (const chunk of fileSource(file(t, LONG)).open({ start: 1 })) chunks.push(chunk)
  t.strictSame(
    chunks.map((chunk) => chunk.byteLength),
    [BLOCK, BLOCK, 2],
  )
  t.ok(Buffer.concat(chunks).equals(LONG.subarray(1)))
})

t.test('blocks of a file can be read in any order', async (t) => {
  const path = file(t, LONG)
  const reader = fileSource(path, LONG.byteLength - 1).openBlocks!()!
  t.equal(reader.size, LONG.byteLength - 1)
  const target = new Uint8Array(1000)
  for (const position of [BLOCK, 0, LONG.byteLength - 500, LONG.byteLength + 1]) {
    const expected = LONG.subarray(position, Math.min(position + 1000, LONG.byteLength - 1))
    const read = reader.read(target, position)
    t.ok(Buffer.compare(target.subarray(0, read), expected) === 0, `${position}`)
  }
  truncateSync(path, BLOCK)
  t.throws(() => reader.read(target, BLOCK - 500), { code: 'ERR_DIGEST_SIZE', actual: BLOCK })
  const before = readdirSync('/proc/self/fd').length
  reader.close()
  t.equal(readdirSync('/proc/self/fd').length, before - 1, 'and the file is closed')
})

t.test('a path may be bytes, for names that are not UTF-8', async (t) => {
  const directory = t.testdir()
  const name = Uint8Array.of(...utf8(`${directory}/`), 0xff, 0xfe)
  writeFileSync(Buffer.from(name), 'abc')
  t.strictSame(await collect(fileSource(name).open()), utf8('abc'))
  t.equal(digestFile(name.subarray()).digest, digestOf(utf8('abc')))
})

t.test('a file that grew is read to the size it had', async (t) => {
  const path = file(t, utf8('abc'))
  const source = fileSource(path)
  writeFileSync(path, 'abcdef')
  t.strictSame(await collect(source.open()), utf8('abc'))
  t.strictSame(await collect(fileSource(path, 2).open()), utf8('ab'), 'or that the caller knows')
})

t.test('a file that shrank is an error, not an end', async (t) => {
  const path = file(t, utf8('abcdef'))
  const source = fileSource(path)
  truncateSync(path, 4)
  await t.rejects(collect(source.open()), {
    name: 'DigestError',
    code: 'ERR_DIGEST_SIZE',
    expected: 6,
    actual: 4,
  })
})

t.test('a file that is not there is an error of the system', async (t) => {
  const path = join(t.testdir(), 'missing')
  t.throws(() => fileSource(path), { code: 'ENOENT' })
  t.throws(() => digestFile(path), { code: 'ENOENT' })
  await t.rejects(collect(fileSource(path, 1).open()), { code: 'ENOENT' })
  t.throws(() => digestFile(t.testdirName), { code: 'EISDIR' })
})

t.test('an aborted read rejects with the reason, untouched', async (t) => {
  const reason = Symbol('enough')
  const source = fileSource(file(t, LONG))
  const aborted = source.open({ signal: AbortSignal.abort(reason) })
  t.equal(await collect(aborted).catch((error: unknown) => error), reason)

  const controller = new AbortController()
  let blocks = 0
  const reading = async (): Promise<void> => {
    for await (const _ of source.open({ signal: controller.signal })) {
      blocks++
      controller.abort(reason)
    }
  }
  t.equal(await reading().catch((error: unknown) => error), reason)
  t.equal(blocks, 1)
})

t.test('no file stays open, however a read ends', { skip: noDescriptors() }, async (t) => {
  const path = file(t, LONG)
  const before = openDescriptors()
  for await (const _ of fileSource(path).open()) break
  await collect(fileSource(path, LONG.byteLength + 1).open({ start: LONG.byteLength })).catch(() => undefined)
  digestFile(path)
  t.equal(openDescriptors(), before)
})

function file(t: Test, bytes: Uint8Array): string {
  return join(t.testdir({ file: Buffer.from(bytes) }), 'file')
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

function noDescriptors(): string | false {
  return process.platform === 'linux' ? false : 'no list of open files on this system'
}
