/**
 * The core flows as an ordinary user. Where the suite runs as root, this process takes another effective user first:
 * that is what the system asks for when it grants or refuses. Real and saved user stay root, so that tap can write its
 * records at the end. The other files of the suite are then those that root runs.
 *
 * @module
 */
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { apply, createEntry, diff, fromDirectory, layerTree, pack, Tree } from '../src/index.ts'
import { directory, file, hardlink, inOrder, marker, packed, symlink } from './archive.ts'
import { isRoot, snapshot } from './disk.ts'
import { place } from './peers.ts'

/** "nobody", by tradition. */
const NOBODY = 65_534
const foreign = isRoot ? prepareForeign() : undefined

/** What an ordinary user meets: directories and files of root. */
function prepareForeign(): string {
  const base = place(t, 'theirs', 'theirs/closed', 'shared', 'shared/d')
  chmodSync(base, 0o755)
  writeFileSync(join(base, 'theirs/file'), 'theirs', { mode: 0o644 })
  writeFileSync(join(base, 'theirs/secret'), 'secret', { mode: 0o600 })
  chmodSync(join(base, 'theirs/closed'), 0o700)
  // A directory of the user with a file and a directory of root in it.
  writeFileSync(join(base, 'shared/file'), 'theirs', { mode: 0o644 })
  chownSync(join(base, 'shared'), NOBODY, NOBODY)
  return base
}

if (isRoot) {
  const [groups, group] = [process.getgroups!(), process.getegid!()]
  process.setgroups!([])
  process.setegid!(NOBODY)
  process.seteuid!(NOBODY)
  t.teardown(() => {
    process.seteuid!(0)
    process.setegid!(group)
    process.setgroups!(groups)
  })
}

/** Makes a directory that has all an ordinary user can make. */
function fill(root: string): void {
  mkdirSync(join(root, 'open'))
  mkdirSync(join(root, 'closed/deep'), { recursive: true })
  writeFileSync(join(root, 'closed/deep/file'), 'closed', { mode: 0o400 })
  writeFileSync(join(root, 'closed/other'), 'other', { mode: 0o444 })
  writeFileSync(join(root, 'open/set'), 'set')
  chmodSync(join(root, 'open/set'), 0o4711)
  linkSync(join(root, 'open/set'), join(root, 'open/same'))
  symlinkSync('../closed/other', join(root, 'open/link'))
  chmodSync(join(root, 'closed/deep'), 0o555)
  chmodSync(join(root, 'closed'), 0o555)
}

/** An ordinary user cannot remove what is in closed directories. */
function workspace(t: Test, ...directories: readonly string[]): string {
  const base = place(t, ...directories)
  t.teardown(() => {
    for (const path of ['closed', 'closed/deep', 'new', 'd']) {
      for (const each of directories) openUp(join(base, each, path))
    }
    rmSync(base, { recursive: true, force: true })
  })
  return base
}

function openUp(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) chmodSync(path, 0o755)
}

const exact = { times: true, owners: true }

t.test('this is not root', async (t) => {
  t.not(process.geteuid!(), 0)
  t.throws(() => chownSync(place(t), 0, 0), { code: 'EPERM' })
})

t.test('a directory is packed and applied: closed directories, read-only files, hard links', async (t) => {
  const base = workspace(t, 'in', 'out')
  fill(join(base, 'in'))
  const report = await apply(join(base, 'out'), pack(await fromDirectory(join(base, 'in'))))
  t.strictSame(snapshot(join(base, 'out'), exact), snapshot(join(base, 'in'), exact))
  t.strictSame(report.unsupported, [])
})

t.test('D20: changes in closed directories are found, packed and applied, whiteouts too', async (t) => {
  const base = workspace(t, 'in', 'out')
  fill(join(base, 'in'))
  const before = await fromDirectory(join(base, 'in'))
  await apply(join(base, 'out'), pack(before))
  for (const path of ['closed', 'closed/deep']) chmodSync(join(base, 'in', path), 0o755)
  rmSync(join(base, 'in/closed/deep'), { recursive: true })
  rmSync(join(base, 'in/closed/other'))
  rmSync(join(base, 'in/open/set'))
  writeFileSync(join(base, 'in/closed/other'), 'changed', { mode: 0o400 })
  mkdirSync(join(base, 'in/new'))
  writeFileSync(join(base, 'in/new/file'), 'new', { mode: 0 })
  chmodSync(join(base, 'in/new/file'), 0o400)
  chmodSync(join(base, 'in/new'), 0o555)
  chmodSync(join(base, 'in/closed'), 0o555)
  const after = await fromDirectory(join(base, 'in'))
  const layer = layerTree(await diff(before, after), after)
  t.ok(layer.has(marker('closed/.wh.deep').path))
  await apply(join(base, 'out'), pack(layer))
  t.strictSame(snapshot(join(base, 'out'), exact), snapshot(join(base, 'in'), exact))
})

