import { type Digest, digestOf } from '@varve/digest'
import * as fc from 'fast-check'
import {
  appendFileSync,
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { apply, type Change, diff, fromDirectory, layerTree, pack } from '../src/index.ts'
import { createSnapshot, type Snapshot, type SnapshotOptions } from '../src/snapshot.ts'
import { decodeSnapshot, encodeSnapshot } from '../src/snapshot/codec.ts'
import { collect } from './archive.ts'
import { snapshot as listing, writeBytes } from './disk.ts'

const listed = (changes: readonly Change[]): string[] => changes.map(({ kind, path }) => `${kind[0]} ${path}`)

/** Longer than changes of the file system's clock may go unnoticed. */
const settle = (): Promise<void> => setTimeout(150)

async function next(previous: Snapshot, options: SnapshotOptions = {}): Promise<[Snapshot, string[]]> {
  const snapshot = await createSnapshot(previous.root, { ...options, previous })
  return [snapshot, listed(await diff(previous.tree, snapshot.tree))]
}

const digestsOf = (root: string, ...paths: string[]): Map<string, Digest> =>
  new Map(paths.map((path) => [path, digestOf(readFileSync(`${root}/${path}`))]))

t.test('an untouched directory gives the very same entries', async (t) => {
  const root = t.testdir({ a: 'x', d: { b: 'y', c: '' } })
  symlinkSync('a', `${root}/l`)
  linkSync(`${root}/a`, `${root}/d/h`)
  await settle()
  const first = await createSnapshot(root)
  const plain = await fromDirectory(root)
  t.strictSame(
    [...first.tree].map((entry) => ({ ...entry, content: undefined })),
    [...plain].map((entry) => ({ ...entry, content: undefined })),
  )
  const [second, changes] = await next(first)
  t.strictSame(changes, [])
  t.ok([...second.tree].every((entry) => first.tree.get(entry.path) === entry))
  t.ok((await collect(pack(second.tree))).equals(await collect(pack(plain))), 'which pack like any others')
})

t.test('D7: other content of the same size and time is found by the digest on record', async (t) => {
  const root = t.testdir({ f: 'aaaa', g: 'gggg' })
  for (const name of ['f', 'g']) utimesSync(`${root}/${name}`, 1_700_000_000.25, 1_700_000_000.25)
  await settle()
  const first = await createSnapshot(root, { digests: digestsOf(root, 'f') })
  t.equal(first.digest('g'), undefined, 'nothing is read without need')
  writeFileSync(`${root}/f`, 'bbbb')
  utimesSync(`${root}/f`, 1_700_000_000.25, 1_700_000_000.25)
  const [second, changes] = await next(first)
  t.strictSame(changes, ['m f'])
  t.strictSame(
    listed(await diff(first.tree, second.tree, { content: 'stat' })),
    ['m f'],
    'whatever the policy',
  )
  t.equal(second.digest('f'), digestOf(Buffer.from('bbbb')))
})

t.test('a stamp that moved is a suspicion, no change', async (t) => {
  const root = t.testdir({ same: 'xx', touched: 'yy', unknown: 'zz', d: { e: '' } })
  await settle()
  const first = await createSnapshot(root, { digests: digestsOf(root, 'same', 'touched') })
  for (const name of ['same', 'unknown']) {
    const { atimeMs, mtimeMs } = lstatSync(`${root}/${name}`)
    writeFileSync(`${root}/${name}`, readFileSync(`${root}/${name}`))
    utimesSync(`${root}/${name}`, atimeMs / 1000, mtimeMs / 1000)
    // What Node sets is cut to microseconds: record the times as they are now.
  }
  utimesSync(`${root}/touched`, 5, 5)
  writeFileSync(`${root}/d/e`, '')
  const second = await createSnapshot(root, { previous: first })
  const found = listed(await diff(first.tree, second.tree, { ignoreMtimeOnly: true }))
  t.strictSame(found, ['m unknown'], 'only what has no digest on record counts as changed')
  chmodSync(`${root}/same`, 0o600)
  const [, changes] = await next(second)
  t.strictSame(changes, ['m same'])
})

t.test('D9, D10: links made and broken', async (t) => {
  const root = t.testdir({ a: 'x', b: 'y' })
  linkSync(`${root}/b`, `${root}/c`)
  await settle()
  const first = await createSnapshot(root, { digests: digestsOf(root, 'a', 'c') })
  t.equal(first.digest('b'), digestOf(Buffer.from('y')), 'a digest by any name')
  t.equal(first.digest('c'), first.digest('b'))
  linkSync(`${root}/a`, `${root}/0`)
  const [second, made] = await next(first)
  t.strictSame(made, ['a 0', 'm a'])
  const { mtimeMs } = lstatSync(`${root}/c`)
  writeFileSync(`${root}/c2`, 'y')
  utimesSync(`${root}/c2`, mtimeMs / 1000, mtimeMs / 1000)
  renameSync(`${root}/c2`, `${root}/c`)
  t.strictSame((await next(second))[1], ['m c'])
})

t.test('a link whose file changed is a change, though its own entry is the old one', async (t) => {
  const root = t.testdir({ a: 'x' })
  linkSync(`${root}/a`, `${root}/b`)
  await settle()
  const first = await createSnapshot(root)
  appendFileSync(`${root}/b`, 'y')
  t.strictSame((await next(first))[1], ['m a', 'm b'])
})

t.test('what is fresh is read at once, and again the next time', async (t) => {
  const root = t.testdir({ f: 'aaaa' })
  const first = await createSnapshot(root)
  t.equal(first.digest('f'), digestOf(Buffer.from('aaaa')), 'its stamp may not show another change')
  const [second, changes] = await next(first)
  t.strictSame(changes, [])
  t.equal(second.tree.get('f'), first.tree.get('f'), 'the entry is taken over')
  // A change that no stamp shows: as if the clock had stood still.
  const forged = await createSnapshot(root)
  forged.learn('f', digestOf(Buffer.from('old!')))
  t.strictSame((await next(forged))[1], ['m f'])
})

t.test('digests can be learnt while the tree is packed', async (t) => {
  const root = t.testdir({ f: 'aaaa', d: {} })
  await settle()
  const snapshot = await createSnapshot(root)
  snapshot.learn('f', digestOf(Buffer.from('aaaa')))
  snapshot.learn('d', digestOf(Buffer.from('')))
  snapshot.learn('missing', digestOf(Buffer.from('')))
  t.equal(snapshot.digest('f'), digestOf(Buffer.from('aaaa')))
  t.equal(snapshot.digest('d'), undefined)
  t.throws(() => snapshot.learn('f', digestOf(Buffer.from(''), 'sha512')), TypeError)
})

t.test('a snapshot against a tree from elsewhere', async (t) => {
  const root = t.testdir({ here: { f: 'aaaa', g: 'gggg' }, there: { f: 'bbbb', g: 'gggg' } })
  for (const path of ['here/f', 'there/f', 'here/g', 'there/g']) utimesSync(`${root}/${path}`, 5, 5)
  const here = await createSnapshot(`${root}/here`, { digests: digestsOf(`${root}/here`, 'f', 'g') })
  const there = await fromDirectory(`${root}/there`)
  writeFileSync(`${root}/here/f`, 'bbbb')
  t.strictSame(
    listed(await diff(here.tree, there)),
    ['m f'],
    'the digest counts, not what became of the file',
  )
})

t.test('T20: neither tree is written to', async (t) => {
  const root = t.testdir({ a: 'x', d: { b: 'y' } })
  const before = listing(root, { times: true, owners: true })
  await next(await createSnapshot(root))
  t.strictSame(listing(root, { times: true, owners: true }), before)
})

t.test('snapshots can be stored', async (t) => {
  const root = t.testdir({ a: 'x', d: { b: 'yy', sub: {} }, 'd-x': '' })
  symlinkSync('\uD83D\uDE00', `${root}/link`)
  linkSync(`${root}/a`, `${root}/h`)
  writeBytes(`${root}/\xFF\n`, 'raw')
  utimesSync(`${root}/a`, 1, 1.5)
  await settle()
  const xattrs = new Map([
    ['d/b', new Map([['user.\uDCFFx', Buffer.of(0, 10, 255)]])],
    ['d', undefined],
  ])
  const first = await createSnapshot(root, { xattrs, digests: digestsOf(root, 'a') })
  const again = decodeSnapshot(encodeSnapshot(first), root)
  t.equal(again.time, first.time)
  t.equal(again.digest('h'), digestOf(Buffer.from('x')))
  const plain = (snapshot: Snapshot): unknown =>
    [...snapshot.tree].map(({ xattrs: values, ...rest }) => [
      rest,
      values && [...values].map(([n, v]) => [n, [...v]]),
    ])
  t.strictSame(plain(again), plain(first))
  const [second, changes] = await next(again, { xattrs })
  t.strictSame(changes, [])
  t.ok([...second.tree].every((entry) => again.tree.get(entry.path) === entry))
  t.strictSame(encodeSnapshot(again), encodeSnapshot(first), 'the same bytes')
})

t.test('stored snapshots that are damaged are refused', async (t) => {
  const root = t.testdir({ a: 'x', d: { b: 'yy' } })
  const bytes = encodeSnapshot(await createSnapshot(root))
  const refused = { name: 'LayerError', code: 'ERR_LAYER_SNAPSHOT' }
  t.throws(() => decodeSnapshot(new Uint8Array(), root), refused, 'nothing')
  t.throws(() => decodeSnapshot(Buffer.concat([bytes, Buffer.of(0)]), root), refused, 'too long')
  const signed = (body: Uint8Array): Uint8Array =>
    Buffer.concat([body, Buffer.from(digestOf(body).slice('sha256:'.length), 'hex')])
  const body = bytes.subarray(0, -32)
  t.equal(decodeSnapshot(signed(body), root).tree.size, 4)
  t.throws(
    () => decodeSnapshot(signed(Buffer.concat([body, Buffer.of(0)])), root),
    refused,
    'something behind',
  )
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const bad = Buffer.from(bytes)
      bad[at]! ^= mask
      t.throws(() => decodeSnapshot(bad, root), refused, `byte ${at}`)
    }),
  )
  // With a checksum that fits, damage may go unnoticed; but it is an error of ours or a snapshot, and nothing else.
  fc.assert(
    fc.property(fc.nat(body.length - 1), fc.uint8Array({ minLength: 1, maxLength: 12 }), (at, junk) => {
      const bad = signed(Buffer.concat([body.subarray(0, at), junk, body.subarray(at + junk.length)]))
      try {
        decodeSnapshot(bad, root)
      } catch (error) {
        t.match(error, refused)
      }
    }),
    { numRuns: 500 },
  )
  const { entries, stamps, time } = await createSnapshot(root, { owner: { uid: 1.5, gid: 0 } })
  t.throws(() => encodeSnapshot({ entries, stamps, time, root } as unknown as Snapshot), {
    code: 'ERR_LAYER_ENTRY',
  })
})

