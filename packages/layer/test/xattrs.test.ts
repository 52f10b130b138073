import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { decodePath, diff, fromDirectory, pack } from '../src/index.ts'
import { readXattrs } from '../src/xattrs.ts'
import { createSnapshot } from '../src/snapshot.ts'
import { collect } from './archive.ts'
import { needs } from './peers.ts'
import { isRoot, writeBytes } from './disk.ts'

const probe = t.testdir({ f: '' })
const missing = needs('getfattr', 'setfattr')
const works = spawnSync('setfattr', ['-n', 'user.a', '-v', '1', `${probe}/f`]).status === 0
const skip = { skip: missing || (works ? false : 'the file system has no user attributes') }

/** One character a byte in names of files and attributes. */
function set(path: string, name: string, value: string): void {
  const escape = (text: string): string =>
    text.replaceAll(/[\\=\n\r]/gu, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`)
  const dump = `# file: ${escape(path)}\n${escape(name)}=0x${Buffer.from(value, 'latin1').toString('hex')}\n\n`
  execFileSync('setfattr', ['--restore=-'], { input: Buffer.from(dump, 'latin1'), cwd: '/' })
}

const plain = (found: ReadonlyMap<string, ReadonlyMap<string, Uint8Array> | undefined>): unknown =>
  Object.fromEntries(
    [...found].map(([path, values]) => [
      path,
      values && [...values].map(([name, value]) => `${name}=${Buffer.from(value).toString('latin1')}`),
    ]),
  )

t.test('T9, B23: names and values are read byte for byte, names in order', skip, async (t) => {
  const root = t.testdir({ dir: { a: '' }, none: '' })
  set(`${root}/dir/a`, 'user.z', 'last')
  set(`${root}/dir/a`, 'user.binary', '\0\n=\xFF"\\')
  set(`${root}/dir/a`, 'user.empty', '')
  set(`${root}/dir/a`, 'user.q\n=\\ \xFF', 'odd')
  set(`${root}/dir`, 'user.dir', 'd')
  set(root, 'user.root', 'r')
  const odd = ['line\nbreak', 'back\\012slash', '# file: x', 'eq=x', 'cr\rx', ' sp ', '\xFF\xFE', '\xC3\xA9']
  for (const name of odd) {
    writeBytes(`${root}/${name}`, '')
    set(`${root}/${name}`, 'user.n', name)
  }
  const found = await readXattrs(root)
  t.strictSame(plain(found!), {
    '': ['user.root=r'],
    dir: ['user.dir=d'],
    'dir/a': ['user.binary=\0\n=\xFF"\\', 'user.empty=', 'user.q\n=\\ \uDCFF=odd', 'user.z=last'],
    ...Object.fromEntries(odd.map((name) => [decodePath(Buffer.from(name, 'latin1')), [`user.n=${name}`]])),
  })
  const named = decodePath(Buffer.from(`${root}/\xFF\xFE dir`, 'latin1'))
  mkdirSync(Buffer.from(`${root}/\xFF\xFE dir`, 'latin1'))
  set(`${root}/\xFF\xFE dir`, 'user.x', 'y')
  t.strictSame(plain((await readXattrs(named))!), { '': ['user.x=y'] }, 'a root that is not UTF-8')
})

t.test('only the paths that are asked for', skip, async (t) => {
  const root = t.testdir({ dir: { a: '', b: '' }, none: '' })
  for (const path of ['dir', 'dir/a', 'dir/b']) set(`${root}/${path}`, 'user.n', path)
  set(root, 'user.n', 'root')
  const read = async (...paths: string[]): Promise<unknown> => plain((await readXattrs(root, { paths }))!)
  t.strictSame(await read('dir', 'none'), { dir: ['user.n=dir'] })
  t.strictSame(await read('', 'dir/b'), { '': ['user.n=root'], 'dir/b': ['user.n=dir/b'] })
  t.strictSame(await read(), {})
  const many = Array.from({ length: 3_000 }, (_, index) => `dir/${'long'.repeat(30)}-${index}`)
  t.match(await read(...many, 'dir/a'), { 'dir/a': ['user.n=dir/a'] }, 'more than one list of arguments')
  const name = '\xFF'
  writeBytes(`${root}/${name}`, '')
  set(`${root}/${name}`, 'user.n', 'raw')
  t.match(await read('\uDCFF'), { '\uDCFF': ['user.n=raw'] }, 'a name that is not UTF-8')
})

t.test('large values, and more than fits a pipe', skip, async (t) => {
  const root = t.testdir({})
  for (let index = 0; index < 100; index++) {
    writeFileSync(`${root}/${index}`, '')
    set(`${root}/${index}`, 'user.large', String(index).padEnd(2000, 'x'))
  }
  const found = await readXattrs(root)
  t.equal(found!.size, 100)
  t.equal(Buffer.from(found!.get('42')!.get('user.large')!).toString(), '42'.padEnd(2000, 'x'))
})

t.test(
  'what belongs to the host is left out',
  { ...skip, ...(!isRoot && { skip: 'needs root' }) },
  async (t) => {
    const root = t.testdir({ f: '' })
    set(`${root}/f`, 'trusted.overlay.opaque', 'y')
    set(`${root}/f`, 'user.overlay.origin', 'y')
    set(`${root}/f`, 'user.kept', 'k')
    t.strictSame(plain((await readXattrs(root))!), { f: ['user.kept=k'] })
    t.strictSame(plain((await readXattrs(root, { filter: (name) => name.startsWith('trusted.') }))!), {
      f: ['trusted.overlay.opaque=y'],
    })
  },
)

t.test('D18: a capability of a user namespace becomes a plain one', async (t) => {
  const root = t.testdir({
    f: '',
    tool: '#!/bin/sh\nprintf "# file: /proc/self/fd/3/./f\\nsecurity.capability=0s%s\\n\\n" AQAAAwAgAAAAAAAAAAAAAAAAAADoAwAA\n',
  })
  chmodSync(`${root}/tool`, 0o755)
  const found = await readXattrs(root, { tool: `${root}/tool` })
  t.equal(
    Buffer.from(found!.get('f')!.get('security.capability')!).toString('hex'),
    '0100000200200000000000000000000000000000',
  )
})

t.test('attributes that cannot be read are unknown, not empty', async (t) => {
  const root = t.testdir({
    'a: b': '',
    ok: '',
    tool: `#!/bin/sh
printf 'getfattr: /proc/self/fd/3/./closed: Permission denied\\n' >&2
printf '/proc/self/fd/3/./a: b: user.x: Permission denied\\n' >&2
printf '# file: /proc/self/fd/3/./a: b\\nuser.y=0sMQ==\\n\\n'
exit 1
`,
  })
  chmodSync(`${root}/tool`, 0o755)
  const unknown: string[] = []
  const onUnknownXattrs = (path: string, reason: string): void => void unknown.push(`${path} ${reason}`)
  const found = await readXattrs(root, { tool: `${root}/tool`, onUnknown: onUnknownXattrs })
  t.ok(found!.has('a: b'))
  t.equal(found!.get('a: b'), undefined)
  t.ok(unknown.includes('closed unreadable'))
  t.ok(unknown.includes('a: b unreadable'))
  const tree = await fromDirectory(root, { xattrs: found! })
  t.equal(tree.get('a: b')!.xattrs, undefined)
  t.equal(tree.get('ok')!.xattrs!.size, 0)
})

t.test('without the tool all attributes are unknown', async (t) => {
  const root = t.testdir({ f: '' })
  const path = process.env['PATH']
  t.teardown(() => void (process.env['PATH'] = path))
  process.env['PATH'] = `relative:${root}`
  const unknown: string[] = []
  const onUnknownXattrs = (name: string, reason: string): void => void unknown.push(`${name} ${reason}`)
  t.equal(await readXattrs(root), undefined)
  const tree = await fromDirectory(root, { xattrs: 'read', onUnknownXattrs })
  t.equal(tree.get('f')!.xattrs, undefined)
  t.strictSame(unknown, [' tool'])
  t.equal((await createSnapshot(root, { xattrs: 'read' })).tree.get('f')!.xattrs, undefined)
})

t.test('what is no directory, or no tool, is an error; a signal ends it', async (t) => {
  const root = t.testdir({ f: '', slow: '#!/bin/sh\nexec sleep 30\n' })
  chmodSync(`${root}/slow`, 0o755)
  symlinkSync('.', `${root}/link`)
  for (const name of ['f', 'link', 'missing']) {
    await t.rejects(readXattrs(`${root}/${name}`), { name: 'LayerError', code: 'ERR_LAYER_READ' }, name)
  }
  await t.rejects(readXattrs(root, { tool: `${root}/missing` }), { code: 'ERR_LAYER_READ' })
  const reason = new Error('enough')
  await t.rejects(readXattrs(root, { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const reading = readXattrs(root, { tool: `${root}/slow`, signal: controller.signal })
  setTimeout(() => controller.abort(reason), 50)
  await t.rejects(reading, reason)
})

t.test('D11: an attribute alone is a change, also for a snapshot', skip, async (t) => {
  const root = t.testdir({ f: 'x', g: 'x' })
  set(`${root}/g`, 'user.a', '1')
  await new Promise((done) => setTimeout(done, 150))
  const before = await fromDirectory(root, { xattrs: 'read' })
  const first = await createSnapshot(root, { xattrs: 'read', digests: new Map() })
  set(`${root}/f`, 'user.a', '1')
  const after = await fromDirectory(root, { xattrs: 'read' })
  t.strictSame(
    (await diff(before, after)).map(({ path }) => path),
    ['f'],
  )
  const second = await createSnapshot(root, { xattrs: 'read', previous: first })
  t.equal(Buffer.from(second.tree.get('f')!.xattrs!.get('user.a')!).toString(), '1')
  t.equal(second.tree.get('g'), first.tree.get('g'))
  t.strictSame(
    (await diff(first.tree, second.tree)).map(({ path }) => path),
    ['f'],
  )
  t.match((await collect(pack(after))).toString('latin1'), 'SCHILY.xattr.user.a=1')
})
