import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import t from 'tap'
import { apply, decodePath, diff, fromDirectory, pack, packLayer, Tree } from '../src/index.ts'
import { collect, packed } from './archive.ts'
import { isRoot, makeDirectories, names, snapshot, writeBytes } from './disk.ts'

type Call = (...args: unknown[]) => unknown

/** Replaces a function of `node:fs` until the returned function is called. */
function patch(name: 'readdirSync' | 'lstatSync', replacement: (original: Call) => Call): () => void {
  const original = fs[name] as Call
  const set = (value: Call): void => {
    Object.assign(fs, { [name]: value })
    syncBuiltinESMExports()
  }
  set(replacement(original))
  return () => set(original)
}

const failing =
  (suffix: string, code: string) =>
  (original: Call): Call =>
  (path, ...rest) => {
    if (String(path).endsWith(`/${suffix}`)) throw Object.assign(new Error(code), { code })
    return original(path, ...rest)
  }

const paths = (tree: Iterable<{ readonly path: string }>): string[] => [...tree].map(({ path }) => path)

t.test('a directory becomes a tree of all it holds', async (t) => {
  const root = t.testdir({ dir: { file: 'content', sub: {} }, 'dir-x': 'x', 'dir.d': 'y' })
  symlinkSync('../anywhere', `${root}/dir/link`)
  chmodSync(`${root}/dir/file`, 0o4751)
  chmodSync(`${root}/dir`, 0o1770)
  utimesSync(`${root}/dir/file`, 1_700_000_000, 1_700_000_000)
  lutimesSync(`${root}/dir/link`, 1_600_000_000, 1_600_000_000)
  const tree = await fromDirectory(root)
  t.strictSame(paths(tree), ['', 'dir', 'dir/file', 'dir/link', 'dir/sub', 'dir-x', 'dir.d'])
  t.has(tree.get('dir/file'), { type: 'file', size: 7, mode: 0o4751, mtime: 1_700_000_000, mtimeNs: 0 })
  t.has(tree.get('dir/link'), { type: 'symlink', linkname: '../anywhere', mtime: 1_600_000_000, size: 0 })
  t.has(tree.get('dir'), { type: 'directory', mode: 0o1770, size: 0, xattrs: undefined })
  t.equal((await collect(tree.get('dir/file')!.content!.open())).toString(), 'content')
  t.equal((await collect(tree.get('dir/file')!.content!.open({ start: 2, end: 4 }))).toString(), 'nt')
  t.equal((await collect(tree.get('dir/file')!.content!.open({ start: 9 }))).toString(), '')
})

t.test('names are read as bytes', async (t) => {
  const root = t.testdir({})
  const odd = ['é', '\xC3\xA9', '\xFF\xFE', 'a\\b', 'line\nbreak', ' trailing ', 'n'.repeat(255)]
  for (const name of odd) writeBytes(`${root}/${name}`, name)
  symlinkSync(Buffer.from('\xFFtarget', 'latin1'), `${root}/link`)
  const tree = await fromDirectory(root)
  for (const name of odd) {
    const entry = tree.get(decodePath(Buffer.from(name, 'latin1')))
    t.ok(entry, JSON.stringify(name))
    t.equal((await collect(entry!.content!.open())).toString(), name)
  }
  t.equal(tree.get('link')!.linkname, '\uDCFFtarget')
  t.equal((await collect(pack(tree))).length % 512, 0)
})

t.test('the order in which the system lists names does not matter', async (t) => {
  const root = t.testdir({ b: { x: '1', a: '2' }, a: '3', 'b-c': '4' })
  linkSync(`${root}/b/x`, `${root}/z`)
  linkSync(`${root}/b/x`, `${root}/a2`)
  const straight = await collect(pack(await fromDirectory(root)))
  const restore = patch('readdirSync', failing('closed', 'EACCES'))
  await t.rejects(fromDirectory(`${root}/dir`), { code: 'ERR_LAYER_READ', path: 'closed' }).finally(restore)
})

t.test('what vanishes during the walk is an error', async (t) => {
  const root = t.testdir({ a: '', dir: { b: '' } })
  for (const gone of ['a', 'dir/b']) {
    const restore = patch('lstatSync', failing(gone, 'ENOENT'))
    await t.rejects(fromDirectory(root), { code: 'ERR_LAYER_CHANGED', path: gone }, gone).finally(restore)
  }
})

