import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BlockReader, bytesSource, type ByteSource } from '@varve/digest'
import { fileSource } from '@varve/digest/node'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import { type Entry, fromTar, pack, Tree } from '../src/index.ts'
import { comparePaths } from '../src/path.ts'
import {
  archive,
  collect,
  directory,
  END,
  file,
  inOrder,
  marker,
  member,
  packed,
  pax,
  symlink,
} from './archive.ts'

const MEBIBYTE = 1024 * 1024

/** A source of blocks that remembers what was read, and from where. */
interface Spy {
  readonly source: ByteSource
  readonly reads: [position: number, length: number][]
  closed: number
}

function spied(bytes: Uint8Array): Spy {
  const spy: Spy = {
    reads: [],
    closed: 0,
    source: {
      size: bytes.byteLength,
      open: (options) => bytesSource(bytes).open(options),
      openBlocks: (): BlockReader => ({
        size: bytes.byteLength,
        read: (target, position) => {
          const part = bytes.subarray(position, position + target.byteLength)
          target.set(part)
          spy.reads.push([position, part.byteLength])
          return part.byteLength
        },
        close: () => void spy.closed++,
      }),
    },
  }
  return spy
}

function onDisk(t: Test, bytes: Uint8Array): ByteSource {
  const path = join(t.testdir(), 'archive.tar')
  writeFileSync(path, bytes)
  return fileSource(path)
}

async function describe(tree: Tree): Promise<string[]> {
  const found: string[] = []
  for (const { path, type, content } of tree)
    found.push(`${path}:${type}:${content === undefined ? '' : (await collect(content.open())).toString()}`)
  return found
}

t.test('a file is read as any other source is', async (t) => {
  const tar = await packed([
    directory('d'),
    file('d/large', 'l'.repeat(3 * MEBIBYTE)),
    file('d/small', 'small'),
    file(`d/${'é'.repeat(200)}`, 'long name'),
    symlink('s', 'd/small'),
    file('z', 'last'),
  ])
  const source = onDisk(t, tar)
  const tree = await fromTar(source)
  t.ok(tar.equals(await collect(pack(tree))), 'and gives the same archive again')
  t.strictSame(await describe(tree), await describe(await fromTar(bytesSource(tar))))
})

t.test('bodies beyond the block at hand are not read', async (t) => {
  const tar = await packed([file('a', 'a'.repeat(20 * MEBIBYTE)), file('b', 'b'.repeat(5000)), file('c')])
  const spy = spied(tar)
  t.strictSame(
    [...(await fromTar(spy.source))].map(({ path, size }) => [path, size]),
    [
      ['a', 20 * MEBIBYTE],
      ['b', 5000],
      ['c', 1],
    ],
  )
  const total = spy.reads.reduce((sum, [, length]) => sum + length, 0)
  t.ok(total < MEBIBYTE, `read ${total} of ${tar.length} bytes`)
  t.equal(spy.closed, 1)
})

t.test('what follows the end marker is not read, but counts', async (t) => {
  const tar = Buffer.concat([member({ name: 'a' }), END, Buffer.alloc(4 * MEBIBYTE, 1)])
  const spy = spied(tar)
  t.equal((await fromTar(spy.source)).size, 1)
  t.equal(spy.reads.length, 1)
  await t.rejects(fromTar(spied(tar).source, { limits: { bytes: MEBIBYTE } }), { code: 'ERR_LAYER_LIMIT' })
})

t.test('B19: a body that is passed over has to be there', async (t) => {
  const tar = await packed([file('a', 'a'.repeat(MEBIBYTE)), file('b')])
  for (const length of [600, 300_000, 512 + MEBIBYTE - 1]) {
    const spy = spied(tar.subarray(0, length))
    await t.rejects(fromTar(spy.source), { code: 'ERR_LAYER_TAR' }, `${length}`)
    t.equal(spy.closed, 1, 'and the file is closed')
  }
  t.equal((await fromTar(spied(tar.subarray(0, 512 + MEBIBYTE)).source)).size, 1, 'up to its last byte')
})