t.test('T21: whatever is done to a directory, the changes make the new tree of the old one', async (t) => {
  const names = ['a', 'b', 'c']
  interface Step {
    readonly what: string
    readonly at: readonly string[]
    readonly to: readonly string[]
    readonly text: string
  }
  const step: fc.Arbitrary<Step> = fc.record({
    what: fc.constantFrom('write', 'remove', 'mkdir', 'link', 'symlink', 'rename', 'chmod'),
    at: fc.tuple(fc.constantFrom(...names), fc.constantFrom('', ...names)),
    to: fc.tuple(fc.constantFrom(...names), fc.constantFrom('', ...names)),
    text: fc.constantFrom('', 'x', 'y', 'zz'),
  })
  const steps = fc.array(step, { minLength: 1, maxLength: 8 })
  const perform = (root: string, { what, at, to, text }: Step): void => {
    const [path, target] = [at, to].map((parts) => `${root}/${parts.filter(Boolean).join('/')}`) as [
      string,
      string,
    ]
    try {
      if (what === 'write') writeFileSync(path, text)
      else if (what === 'remove') rmSync(path, { recursive: true, force: true })
      else if (what === 'mkdir') mkdirSync(path)
      else if (what === 'link') linkSync(path, target)
      else if (what === 'symlink') symlinkSync('a', path)
      else if (what === 'rename') renameSync(path, target)
      else chmodSync(path, 0o700)
    } catch {
      // What cannot be done is left undone.
    }
  }
  let count = 0
  const dir = t.testdir({})
  await fc.assert(
    fc.asyncProperty(steps, steps, async (before, after) => {
      const base = `${dir}/${++count}`
      mkdirSync(`${base}/tree`, { recursive: true })
      mkdirSync(`${base}/copy`)
      const root = `${base}/tree`
      for (const action of before) perform(root, action)
      const first = await createSnapshot(root)
      const packed = await collect(pack(first.tree))
      for (const action of after) perform(root, action)
      const second = await createSnapshot(root, { previous: first })
      const layer = layerTree(await diff(first.tree, second.tree), second.tree)
      await apply(`${base}/copy`, [packed])
      await apply(`${base}/copy`, pack(layer))
      t.strictSame(listing(`${base}/copy`), listing(root), `run ${count}`)
    }),
    { numRuns: 25 },
  )
})

t.test('a signal ends it, and what vanishes is an error', async (t) => {
  const root = t.testdir({ f: 'x' })
  const reason = new Error('enough')
  await t.rejects(createSnapshot(root, { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const snapshot = createSnapshot(root, {
    signal: controller.signal,
    filter: () => {
      controller.abort(reason)
      return true
    },
  })
  await t.rejects(snapshot, reason)
  const filter = (path: string): boolean => {
    rmSync(`${root}/${path}`)
    return true
  }
  await t.rejects(createSnapshot(root, { filter }), { name: 'LayerError', code: 'ERR_LAYER_CHANGED' })
})
