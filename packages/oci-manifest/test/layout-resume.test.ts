/** Blobs that were not written in one go. */
import {
  type ByteSource,
  bytesSource,
  type Descriptor,
  describe,
  type OpenOptions,
  readAll,
} from '@varve/digest'
import { prepareWorker } from '@varve/testing/workers'
import { once } from 'node:events'
import {
  linkSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type ImageLayout, openLayout } from '../src/layout.ts'

const SIZE = 5_000_000
const BYTES = Uint8Array.from({ length: SIZE }, (_, index) => (index * 7) ^ (index >> 9))
const BLOB = describe('x/y', BYTES)
const CLEAN = ['blobs', 'index.json', 'oci-layout']
const CHUNK = 65_536

const filesOf = ({ directory }: ImageLayout): string[] => readdirSync(directory).toSorted()
const partialsOf = (layout: ImageLayout): string[] =>
  filesOf(layout).filter((name) => name.endsWith('.partial'))

async function makeLayout(t: Test): Promise<ImageLayout> {
  return openLayout(join(t.testdir(), 'layout'), { create: true })
}

/** Bytes in small chunks, which tells where it was opened, and fails where it is told to. */
function makeSource(
  bytes: Uint8Array,
  failAt: number = Infinity,
  failure: () => void = () => {
    throw new Error('cut off')
  },
): ByteSource & { readonly starts: number[] } {
  const starts: number[] = []
  return {
    size: bytes.byteLength,
    starts,
    async *open({ start = 0, signal }: OpenOptions = {}) {
      starts.push(start)
      for (let at = start; at < bytes.byteLength; at += CHUNK) {
        signal?.throwIfAborted()
        if (at >= failAt) failure()
        yield bytes.subarray(at, at + CHUNK)
      }
    },
  }
}

async function assertWhole(t: Test, layout: ImageLayout, blob: Descriptor = BLOB): Promise<void> {
  const source = (await layout.read(blob)) as ByteSource
  t.ok(Buffer.from(await readAll(source.open(), 1e8)).equals(BYTES), 'whole')
  t.strictSame(filesOf(layout), CLEAN, 'and nothing else is left')
}

t.test('L1: a write that was interrupted goes on where it stopped', async (t) => {
  const layout = await makeLayout(t)
  const starts: number[] = []
  for (const failAt of [2_000_000, 3_000_000, 3_000_001, 4_500_000]) {
    const source = makeSource(BYTES, failAt)
    await t.rejects(layout.write(BLOB, source), { message: 'cut off' })
    starts.push(...source.starts)
    t.equal(partialsOf(layout).length, 1, 'one file is left')
    t.notOk(await layout.has(BLOB), 'which is no blob')
  }
  const last = makeSource(BYTES)
  await layout.write(BLOB, last)
  starts.push(...last.starts)
  t.equal(starts[0], 0)
  t.strictSame(
    starts,
    starts.toSorted((a, b) => a - b),
  )
  t.ok(starts.slice(1).every((start) => start > 1_800_000))
  t.ok((starts.at(-1) ?? 0) > 4_300_000, 'no more is asked for than is missing')
  await assertWhole(t, layout)
})

t.test('L1: so does one that was aborted', async (t) => {
  const layout = await makeLayout(t)
  const reason = new Error('enough')
  const controller = new AbortController()
  const aborting = makeSource(BYTES, 3_000_000, () => {
    controller.abort(reason)
    controller.signal.throwIfAborted()
  })
  await t.rejects(layout.write(BLOB, aborting, { signal: controller.signal }), reason)
  t.equal(partialsOf(layout).length, 1)
  const whileHashing = makeSource(BYTES)
  await t.rejects(layout.write(BLOB, whileHashing, { signal: AbortSignal.abort(reason) }), reason)
  t.equal(partialsOf(layout).length, 1, 'an abort before anything takes nothing away')
  const rest = makeSource(BYTES)
  await layout.write(BLOB, rest)
  t.ok((rest.starts[0] ?? 0) > 2_800_000)
  await assertWhole(t, layout)
})

t.test('L1: what was left is not believed', async (t) => {
  const damages: readonly (readonly [why: string, damage: (path: string) => void])[] = [
    ['other bytes', (path) => writeFileSync(path, new Uint8Array(2_000_000))],
    ['all bytes, and wrong', (path) => writeFileSync(path, new Uint8Array(SIZE))],
    ['more than all bytes', (path) => writeFileSync(path, new Uint8Array(SIZE + 1))],
    ['nothing', (path) => truncateSync(path, 0)],
  ]
  for (const [why, damage] of damages) {
    const layout = await openLayout(join(t.testdir(), 'layout'), { create: true })
    await t.rejects(layout.write(BLOB, makeSource(BYTES, 3_000_000)))
    damage(join(layout.directory, partialsOf(layout)[0] ?? ''))
    const source = makeSource(BYTES)
    await layout.write(BLOB, source)
    t.equal(source.starts.at(-1), 0, `${why}: from the beginning`)
    await assertWhole(t, layout)
  }
  const layout = await openLayout(join(t.testdir(), 'layout'), { create: true })
  await t.rejects(layout.write(BLOB, makeSource(BYTES, 3_000_000)))
  const path = join(layout.directory, partialsOf(layout)[0] ?? '')
  writeFileSync(path, BYTES)
  const unread = makeSource(BYTES)
  await layout.write(BLOB, unread)
  t.strictSame(unread.starts, [], 'if all of it is there, the source is not asked')
  await assertWhole(t, layout)
})

