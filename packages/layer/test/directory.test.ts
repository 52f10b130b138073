import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
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
} from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { relative } from 'node:path'
import t from 'tap'
import {
  apply,
  decodePath,
  diff,
  type DirectoryOptions,
  fromDirectory,
  pack,
  packLayer,
  Tree,
} from '../src/index.ts'
import { collect, file, hardlink, marker, packed } from './archive.ts'
import { names, snapshot, writeBytes } from './disk.ts'

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
  let asked = 0
  const restore = patch('readdirSync', (original) => (...args) => {
    asked++
    return (original(...args) as string[]).toReversed()
  })
  try {
    t.ok(straight.equals(await collect(pack(await fromDirectory(root)))))
    t.equal(asked, 2)
  } finally {
    restore()
  }
})

t.test(
  'hard links are found by device and inode; the first in order is the file (T13 to T15, D13)',
  async (t) => {
    const root = t.testdir({ z: { first: 'x' }, sub: {} })
    linkSync(`${root}/z/first`, `${root}/sub/b`)
    linkSync(`${root}/z/first`, `${root}/sub/a`)
    const tree = await fromDirectory(root)
    t.has(tree.get('sub/a'), { type: 'file', size: 1, linkname: '' })
    t.has(tree.get('sub/b'), { type: 'hardlink', linkname: 'sub/a', size: 0 })
    t.has(tree.get('z/first'), { type: 'hardlink', linkname: 'sub/a', content: undefined })
    t.has(tree.get('sub'), { type: 'directory' }, 'a directory has several links, but is none')
    const filtered = await fromDirectory(root, { filter: (path) => path !== 'sub/a' })
    t.equal(filtered.get('z/first')!.linkname, 'sub/b', 'among those that belong to the tree')
  },
)

t.test('a filter leaves out, prunes or descends', async (t) => {
  const root = t.testdir({ keep: { a: '' }, prune: { b: '' }, through: { c: '', d: {} }, f: '' })
  const asked: string[] = []
  const tree = await fromDirectory(root, {
    filter: (path, isDirectory) => {
      asked.push(`${path}${isDirectory ? '/' : ''}`)
      if (path === 'prune' || path === 'f') return false
      return path === 'through' ? 'descend' : true
    },
  })
  t.strictSame(paths(tree), ['', 'keep', 'keep/a', 'through/c', 'through/d'])
  t.strictSame(asked, ['f', 'keep/', 'keep/a', 'prune/', 'through/', 'through/c', 'through/d/'])
})

t.test('times and owners can be rewritten', async (t) => {
  const root = t.testdir({ old: '', new: '' })
  utimesSync(`${root}/old`, 1000, 1000.25)
  utimesSync(`${root}/new`, 3000, 3000)
  const times = async (options: DirectoryOptions): Promise<unknown> => {
    const tree = await fromDirectory(root, options)
    return ['old', 'new'].map((path) => `${tree.get(path)!.mtime}+${tree.get(path)!.mtimeNs}`)
  }
  t.strictSame(await times({}), ['1000+250000000', '3000+0'])
  t.strictSame(await times({ mtime: 7 }), ['7+0', '7+0'])
  t.strictSame(await times({ mtime: { clamp: 2000 } }), ['1000+250000000', '2000+0'])
  t.strictSame(await times({ mtime: { clamp: 1000 } }), ['1000+0', '1000+0'])
  const owned = await fromDirectory(root, { owner: { uid: 5, gid: 6 } })
  t.has(owned.get('old'), { uid: 5, gid: 6 })
  const { uid } = statSync(root)
  const mapped = await fromDirectory(root, { owner: (u, g) => ({ uid: u + 1000, gid: g + 2000 }) })
  t.equal(mapped.get('old')!.uid, uid + 1000)
})

