/**
 * Owners, extended attributes, names of any bytes, and digests of what is written.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdtempSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '@varve/digest'
import t from 'tap'
import { systemAdapter } from '../src/apply/adapter.ts'
import { mapOwners, type OwnerMap, squashOwners } from '../src/apply/owners.ts'
import { isImageXattr } from '../src/xattrs/image-xattrs.ts'
import { apply } from '../src/apply.ts'
import { archive, directory, file, hardlink, inOrder, marker, member, pax, symlink } from './archive.ts'
import { needs, passOver } from './peers.ts'
import { isRoot, names, snapshot } from './disk.ts'

const CAPABILITY_2 = Buffer.from('0100000200200000000000000000000000000000', 'hex')
/** As written in a user namespace whose root is user 100000. */
const CAPABILITY_3 = Buffer.from('0100000300200000000000000000000000000000a0860100', 'hex')

function attributes(path: string): string[] {
  const args = ['-h', '-d', '-m', '-', '-e', 'hex', '--absolute-names', '--', path]
  const output = execFileSync('getfattr', args, { encoding: 'latin1', stdio: ['ignore', 'pipe', 'ignore'] })
  return output.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

/** Whether the tools are there, and the file system takes attributes. */
function supported(root: string): boolean {
  if (needs('getfattr', 'setfattr') !== false) return false
  try {
    execFileSync('setfattr', ['-n', 'user.probe', '-v', '1', root], { stdio: 'ignore' })
    execFileSync('setfattr', ['-x', 'user.probe', root], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

t.test('attributes of any bytes, of many files', async (t) => {
  const root = t.testdir({})
  if (!supported(root)) {
    passOver(t, 'the file system takes no attributes, or the tools are missing')
    return
  }
  const xattrs = new Map<string, Uint8Array>([
    ['user.binary', Buffer.of(0, 10, 61, 255)],
    ['user.empty', Buffer.of()],
    ['user.odd \\\n\uDCFF', Buffer.of(1)],
    ['user.overlay.opaque', Buffer.from('y')],
    ['user.large', Buffer.alloc(1500, 'x')],
  ])
  const members = [
    directory('d', { xattrs, mode: 0o555 }),
    ...Array.from({ length: 100 }, (_, index) => file(`d/f${index}`, 'x', { xattrs, mode: 0o400, mtime: 7 })),
    file('d/\uDCFE\n', 'x', { xattrs }),
  ]
  const report = await apply(root, [await inOrder(members)], { adapter: systemAdapter() })
  t.strictSame(report.unsupported, [])
  const expected = [
    'user.binary=0x000a3dff',
    'user.empty=0x',
    `user.large=0x${'78'.repeat(1500)}`,
    'user.odd\\040\\134\\012\\377=0x01',
  ]
  const normal = (path: string): string[] =>
    attributes(path)
      .map((line) =>
        line
          .replace('odd \\', 'odd\\040\\')
          .replace('\xFF', '\\377')
          .replace(/empty$/u, 'empty=0x'),
      )
      .toSorted()
  for (const name of ['d', 'd/f0', 'd/f63', 'd/f64', 'd/f99'])
    t.strictSame(normal(`${root}/${name}`), expected, name)
  t.match(snapshot(root, { times: true })[2], /^\/d\/f0 "x" 400 @7$/, 'D19: and the mode is right')
  t.match(snapshot(root)[1], /^\/d dir 555$/, 'D20')
  const replaced = await apply(
    root,
    [await inOrder([directory('d', { xattrs: new Map([['user.new', Buffer.of(1)]]) }), directory('d')])],
    { adapter: systemAdapter() },
  )
  t.equal(replaced.unsupported.length, 2, 'a name that no argument can hold cannot be removed')
  t.strictSame(
    normal(`${root}/d`).filter((line) => !line.includes('odd')),
    [],
    'T24: and by a later entry of the same layer',
  )
})

t.test('attributes that are refused are named, and the others set', async (t) => {
  const root = t.testdir({})
  if (!supported(root)) {
    passOver(t, 'the file system takes no attributes, or the tools are missing')
    return
  }
  const xattrs = new Map([
    ['user.a', Buffer.of(1)],
    ['bogus.b', Buffer.of(2)],
    ['user.c', Buffer.of(3)],
  ])
  const members = [
    file('f', 'x', { xattrs }),
    file('g', 'x', { xattrs: new Map([['user.a', Buffer.of(1)]]) }),
  ]
  const report = await apply(root, [await inOrder(members)], { adapter: systemAdapter() })
  t.strictSame(report.unsupported, [{ path: 'f', attribute: 'xattrs', names: ['bogus.b'] }])
  t.strictSame(attributes(`${root}/f`).toSorted(), ['user.a=0x01', 'user.c=0x03'])
  await t.rejects(
    apply(t.testdir({}), [await inOrder(members)], { adapter: systemAdapter(), unsupported: 'error' }),
    { code: 'ERR_LAYER_UNSUPPORTED', path: 'f' },
  )
})

t.test('D18: capabilities survive the owner, and lose the user of their namespace', async (t) => {
  const root = t.testdir({})
  if (!isRoot) return void t.pass('needs root', { skip: 'capabilities need root' })
  if (!supported(root)) return passOver(t, 'the file system takes no attributes, or the tools are missing')
  const members = [CAPABILITY_2, CAPABILITY_3].map((value, index) =>
    file(`f${index}`, 'x', {
      xattrs: new Map([['security.capability', value]]),
      uid: 5,
      mode: 0o755,
      mtime: 9,
    }),
  )
  const trusted = symlink('l', 'f0', { xattrs: new Map([['trusted.t', Buffer.of(1)]]) })
  const report = await apply(root, [await inOrder([...members, trusted])], { adapter: systemAdapter() })
  t.strictSame(report.unsupported, [])
  for (const name of ['f0', 'f1']) {
    t.strictSame(
      attributes(`${root}/${name}`),
      [`security.capability=0x${CAPABILITY_2.toString('hex')}`],
      name,
    )
    t.equal(statSync(`${root}/${name}`).uid, 5)
    t.equal(statSync(`${root}/${name}`).mtimeMs, 9000)
  }
  t.strictSame(attributes(`${root}/l`), ['trusted.t=0x01'], 'of a symlink itself')
})

t.test('which attributes are set is the filter’s decision', async (t) => {
  for (const name of [
    'security.selinux',
    'system.nfs4_acl',
    'trusted.overlay.opaque',
    'user.overlay.redirect',
  ]) {
    t.notOk(isImageXattr(name), name)
  }
  for (const name of [
    'user.a',
    'security.capability',
    'system.posix_acl_access',
    'trusted.x',
    'user.overlay',
  ]) {
    t.ok(isImageXattr(name), name)
  }
  const seen: string[] = []
  const xattrs = new Map(['user.a', 'user.b', 'security.selinux'].map((name) => [name, Buffer.of(1)]))
  const layer = [await inOrder([file('f', 'x', { xattrs })])]
  const adapter = {
    setXattrs: (_path: unknown, all: ReadonlyMap<string, Uint8Array>) => {
      seen.push([...all.keys()].join())
      return 'done' as const
    },
    makeDevice: () => 'done' as const,
  }
  await apply(t.testdir({}), layer, { adapter })
  await apply(t.testdir({}), layer, { adapter, xattrFilter: (name) => name !== 'user.a' })
  t.strictSame(seen, ['user.a,user.b', 'security.selinux,user.b'])
  t.strictSame((await apply(t.testdir({}), layer, { xattrFilter: () => false })).unsupported, [])
})

t.test('owners by ranges', async (t) => {
  const uids = [
    { container: 0, host: 1000, size: 1 },
    { container: 1, host: 100_000, size: 65_535 },
  ]
  const rule = (unmapped?: OwnerMap['unmapped']): ((uid: number, gid: number) => unknown) =>
    mapOwners({ uids, gids: uids, ...(unmapped === undefined ? {} : { unmapped }) }) as never
  t.strictSame(rule()(0, 1), { uid: 1000, gid: 100_000 })
  t.strictSame(rule()(65_535, 0), { uid: 165_534, gid: 1000 })
  t.throws(() => rule()(65_536, 0), { name: 'LayerError', code: 'ERR_LAYER_UNSUPPORTED' })
  t.throws(() => rule()(0, 65_536), { name: 'LayerError', code: 'ERR_LAYER_UNSUPPORTED' })
  t.equal(rule('report')(0, 65_536), undefined)
  t.strictSame(rule({ uid: 7, gid: 8 })(70_000, 0), { uid: 7, gid: 8 })
  t.strictSame((squashOwners({ uid: 3, gid: 4 }) as (uid: number, gid: number) => unknown)(0, 0), {
    uid: 3,
    gid: 4,
  })
  for (const range of [
    { container: 0, host: 0, size: 0 },
    { container: -1, host: 0, size: 1 },
    { container: 0, host: 0.5, size: 1 },
    { container: 0, host: 2 ** 32 - 2, size: 2 },
  ]) {
    t.throws(() => mapOwners({ uids: [range], gids: [] }), TypeError, JSON.stringify(range))
  }
  const layer = [await inOrder([directory('d', { uid: 9, gid: 9 }), file('d/f', 'x', { uid: 70_000 })])]
  await t.rejects(apply(t.testdir({}), layer, { owner: rule() as never }), {
    code: 'ERR_LAYER_UNSUPPORTED',
    path: 'd/f',
  })
  const root = t.testdir({})
  const owner = mapOwners({
    uids: [{ container: 9, host: 500, size: 1 }],
    gids: [{ container: 0, host: 600, size: 10 }],
    unmapped: 'report',
  })
  const report = await apply(root, layer, { owner })
  t.strictSame(
    report.unsupported.filter(({ path }) => path === 'd/f'),
    [{ path: 'd/f', attribute: 'owner' }],
  )
  if (!isRoot) return
  t.strictSame(
    report.unsupported.map(({ path }) => path),
    ['d/f'],
  )
  t.equal(statSync(`${root}/d`).uid, 500)
  t.equal(statSync(`${root}/d`).gid, 609)
})

t.test('owners are right below a setgid directory', { skip: isRoot ? false : 'needs root' }, async (t) => {
  const root = t.testdir({})
  await apply(root, [await inOrder([directory('d', { mode: 0o2775, gid: 50 }), file('x', '', { gid: 3 })])])
  await apply(root, [
    await inOrder([file('d/f'), file('d/g', 'x', { gid: 50 }), symlink('d/l', 'f'), directory('d/e')]),
  ])
  t.strictSame(snapshot(root, { owners: true }).slice(1), [
    '/d dir 2775 0:50',
    '/d/e dir 755 0:0',
    '/d/f "d/f" 644 0:0',
    '/d/g "x" 644 0:50',
    '/d/l -> f 0:0',
    '/x "" 644 0:3',
  ])
})

t.test(
  'directories made below a setgid directory get what the layer says',
  { skip: isRoot ? false : 'needs root' },
  async (t) => {
    const root = t.testdir({})
    await apply(root, [await inOrder([directory('d', { mode: 0o2775, gid: 50 })])])
    await apply(root, [
      await inOrder([
        file('d/before'),
        directory('d/a'),
        directory('d/a/b', { mode: 0o2755, gid: 50 }),
        file('d/a/b/f', '', { gid: 50 }),
        file('d/a/f'),
        directory('d/a/g', { mode: 0o700, gid: 50 }),
      ]),
    ])
    t.strictSame(snapshot(root, { owners: true }).slice(1), [
      '/d dir 2775 0:50',
      '/d/a dir 755 0:0',
      '/d/a/b dir 2755 0:50',
      '/d/a/b/f "" 644 0:50',
      '/d/a/f "d/a/f" 644 0:0',
      '/d/a/g dir 700 0:50',
      '/d/before "d/before" 644 0:0',
    ])
  },
)

t.test('directories get their modes under any umask', async (t) => {
  const modes = [0o777, 0o775, 0o755, 0o711, 0o700, 0o555, 0o1777, 0o2755]
  const layer = await inOrder(modes.flatMap((mode) => [directory(`${mode}`, { mode }), file(`${mode}/f`)]))
  for (const umask of [0, 0o22, 0o27, 0o77]) {
    const root = t.testdir({})
    const before = process.umask(umask)
    try {
      await apply(root, [layer.subarray(0, 4096), layer.subarray(4096)])
    } finally {
      process.umask(before)
    }
    for (const mode of modes) t.equal(statSync(`${root}/${mode}`).mode & 0o7777, mode)
  }
})

t.test(
  'a directory that is described twice is as it was said last, also if it was closed in between',
  { skip: isRoot ? false : 'needs root' },
  async (t) => {
    const root = t.testdir({})
    const others = Array.from({ length: 300 }, (_, index) => `other-${index}`)
    await apply(root, [
      await inOrder([
        directory('d', { mode: 0o2750, uid: 5, gid: 6 }),
        file('d/f'),
        ...others.flatMap((name) => [directory(name), file(`${name}/f`)]),
        file('d/g', '', { gid: 6 }),
        directory('d/e'),
        file('d/e/f'),
        directory('d'),
      ]),
    ])
    t.strictSame(
      snapshot(root, { owners: true }).filter((line) => line.startsWith('/d')),
      [
        '/d dir 755 0:0',
        '/d/e dir 755 0:0',
        '/d/e/f "d/e/f" 644 0:0',
        '/d/f "d/f" 644 0:0',
        '/d/g "" 644 0:6',
      ],
    )
  },
)

t.test('modes are right when the umask changes while the layer arrives', async (t) => {
  const root = t.testdir({})
  const layer = await inOrder([
    file('a', '', { mode: 0o666 }),
    file('b', '', { mode: 0o666 }),
    file('c', '', { mode: 0o777 }),
  ])
  const before = process.umask(0)
  try {
    await apply(
      root,
      (function* () {
        yield layer.subarray(0, 512)
        process.umask(0o77)
        yield layer.subarray(512)
      })(),
    )
  } finally {
    process.umask(before)
  }
  t.strictSame(snapshot(root).slice(1), ['/a "" 666', '/b "" 666', '/c "" 777'])
})

t.test('each file is told of with the digest of its content', async (t) => {
  const root = t.testdir({})
  const seen = new Map<string, string>()
  const onFile = (path: string, digest: string): void => void seen.set(path, digest)
  const layer = Buffer.concat([
    (
      await inOrder([
        directory('real'),
        symlink('l', '/real'),
        file('l/f', 'content'),
        file('empty', ''),
        hardlink('h', 'empty'),
      ])
    ).subarray(0, -1024),
    archive(
      pax([
        ['GNU.sparse.size', '100003'],
        ['GNU.sparse.map', '100000,2'],
      ]),
      member({ name: 'sparse', body: 'ab' }),
    ),
  ])
  await apply(
    root,
    Array.from({ length: layer.length / 256 }, (_, at) => layer.subarray(at * 256, at * 256 + 256)),
    { onFile },
  )
  const sparse = Buffer.alloc(100_003)
  sparse.write('ab', 100_000)
  t.strictSame(Object.fromEntries(seen), {
    'real/f': digestOf(Buffer.from('content')),
    empty: digestOf(Buffer.alloc(0)),
    sparse: digestOf(sparse),
  })
})

t.test('D22: a link entry does not change the file it names', async (t) => {
  const root = t.testdir({})
  const members = [
    symlink('s', 'nowhere', { mtime: 3 }),
    hardlink('t', 's', { mode: 0o600, mtime: 5 }),
    file('f', 'x', { mode: 0o640, mtime: 3 }),
    hardlink('g', 'f', { mode: 0o777, mtime: 5, uid: 9 }),
  ]
  await apply(root, [await inOrder(members)])
  t.strictSame(snapshot(root, { times: true }).slice(1), [
    '/f "x" 640 @3',
    '/g =/f 640 @3',
    '/s -> nowhere @3',
    '/t =/s @3',
  ])
})

t.test('D23: names of any bytes, of 255 bytes, and paths of 4096 bytes', async (t) => {
  // Where names are too long for most that removes directories.
  const root = mkdtempSync(join(tmpdir(), 'layer-'))
  t.teardown(() => execFileSync('rm', ['-rf', '--', root]))
  const long = 'n'.repeat(255)
  const path = `${Array.from({ length: 15 }, () => 'd'.repeat(255)).join('/')}/${'d'.repeat(254)}/f`
  t.equal(path.length, 4096)
  const odd = [
    '\uDCFF\uDC80',
    'back\\slash',
    'new\nline',
    'trailing  ',
    ' leading',
    '-x',
    '*',
    'é',
    `${'é'.repeat(127)}x`,
  ]
  const members = [
    ...odd.map((name) => file(name, '')),
    file(long, ''),
    file(path, 'deep'),
    symlink('l', `${path}\uDCFF`.slice(-4095)),
  ]
  await apply(root, [await inOrder(members)])
  const found = readdirSync(root, 'latin1').map((name) => Buffer.from(name, 'latin1').toString('hex'))
  const bytes = (name: string): string =>
    name === '\uDCFF\uDC80' ? 'ff80' : Buffer.from(name).toString('hex')
  t.strictSame(
    found.toSorted(),
    [...odd.map(bytes), bytes(long), bytes('d'.repeat(255)), bytes('l')].toSorted(),
  )
  await apply(root, [archive(pax([['path', `${path.slice(0, -1)}.wh.f`]]), member({}))], {
    limits: { pathBytes: 4100 },
  })
  let depth = 0
  const before = process.cwd()
  try {
    for (
      process.chdir(realpathSync(root));
      readdirSync('.').some((name) => name.startsWith('ddd'));
      depth++
    ) {
      process.chdir(readdirSync('.').find((name) => name.startsWith('ddd'))!)
    }
    t.strictSame(readdirSync('.'), [], 'the deepest file was hidden')
  } finally {
    process.chdir(before)
  }
  t.equal(depth, 16)
  t.ok(lstatSync(`${root}/${long}`).isFile())
  await apply(root, [await inOrder([marker('.wh..wh..opq')])])
  t.strictSame(names(root), ['/ dir'])
})