t.test('S9: wrong bytes leave nothing, whoever began', async (t) => {
  const layout = await makeLayout(t)
  const wrong = BYTES.slice()
  wrong[4_000_000] = 0
  for (const began of [false, true]) {
    if (began) await t.rejects(layout.write(BLOB, makeSource(BYTES, 3_000_000)), { message: 'cut off' })
    const source = makeSource(wrong)
    await t.rejects(layout.write(BLOB, source), { name: 'DigestError', code: 'ERR_DIGEST_MISMATCH' })
    t.equal(source.starts.at(-1), 0, 'the beginning was given a second chance')
    t.strictSame(filesOf(layout), CLEAN)
  }
  await t.rejects(layout.write(BLOB, makeSource(BYTES.subarray(0, 4_000_000))), { code: 'ERR_DIGEST_SIZE' })
  t.strictSame(filesOf(layout), CLEAN)
  t.notOk(await layout.has(BLOB))
})

t.test('L1: writers of one blob do not take each other’s file', async (t) => {
  const layout = await makeLayout(t)
  const slow = (): ByteSource => ({
    size: SIZE,
    async *open({ start = 0 } = {}) {
      t.equal(start, 0, 'each has its own')
      for await (const chunk of makeSource(BYTES).open()) {
        await new Promise(setImmediate)
        yield chunk
      }
    },
  })
  await Promise.all([0, 1, 2].map(() => layout.write(BLOB, slow())))
  await assertWhole(t, layout)
  const other = await openLayout(layout.directory)
  const small = describe('x/y', BYTES.subarray(0, 1000))
  await t.rejects(other.write(small, makeSource(BYTES.subarray(0, 1000), 0)))
  t.strictSame(filesOf(layout), CLEAN, 'what is small is not worth keeping')
})

t.test('L1: a partial file is forgotten after a day', async (t) => {
  const layout = await makeLayout(t)
  await layout.write(describe('x/y', BYTES.subarray(0, 9)), bytesSource(BYTES.subarray(0, 9)))
  await t.rejects(layout.write(BLOB, makeSource(BYTES, 3_000_000)))
  const path = join(layout.directory, partialsOf(layout)[0] ?? '')
  const root = describe('x/y', BYTES.subarray(0, 9))
  const hours = (number: number): Date => new Date(Date.now() - number * 3_600_000)
  utimesSync(path, hours(23), hours(23))
  await layout.tag('a', root)
  t.equal(partialsOf(layout).length, 1)
  utimesSync(path, hours(25), hours(25))
  await layout.tag('b', root)
  t.strictSame(filesOf(layout), CLEAN)
})

t.test('L1: what a killed process left is gone on with by another', async (t) => {
  const layout = await makeLayout(t)
  const zeros = new Uint8Array(4_000_000)
  const blob = describe('x/y', zeros)
  const entry = join(import.meta.dirname, 'fixtures', 'write-worker.ts')
  const start = await prepareWorker(entry, join(layout.directory, '..'))
  const worker = start(layout.directory, blob.digest, String(blob.size), '3000000')
  await once(worker, 'message')
  const [name = ''] = partialsOf(layout)
  // What the worker has handed over may still be on its way to the file.
  while (statSync(join(layout.directory, name)).size <= 2_000_000) await wait(5)

  const meanwhile = makeSource(zeros, 1_200_000)
  await t.rejects(layout.write(blob, meanwhile), { message: 'cut off' })
  t.strictSame(meanwhile.starts, [0], 'while it lives, its file is its own')
  t.equal(partialsOf(layout).length, 2)

  worker.kill('SIGKILL')
  await once(worker, 'exit')
  const rest = makeSource(zeros)
  await layout.write(blob, rest)
  t.equal(rest.starts.length, 1)
  t.ok((rest.starts[0] ?? 0) > 2_000_000, 'the longer of the two')
  t.ok(readFileSync(join(layout.directory, 'blobs', ...blob.digest.split(':'))).equals(zeros))
  t.strictSame(filesOf(layout), CLEAN)
})

t.test('S11: a file that has another name, and what is no file, is not gone on with', async (t) => {
  const layout = await makeLayout(t)
  const zeros = new Uint8Array(4_000_000)
  const blob = describe('x/y', zeros)
  const victim = join(layout.directory, '..', 'victim')
  writeFileSync(victim, new Uint8Array(2_000_000).fill(1))
  const partial = join(layout.directory, `.varve-${blob.digest.replace(':', '-')}.partial`)
  linkSync(victim, partial)
  const source = makeSource(zeros)
  await layout.write(blob, source)
  t.strictSame(source.starts, [0])
  t.ok(
    readFileSync(victim).every((byte) => byte === 1),
    'the other file is as it was',
  )

  const other = describe('x/y', new Uint8Array(3_000_000))
  symlinkSync(victim, join(layout.directory, `.varve-${other.digest.replace(':', '-')}.partial`))
  await layout.write(other, makeSource(new Uint8Array(3_000_000)))
  t.ok(readFileSync(victim).every((byte) => byte === 1))
})