t.test('times are read to the microsecond, or exactly', async (t) => {
  const root = t.testdir({ f: '' })
  const read = async (nanoseconds: boolean): Promise<string> => {
    const { mtime, mtimeNs } = (await fromDirectory(root, { nanoseconds })).get('f')!
    return `${mtime}+${mtimeNs}`
  }
  // touch(1) can set what Node cannot.
  const cases: readonly (readonly [time: string, exact: string, quick: string])[] = [
    ['2023-11-14T22:13:20.123456789Z', '1700000000+123456789', '1700000000+123457000'],
    ['2023-11-14T22:13:20.999999999Z', '1700000000+999999999', '1700000000+999999000'],
    ['2023-11-14T22:13:20.000000001Z', '1700000000+1', '1700000000+0'],
    ['2023-11-14T22:13:20Z', '1700000000+0', '1700000000+0'],
    ['1969-12-31T23:59:58.5Z', '-2+500000000', '-2+500000000'],
    ['1969-12-31T23:59:59.999999999Z', '-1+999999999', '-1+999999000'],
    ['1969-12-31T23:59:58.000000001Z', '-2+1', '-2+0'],
    ['1969-12-31T23:59:58.000999999Z', '-2+999999', '-2+1000000'],
    ['1969-12-31T23:59:58Z', '-2+0', '-2+0'],
    ['1970-01-01T00:00:00Z', '0+0', '0+0'],
    ['2023-11-14T22:13:20.001000001Z', '1700000000+1000001', '1700000000+1000000'],
    ['2040-01-01T00:00:00Z', '2208988800+0', '2208988800+0'],
  ]
  for (const [time, exact, quick] of cases) {
    execFileSync('touch', ['-d', time, `${root}/f`])
    t.equal(await read(true), exact, time)
    t.equal(await read(false), quick, `${time}, quickly`)
  }
})

t.test('the time of a file does not depend on those before it', async (t) => {
  const base = t.testdir({ all: {}, alone: { f: '' } })
  const [root, alone] = [`${base}/all`, `${base}/alone`]
  const times = [
    '20',
    '20.123456789',
    '20.999999999',
    '20.5',
    '21',
    '20.000000499',
    '20.000001501',
    '20.999999501',
  ]
  const expected: string[] = []
  for (const [index, time] of times.entries()) {
    for (const [after, name] of [`${index}-a`, `${index}-b`, `${index}-c`].entries()) {
      const date = after === 0 ? `2023-11-14T22:13:${time}Z` : '2023-11-14T22:13:20.25Z'
      writeBytes(`${root}/${name}`, '')
      execFileSync('touch', ['-d', date, `${root}/${name}`])
      execFileSync('touch', ['-d', date, `${alone}/f`])
      const { mtime, mtimeNs } = (await fromDirectory(alone)).get('f')!
      expected.push(`${name} ${mtime}+${mtimeNs}`)
    }
  }
  const tree = await fromDirectory(root)
  const found = [...tree].filter(({ path }) => path !== '')
  t.strictSame(
    found.map(({ path, mtime, mtimeNs }) => `${path} ${mtime}+${mtimeNs}`),
    expected,
  )
})

t.test('sockets are left out and reported (T5)', async (t) => {
  const root = t.testdir({ a: '' })
  // The name of a socket may have no more than 107 bytes: bind it where that is short.
  const server = createServer().listen(relative(process.cwd(), `${root}/s`))
  await once(server, 'listening')
  const skipped: string[] = []
  const tree = await fromDirectory(root, { onSkip: (path, reason) => void skipped.push(`${path} ${reason}`) })
  server.close()
  t.strictSame(skipped, ['s socket'])
  t.strictSame(paths(tree), ['', 'a'])
})

t.test('devices and FIFOs are entries', async (t) => {
  const root = t.testdir({})
  execFileSync('mkfifo', [`${root}/fifo`])
  const tree = await fromDirectory(root)
  t.has(tree.get('fifo'), { type: 'fifo', size: 0 })
  try {
    execFileSync('mknod', [`${root}/null`, 'c', '1', '3'], { stdio: 'ignore' })
    execFileSync('mknod', [`${root}/block`, 'b', '259', '70000'], { stdio: 'ignore' })
  } catch {
    t.comment('mknod is not permitted here: devices not tested')
    return
  }
  const devices = await fromDirectory(root)
  t.has(devices.get('null'), { type: 'char', devMajor: 1, devMinor: 3 })
  t.has(devices.get('block'), { type: 'block', devMajor: 259, devMinor: 70_000 })
})

t.test('what is no readable directory is refused', async (t) => {
  const root = t.testdir({ file: '', dir: { closed: { x: '' } } })
  symlinkSync('dir', `${root}/link`)
  for (const name of ['file', 'link', 'missing']) {
    await t.rejects(fromDirectory(`${root}/${name}`), { name: 'LayerError', code: 'ERR_LAYER_READ' }, name)
  }
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
})