t.test('a whiteout removes a tree of closed directories', async (t) => {
  const base = workspace(t, 'out')
  await apply(join(base, 'out'), [
    await packed([
      directory('d', { mode: 0o500 }),
      directory('d/e', { mode: 0 }),
      file('d/e/f', 'x', { mode: 0 }),
      directory('closed', { mode: 0o555 }),
      file('closed/f', 'x', { mode: 0o400 }),
    ]),
  ])
  await apply(join(base, 'out'), [await inOrder([marker('.wh.d'), marker('closed/.wh..wh..opq')])])
  t.strictSame(snapshot(join(base, 'out')).slice(1), ['/closed dir 555'])
})

t.test('owners of a layer are not set unless they are asked for, and then reported', async (t) => {
  const base = workspace(t, 'ignored', 'kept')
  const mine = { uid: process.geteuid!(), gid: process.getegid!() }
  const layer = await packed([
    directory('d', { mode: 0o555, uid: 0, gid: 0 }),
    file('d/theirs', 'x', { mode: 0o4755, uid: 1_000_000, gid: 5 }),
    file('d/mine', 'x', mine),
    hardlink('d/same', 'd/theirs'),
    symlink('d/link', 'theirs', { uid: 3, gid: 3 }),
  ])
  const ignored = await apply(join(base, 'ignored'), [layer])
  t.strictSame(ignored.unsupported, [])
  const kept = await apply(join(base, 'kept'), [layer], { owner: 'keep' })
  t.strictSame(kept.unsupported.map(({ path, attribute }) => `${path} ${attribute}`).toSorted(), [
    'd owner',
    'd/link owner',
    'd/theirs owner',
  ])
  t.strictSame(snapshot(join(base, 'kept'), exact).slice(1), snapshot(join(base, 'ignored'), exact).slice(1))
  t.equal(statSync(join(base, 'kept/d/theirs')).mode & 0o7777, 0o4755)
  await t.rejects(apply(join(base, 'kept'), [layer], { owner: 'keep', unsupported: 'error' }), {
    code: 'ERR_LAYER_UNSUPPORTED',
  })
})

t.test('devices are reported', async (t) => {
  const base = workspace(t, 'out')
  const { unsupported } = await apply(join(base, 'out'), [
    await packed([createEntry({ path: 'null', type: 'char', devMajor: 1, devMinor: 3 }), file('f')]),
  ])
  t.strictSame(
    unsupported.map(({ path }) => path),
    ['null'],
  )
  t.equal(statSync(join(base, 'out/f')).size, 1)
})

t.test('what may not be read is an error, and so is what may not be written', async (t) => {
  const base = workspace(t, 'in', 'closed')
  writeFileSync(join(base, 'in/unreadable'), 'x', { mode: 0o200 })
  await t.rejects(consume(pack(await fromDirectory(join(base, 'in')))), {
    name: 'LayerError',
    path: 'unreadable',
  })
  mkdirSync(join(base, 'in/d'), 0o300)
  await t.rejects(fromDirectory(join(base, 'in')), { code: 'ERR_LAYER_READ', path: 'd' })
})

t.test('files of others', { skip: foreign === undefined && 'only root can prepare them' }, async (t) => {
  const theirs = join(foreign!, 'theirs')
  await t.rejects(fromDirectory(theirs), { code: 'ERR_LAYER_READ', path: 'closed' })
  const readable = await fromDirectory(theirs, { filter: (path) => path === 'file' })
  t.equal(readable.get('file')?.uid, 0)
  const shared = join(foreign!, 'shared')
  const layer = layerTree(await diff(Tree.from([directory('')]), readable), readable)
  await apply(shared, pack(layer))
  t.equal(
    statSync(join(shared, 'file')).uid,
    NOBODY,
    'a file of another is replaced, as its directory is ours',
  )
  // The directory of another cannot be written to.
  await t.rejects(apply(shared, [await packed([file('d/x')])]), { code: 'ERR_LAYER_APPLY' })
  await t.rejects(apply(theirs, [await packed([file('x')])]), { code: 'ERR_LAYER_APPLY' })
  t.strictSame(snapshot(shared).slice(1), ['/d dir 755', '/file "theirs" 644'])
})

async function consume(chunks: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of chunks);
}
