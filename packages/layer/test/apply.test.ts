import { chmodSync, mkdirSync, realpathSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { digestOf } from '@varve/digest'
import t from 'tap'
import {
  apply,
  type ApplyOptions,
  createEntry,
  type FileSystemAdapter,
  LayerError,
  systemAdapter,
} from '../src/index.ts'
import {
  archive,
  directory,
  file,
  hardlink,
  inOrder,
  marker,
  member,
  pax,
  pieces,
  symlink,
} from './archive.ts'
import { isRoot, names, snapshot } from './disk.ts'
import { SEMANTICS } from './semantics.ts'

for (const { id, layers, files } of SEMANTICS) {
  t.test(id, async (t) => {
    const root = t.testdir({})
    for (const members of layers) await apply(root, [await inOrder(members)])
    t.strictSame(names(root), ['/ dir', ...files])
  })
}

t.test('T6, T7, T8, D20: metadata is exactly that of the layer, whatever the umask', async (t) => {
  const root = t.testdir({})
  const owner = { uid: 1000, gid: 1001 }
  const members = [
    directory('', { mode: 0o751, mtime: 100 }),
    directory('d', { mode: 0o2555, mtime: 200, ...owner }),
    file('d/suid', 'x', { mode: 0o6755, mtime: 300, ...owner }),
    // An ordinary user could not read it, to see that it is right.
    file('d/closed', 'y', { mode: isRoot ? 0 : 0o400, mtime: 2_208_988_800 }),
    symlink('d/link', 'x', { mtime: 400, ...owner }),
    hardlink('d/same', 'd/suid', { mode: 0o777, mtime: 999 }),
    file('new/implicit', 'z', { mode: 0o777 }),
  ]
  const umask = process.umask(0o77)
  const report = await apply(root, [await inOrder(members)]).finally(() => process.umask(umask))
  t.strictSame(report.unsupported, [])
  t.equal(report.entries, members.length)
  const [uid, gid] = isRoot ? ['1000', '1001'] : [process.getuid!(), process.getgid!()]
  const self = isRoot ? '0:0' : `${uid}:${gid}`
  t.strictSame(snapshot(root, { times: true, owners: true }), [
    `/ dir 751 ${self} @100`,
    `/d dir 2555 ${uid}:${gid} @200`,
    `/d/closed "y" ${isRoot ? 0 : 400} ${self} @2208988800`,
    `/d/link -> x ${uid}:${gid} @400`,
    `/d/same "x" 6755 ${uid}:${gid} @300`,
    `/d/suid =/d/same 6755 ${uid}:${gid} @300`,
    `/new dir 755 ${self} @0`,
    `/new/implicit "z" 777 ${self} @0`,
  ])
  chmodSync(`${root}/d`, 0o755)
})

t.test('D21: times of directories survive writes into them, also by later layers', async (t) => {
  const root = t.testdir({})
  await apply(root, [
    await inOrder([
      directory('', { mtime: 50 }),
      directory('a', { mtime: 100 }),
      directory('a/b', { mtime: 200 }),
      file('a/b/f'),
    ]),
  ])
  await apply(root, [await inOrder([file('a/b/g'), marker('a/b/.wh.f'), file('top')])])
  t.strictSame(
    snapshot(root, { times: true }).filter((line) => line.includes(' dir ')),
    ['/ dir 755 @50', '/a dir 755 @100', '/a/b dir 755 @200'],
  )
  const precise = 1_700_000_000.123456
  utimesSync(`${root}/a`, precise, precise)
  const microseconds = (): bigint => statSync(`${root}/a`, { bigint: true }).mtimeNs / 1000n
  const before = microseconds()
  await apply(root, [await inOrder([file('a/another')])])
  t.equal(microseconds(), before, 'to the microsecond')
})

t.test('T24: a directory over a directory replaces all of its metadata', async (t) => {
  const root = t.testdir({})
  await apply(root, [await inOrder([directory('d', { mode: 0o700, mtime: 1, uid: 9 }), file('d/f')])])
  await apply(root, [await inOrder([directory('d', { mode: 0o1777, mtime: 2 })])])
  const [, line] = snapshot(root, { times: true, owners: isRoot })
  t.equal(line, isRoot ? '/d dir 1777 0:0 @2' : '/d dir 1777 @2')
})

t.test('times to the microsecond, and none before 1970', async (t) => {
  const root = t.testdir({})
  const records = (mtime: string): Buffer => pax([['mtime', mtime]])
  const report = await apply(root, [
    archive(
      records('1700000000.123456789'),
      member({ name: 'f' }),
      records('-1.5'),
      member({ name: 'g' }),
      records('-9'),
      member({ name: 'd', type: '5' }),
    ),
  ])
  t.equal(statSync(`${root}/f`, { bigint: true }).mtimeNs / 1000n, 1_700_000_000_123_456n)
  t.equal(statSync(`${root}/g`).mtimeMs, 0)
  t.strictSame(report.unsupported, [
    { path: 'g', attribute: 'mtime' },
    { path: 'd', attribute: 'mtime' },
  ])
})

t.test('the source may be compressed, and cut anywhere', async (t) => {
  const tar = await inOrder([directory('d'), file('d/f', 'x'.repeat(5000)), symlink('l', 'd')])
  for (const source of [tar, gzipSync(tar)]) {
    for (const size of [1000, source.length]) {
      const root = t.testdir({})
      const report = await apply(root, pieces(source, size), { diffID: digestOf(tar) })
      t.equal(report.diffID, digestOf(tar))
      t.equal(report.size, tar.length)
      t.strictSame(names(root), ['/ dir', '/d dir', `/d/f "${'x'.repeat(5000)}"`, '/l -> d'])
    }
  }
})

t.test('B16: the diffID covers every byte, those after the end marker too', async (t) => {
  const tar = Buffer.concat([await inOrder([file('f')]), Buffer.alloc(512), Buffer.from('trailing')])
  const root = t.testdir({})
  const report = await apply(root, [tar], { diffID: digestOf(tar) })
  t.equal(report.diffID, digestOf(tar))
  t.equal((await apply(root, [tar], { diffID: digestOf(tar, 'sha512') })).diffID, digestOf(tar, 'sha512'))
  const shorter = digestOf(tar.subarray(0, -1))
  await t.rejects(apply(root, [tar], { diffID: shorter }), {
    name: 'DigestError',
    code: 'ERR_DIGEST_MISMATCH',
  })
})

t.test(
  'owners are kept, ignored or mapped',
  { skip: isRoot ? false : 'needs root to set owners' },
  async (t) => {
    const members = [file('f', 'x', { uid: 1000, gid: 1001 }), directory('d', { uid: 5, gid: 6 })]
    const owners = async (options: ApplyOptions): Promise<string[]> => {
      const root = t.testdir({})
      await apply(root, [await inOrder(members)], options)
      return ['f', 'd'].map((name) => `${statSync(`${root}/${name}`).uid}:${statSync(`${root}/${name}`).gid}`)
    }
    t.strictSame(await owners({}), ['1000:1001', '5:6'])
    t.strictSame(await owners({ owner: 'ignore' }), ['0:0', '0:0'])
    t.strictSame(await owners({ owner: (uid, gid) => ({ uid: uid + 1, gid: gid + 1 }) }), [
      '1001:1002',
      '6:7',
    ])
  },
)

t.test('attributes, devices and FIFOs go to the adapter', async (t) => {
  const root = t.testdir({})
  const xattrs = new Map([['user.a', Buffer.of(0, 255)]])
  const members = [
    directory('d', { xattrs }),
    file('f', 'x', { xattrs, mode: 0o400 }),
    symlink('l', 'f', { xattrs }),
    file('plain'),
    createEntry({ path: 'null', type: 'char', mode: 0o666, devMajor: 1, devMinor: 3 }),
    createEntry({ path: 'disk', type: 'block', devMajor: 8, devMinor: 1 }),
    createEntry({ path: 'pipe', type: 'fifo', mode: 0o600, mtime: 5 }),
  ]
  const calls: string[] = []
  // A path may begin at a descriptor of its directory.
  const inRoot = (path: string | Uint8Array): string =>
    join(realpathSync(dirname(String(path))), basename(String(path))).slice(realpathSync(root).length)
  const adapter: FileSystemAdapter = {
    setXattrs: (path, all) => {
      const writable = String(path).endsWith('/f')
        ? ` ${(statSync(path as string).mode & 0o777).toString(8)}`
        : ''
      calls.push(`${inRoot(path)} ${[...all.keys()].join()}${writable}`)
      return 'done'
    },
    makeDevice: (path, type, major, minor, mode) => {
      calls.push(`${inRoot(path)} ${type} ${major}:${minor} ${mode.toString(8)}`)
      writeFileSync(path as string, 'stands for a device')
      return 'done'
    },
  }
  const done = await apply(root, [await inOrder(members)], { adapter })
  t.strictSame(calls, [
    '/d user.a',
    '/f user.a 600',
    '/l user.a',
    '/null char 1:3 666',
    '/disk block 8:1 644',
    '/pipe fifo 0:0 600',
  ])
  t.strictSame(done.unsupported, [])
  t.equal(
    statSync(`${root}/f`).mode & 0o777,
    0o400,
    'D19: a file that may not be written to gets attributes and its mode',
  )
  calls.length = 0
  await apply(root, [await inOrder([directory('d'), directory('new')])], { adapter })
  t.strictSame(calls, ['/d '], 'T24: a directory that was there loses what it had')

  const unable: FileSystemAdapter = { setXattrs: () => 'unsupported', makeDevice: () => 'unsupported' }
  const report = await apply(t.testdir({}), [await inOrder(members)], { adapter: unable })
  t.strictSame(
    report.unsupported.map(({ path, attribute }) => `${path} ${attribute}`),
    ['d xattrs', 'f xattrs', 'l xattrs', 'null device', 'disk device', 'pipe device'],
  )
  const alone = t.testdir({})
  await apply(alone, [await inOrder([createEntry({ path: 'dev/null', type: 'char' })])], { adapter: unable })
  t.strictSame(
    snapshot(alone).slice(1),
    ['/dev dir 755'],
    'a parent gets its mode, though nothing came to be in it',
  )
  await t.rejects(apply(t.testdir({}), [await inOrder(members)], { adapter: unable, unsupported: 'error' }), {
    name: 'LayerError',
    code: 'ERR_LAYER_UNSUPPORTED',
    path: 'd',
  })
})

t.test('without an adapter attributes are reported, never dropped silently', async (t) => {
  const root = t.testdir({})
  const report = await apply(root, [
    await inOrder([file('f', 'x', { xattrs: new Map([['user.a', Buffer.of(1)]]) })]),
  ])
  t.strictSame(report.unsupported, [{ path: 'f', attribute: 'xattrs' }])
  t.strictSame(names(root), ['/ dir', '/f "x"'])
})

t.test('the adapter for this system', { skip: isRoot ? false : 'needs root to make devices' }, async (t) => {
  const root = t.testdir({})
  const pipes = [createEntry({ path: 'pipe', type: 'fifo', mode: 0o620, mtime: 7 })]
  t.strictSame(
    (await apply(root, [await inOrder(pipes)])).unsupported,
    [],
    'a FIFO needs no adapter of the caller',
  )
  t.strictSame(snapshot(root, { times: true }).slice(1), ['/pipe fifo 620 @7'])
  const xattrs = new Map([
    ['user.binary', Buffer.of(0, 10, 61, 255)],
    ['user.empty', Buffer.of()],
    ['user.large', Buffer.alloc(2000, 'x')],
  ])
  const members = [directory('d', { xattrs }), file('f', 'x', { xattrs, mode: 0o400 })]
  const report = await apply(root, [await inOrder(members)], { adapter: systemAdapter() })
  if (report.unsupported.length > 0) {
    t.comment('extended attributes are not supported here: not tested')
    return
  }
  const { execFileSync } = await import('node:child_process')
  const list = (name: string): string =>
    execFileSync('getfattr', ['-d', '-m', '-', '-e', 'hex', '--absolute-names', `${root}/${name}`], {
      encoding: 'utf8',
    })
  for (const name of ['d', 'f']) {
    t.match(list(name), 'user.binary=0x000a3dff\n')
    t.match(list(name), /^user\.empty/m)
    t.match(list(name), `user.large=0x${'78'.repeat(2000)}`)
  }
  await apply(root, [await inOrder([directory('d', { xattrs: new Map([['user.new', Buffer.of(1)]]) })])], {
    adapter: systemAdapter(),
  })
  t.match(list('d'), 'user.new=0x01')
  t.notMatch(list('d'), 'user.binary', 'T24: old attributes are gone')
  const raw = await apply(root, [await inOrder([createEntry({ path: '\uDCFF', type: 'fifo' })])], {
    adapter: systemAdapter(),
  })
  t.strictSame(raw.unsupported, [], 'a name that no argument can hold')
  t.ok(names(root).includes('/\xFF fifo'))
})

t.test('B20: sparse files keep their holes', async (t) => {
  const root = t.testdir({})
  await apply(root, [
    archive(
      pax([
        ['GNU.sparse.size', '1048580'],
        ['GNU.sparse.map', '1048576,2'],
      ]),
      member({ name: 'f', body: 'ab' }),
      pax([
        ['GNU.sparse.size', '3'],
        ['GNU.sparse.map', ''],
      ]),
      member({ name: 'empty', body: '' }),
    ),
  ])
  const { size, blocks } = statSync(`${root}/f`)
  t.equal(size, 1_048_580)
  t.ok(blocks * 512 < 200_000)
  t.match(names(root), ['/ dir', /^\/empty/])
})

t.test('what had to make room is reported', async (t) => {
  const root = t.testdir({ a: 'file' })
  const report = await apply(root, [await inOrder([file('a/b')])])
  t.strictSame(report.replaced, ['a'])
})

t.test('a root that is no directory is refused', async (t) => {
  const root = t.testdir({ file: '' })
  symlinkSync('.', `${root}/link`)
  for (const name of ['file', 'link', 'missing']) {
    await t.rejects(apply(`${root}/${name}`, []), { name: 'LayerError', code: 'ERR_LAYER_READ' }, name)
  }
})

t.test('a failure says where, and leaves no half-written file', async (t) => {
  const root = t.testdir({})
  const whole = await inOrder([file('done'), file('half', 'x'.repeat(5000))])
  await t.rejects(apply(root, pieces(whole.subarray(0, 3000), 512)), { code: 'ERR_LAYER_TAR' })
  t.strictSame(names(root), ['/ dir', '/done "done"'])
  const blocked: FileSystemAdapter = {
    setXattrs: () => {
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    },
    makeDevice: () => 'done',
  }
  const failing = await inOrder([file('f', 'x', { xattrs: new Map([['user.a', Buffer.of(1)]]) })])
  const error = await apply(root, [failing], { adapter: blocked }).catch((caught: unknown) => caught)
  t.ok(error instanceof LayerError)
  t.has(error, { code: 'ERR_LAYER_APPLY', path: 'f', cause: { code: 'ENOSPC' } })
  t.strictSame(names(root), ['/ dir', '/done "done"'])
})

t.test('a signal ends it', async (t) => {
  const root = t.testdir({})
  const reason = new Error('enough')
  await t.rejects(apply(root, [], { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const whole = await inOrder([file('half', 'x'.repeat(5000))])
  const aborting = function* (): Generator<Uint8Array> {
    yield whole.subarray(0, 1000)
    controller.abort(reason)
    yield whole.subarray(1000)
  }
  await t.rejects(apply(root, aborting(), { signal: controller.signal }), reason)
  t.strictSame(names(root), ['/ dir'])
})

t.test('an unprivileged process may write below closed directories of its own', async (t) => {
  if (!isRoot) mkdirSync(t.testdirName, { recursive: true })
  const { execFileSync } = await import('node:child_process')
  const root = t.testdir({ work: {} })
  const layer = await inOrder([
    directory('d', { mode: 0o555, mtime: 9 }),
    directory('d/e', { mode: 0o500 }),
    file('d/e/f'),
  ])
  const upper = await inOrder([file('d/g'), marker('d/.wh.e')])
  writeFileSync(`${root}/one.tar`, layer)
  writeFileSync(`${root}/two.tar`, upper)
  const script = `
    import { readFileSync } from 'node:fs'
    import { apply } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)}
    process.setgid?.(65534); process.setuid?.(65534)
    for (const [name, options, refused] of [['one', {}, 0], ['two', {}, 0], ['two', { owner: () => ({ uid: 1, gid: 1 }) }, 1]]) {
      const report = await apply(${JSON.stringify(`${root}/work`)}, [readFileSync(${JSON.stringify(root)} + '/' + name + '.tar')], options)
      if (report.unsupported.filter(({ attribute }) => attribute === 'owner').length !== refused) throw new Error(JSON.stringify(report))
    }`
  if (isRoot) execFileSync('chown', ['65534:65534', `${root}/work`])
  writeFileSync(`${root}/script.mts`, script)
  try {
    execFileSync(process.execPath, [...process.execArgv, `${root}/script.mts`], { stdio: 'pipe', cwd: '/' })
  } catch (error) {
    t.fail(String((error as { stderr: Buffer }).stderr))
  }
  t.strictSame(snapshot(`${root}/work`, { times: true }).slice(1), ['/d dir 555 @9', '/d/g "d/g" 644 @0'])
  chmodSync(`${root}/work/d`, 0o755)
})