t.test('a file that is not what it was when it is read is an error', async (t) => {
  const size = 3_000_000
  const cases: readonly (readonly [what: string, change: (path: string) => void, code: string])[] = [
    ['vanished', (path) => unlinkSync(path), 'ERR_LAYER_CHANGED'],
    ['grew', (path) => appendFileSync(path, 'x'), 'ERR_LAYER_CHANGED'],
    ['shrank', (path) => truncateSync(path, size - 1), 'ERR_LAYER_CHANGED'],
    ['emptied', (path) => truncateSync(path, 0), 'ERR_LAYER_CHANGED'],
    [
      'became a symlink',
      (path) => {
        unlinkSync(path)
        symlinkSync('/etc/passwd', path)
      },
      'ERR_LAYER_CHANGED',
    ],
    [
      'became a FIFO, which would block',
      (path) => {
        unlinkSync(path)
        execFileSync('mkfifo', [path])
      },
      'ERR_LAYER_CHANGED',
    ],
    [
      'became a directory',
      (path) => {
        unlinkSync(path)
        mkdirSync(path)
      },
      'ERR_LAYER_READ',
    ],
  ]
  for (const [what, change, code] of cases) {
    const root = t.testdir({ f: 'x'.repeat(size), small: 'y' })
    for (const name of ['f', 'small']) {
      if (name === 'small' && what === 'shrank') continue
      const tree = Tree.from([(await fromDirectory(root)).get(name)!])
      change(`${root}/${name}`)
      await t.rejects(collect(pack(tree)), { name: 'LayerError', code, path: name }, `${name} ${what}`)
      await t.rejects(collect(tree.get(name)!.content!.open()), { code }, `${name} ${what}, opened`)
      rmSync(`${root}/${name}`, { recursive: true, force: true })
    }
  }
})

t.test('a signal ends the walk', async (t) => {
  const root = t.testdir({})
  const reason = new Error('enough')
  await t.rejects(fromDirectory(root, { signal: AbortSignal.abort(reason) }), reason)
  for (let index = 0; index < 5000; index++) closeSync(openSync(`${root}/${index}`, 'w'))
  const controller = new AbortController()
  const walk = fromDirectory(root, { signal: controller.signal })
  controller.abort(reason)
  await t.rejects(walk, reason)
  const tree = await fromDirectory(root)
  t.equal(tree.size, 5001)
})

t.test('trees deeper than one system call can name (D23)', async (t) => {
  const root = t.testdir({ source: {}, target: {} })
  const component = 'd'.repeat(250)
  const path = Array.from({ length: 16 }, () => component).join('/')
  const entries = await packed([])
  t.equal(entries.length, 1024)
  const { file, hardlink } = await import('./archive.ts')
  const layer = await packed([
    file(`${path}/f`, 'deep'),
    hardlink(`${path}/h`, `${path}/f`),
    file('\uDCFFx/y', 'raw'),
  ])
  await apply(`${root}/target`, [layer], { owner: 'ignore' })
  const tree = await fromDirectory(`${root}/target`)
  t.equal((await collect(tree.get(`${path}/f`)!.content!.open())).toString(), 'deep')
  t.equal(tree.get(`${path}/h`)!.linkname, `${path}/f`)
  const again = await collect(pack(tree))
  await apply(`${root}/source`, [again], { owner: 'ignore' })
  t.strictSame(await diff(tree, await fromDirectory(`${root}/source`), { content: 'always' }), [])
  const { marker } = await import('./archive.ts')
  await apply(`${root}/source`, [await packed([marker(`.wh.${component}`)])])
  t.strictSame(paths(await fromDirectory(`${root}/source`)), ['', '\uDCFFx', '\uDCFFx/y'])
  execFileSync('rm', ['-rf', `${root}/target`])
})

t.test('reading leaves the tree as it was (T20)', async (t) => {
  const root = t.testdir({ a: 'x', d: { b: 'y' } })
  const before = snapshot(root, { times: true, owners: true })
  const tree = await fromDirectory(root)
  await diff(tree, await fromDirectory(root), { content: 'always' })
  await packLayer(tree, { write: () => {} })
  t.strictSame(snapshot(root, { times: true, owners: true }), before)
  t.equal(names(root).length, 4)
  if (isRoot) chownSync(`${root}/a`, 0, 0)
})