t.test('a sparse body is passed over as it is stored', async (t) => {
  const body = 'x'.repeat(MEBIBYTE)
  const tar = archive(
    pax([
      ['GNU.sparse.size', String(3 * MEBIBYTE)],
      ['GNU.sparse.map', `10,${MEBIBYTE - 5},${2 * MEBIBYTE},5`],
    ]),
    member({ name: 'sparse', body }),
    member({ name: 'z', body: 'after' }),
  )
  const tree = await fromTar(spied(tar).source)
  t.equal(tree.get('sparse')!.size, 3 * MEBIBYTE)
  t.equal((await collect(tree.get('z')!.content!.open())).toString(), 'after')
  const content = await collect(tree.get('sparse')!.content!.open())
  t.equal(content.length, 3 * MEBIBYTE)
  t.equal(content.toString('latin1', 8, 12), '\0\0xx')
  t.equal(content.toString('latin1', 2 * MEBIBYTE - 1, 2 * MEBIBYTE + 6), '\0xxxxx\0')
})

t.test('a signal ends a long read, and the file is closed', async (t) => {
  const members = Array.from({ length: 40_000 }, (_, index) => member({ name: `f${index}` }))
  const spy = spied(archive(...members))
  const controller = new AbortController()
  const reason = new Error('enough')
  setImmediate(() => controller.abort(reason))
  await t.rejects(fromTar(spy.source, { signal: controller.signal }), reason)
  t.equal(spy.closed, 1)
  t.ok(spy.reads.length < 79, 'before its end')
})

t.test('C2: more members than the budget are refused while they are read', async (t) => {
  const members = Array.from({ length: 5000 }, (_, index) => member({ name: `f${index}` }))
  const spy = spied(archive(...members))
  await t.rejects(fromTar(spy.source, { limits: { entries: 100 } }), {
    code: 'ERR_LAYER_LIMIT',
    limit: 'entries',
  })
  t.equal(spy.reads.length, 1)
})

t.test('D5: a whiteout below a file of its own archive does not take the place of the file', async (t) => {
  for (const members of [
    [file('d', 'file'), marker('d/.wh.x')],
    [marker('.wh.d'), file('d', 'file'), marker('d/.wh..wh..opq')],
    [marker('d/.wh.x'), file('d', 'file')],
  ]) {
    const tree = await fromTar(bytesSource(await inOrder(members)))
    t.equal(tree.get('d')?.type, 'file', members.map(({ path }) => path).join())
  }
  const replaced = await inOrder([file('d', 'file'), marker('d/.wh.x'), file('d/y')])
  t.equal((await fromTar(bytesSource(replaced))).get('d'), undefined, 'but a member does')
})

t.test('members in any order give what extracting them one after the other gives', async (t) => {
  const name = fc.array(fc.constantFrom('a', 'b', 'a-', 'b.c'), { minLength: 1, maxLength: 4 })
  const entry = fc.tuple(name, fc.constantFrom('file', 'directory', 'symlink'), fc.nat({ max: 99 }))
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 14 }), async (members) => {
      const entries = members.map(([parts, type, mtime]) => {
        const path = parts.join('/')
        if (type === 'directory') return directory(path, { mtime })
        return type === 'file' ? file(path, path, { mtime }) : symlink(path, 'x', { mtime })
      })
      const tree = await fromTar(bytesSource(await inOrder(entries)))
      const seen = [...tree].map(({ path, type, mtime }) => `${path}:${type}:${mtime}`)
      assert.deepEqual(seen, extracted(entries))
    }),
    { numRuns: 1000 },
  )
  t.pass('for every order tried')
})

/** What is left when each member replaces what is in its way. */
function extracted(entries: readonly Entry[]): string[] {
  const found = new Map<string, Entry>()
  for (const entry of entries) {
    for (const [path, other] of found) {
      const below = path.startsWith(`${entry.path}/`)
      const above = entry.path.startsWith(`${path}/`)
      if ((below && entry.type !== 'directory') || (above && other.type === 'file')) found.delete(path)
    }
    found.set(entry.path, entry)
  }
  return [...found.values()]
    .toSorted((a, b) => comparePaths(a.path, b.path))
    .map(({ path, type, mtime }) => `${path}:${type}:${mtime}`)
}
