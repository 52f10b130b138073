/**
 * Table A and C of the requirements: layers that mean harm. R is the root, V a directory beside it that holds a secret;
 * whatever happens, V is not touched, and nothing of it gets into R.
 *
 * @module
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chdir, cwd } from 'node:process'
import { gzipSync } from 'node:zlib'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import {
  apply,
  encodeMember,
  fromDirectory,
  fromLayers,
  fromTar,
  type LayerErrorCode,
  systemAdapter,
} from '../src/index.ts'
import { bytesSource, digestOf } from '@varve/digest'
import {
  archive,
  base256,
  directory,
  file,
  hardlink,
  inOrder,
  marker,
  member,
  pax,
  type RawMember,
  symlink,
} from './archive.ts'
import { names, snapshot } from './disk.ts'

interface Place {
  readonly root: string
  readonly victim: string
}

/** In the system's own directory: names there are short enough for a header. */
function place(t: Test, rootName: string = 'R', victimName: string = 'V'): Place {
  const base = mkdtempSync(join(tmpdir(), 'layer-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  for (const name of [rootName, `${victimName}/sub`, 'etc']) mkdirSync(`${base}/${name}`, { recursive: true })
  writeFileSync(`${base}/${victimName}/secret`, 'secret')
  writeFileSync(`${base}/${victimName}/file400`, 'closed', { mode: 0o400 })
  writeFileSync(`${base}/${victimName}/sub/deep`, 'x')
  return { root: `${base}/${rootName}`, victim: `${base}/${victimName}` }
}

/** Applies layers, and returns the code of the error, if any, after checking that the victim is as it was. */
async function attack(
  t: Test,
  { root, victim }: Place,
  ...layers: Uint8Array[]
): Promise<string | undefined> {
  const before = snapshot(victim, { times: true, owners: true })
  const around = names(`${root}/..`).filter((line) => !/^\/R\w*(?:\/|\s)/.test(line) && line !== '/ dir')
  let code: string | undefined
  try {
    for (const layer of layers) await apply(root, [layer])
  } catch (error) {
    t.equal((error as Error).name, 'LayerError', String(error))
    code = (error as { code: LayerErrorCode }).code
  }
  t.strictSame(snapshot(victim, { times: true, owners: true }), before, 'the victim is untouched')
  t.strictSame(
    names(`${root}/..`).filter((line) => !/^\/R\w*(?:\/|\s)/.test(line) && line !== '/ dir'),
    around,
    'and so is all else',
  )
  t.notMatch(names(root).join('\n'), /"secret"|"closed"/, 'nothing of it got in')
  return code
}

const tar = (...members: RawMember[]): Buffer => archive(...members.map((raw) => member(raw)))

t.test('A17: the name of a link is checked, however harmless its target', async (t) => {
  for (const type of ['1', '2']) {
    const layer = tar({ name: 'x', body: '' }, { name: '../V/link', type, linkname: 'x' })
    t.equal(await attack(t, place(t), layer), 'ERR_LAYER_UNSAFE')
  }
})

t.test('A1 CVE-2026-28406: names that leave the root', async (t) => {
  for (const name of ['../V/x', '/../V/x', '..', 'a/../../V/x', './../V/x', '..//V/x']) {
    for (const raw of [
      {},
      { type: '5' },
      { type: '2', linkname: 'x' },
      { type: '1', linkname: 'x' },
      { type: '6' },
    ]) {
      t.equal(
        await attack(t, place(t), tar({ name, ...raw })),
        'ERR_LAYER_UNSAFE',
        `${name} ${JSON.stringify(raw)}`,
      )
    }
  }
})

t.test('A2 CVE-2021-32804: absolute names', async (t) => {
  const where = place(t)
  t.equal(
    await attack(t, where, tar({ name: '////etc/x' }, { name: '/etc/y' }, { name: `${where.victim}/new` })),
    undefined,
  )
  t.equal(statSync(`${where.root}/etc/x`).size, 0)
  t.equal(statSync(`${where.root}${where.victim}/new`).size, 0)
})

t.test('A3, A4 GHSA-hfg8-hc9c-6c3h: writing through symlinks', async (t) => {
  const where = place(t)
  const layers = [
    await inOrder([symlink('l', '../V'), file('l/f'), file('l/newdir/f'), file('l/secret', 'mine')]),
    await inOrder([
      directory('inner'),
      symlink('inner/go_up', '..'),
      symlink('inner/go_up/escape', '../V'),
      file('inner/go_up/escape/g'),
    ]),
    await inOrder([symlink('abs', where.victim), file('abs/secret', 'mine')]),
  ]
  t.equal(await attack(t, where, ...layers), undefined)
  t.match(names(where.root), [/./, '/V dir', '/V/f "l/f"', '/V/g "inner/go_up/escape/g"', '/V/newdir dir'])
})

t.test('A5 CVE-2026-26960: a hard link through a chain of symlinks', async (t) => {
  const layer = tar(
    { name: 'a/b/c/up', type: '2', linkname: '../..' },
    { name: 'a/b/escape', type: '2', linkname: 'c/up/../..' },
    { name: 'x', type: '1', linkname: 'a/b/escape/../V/secret' },
  )
  t.equal(await attack(t, place(t), layer), 'ERR_LAYER_LINK')
})

t.test('A6 CVE-2026-23745, CVE-2026-24842: links to what is outside', async (t) => {
  const where = place(t)
  t.equal(
    await attack(t, where, tar({ name: 'h', type: '1', linkname: `${where.victim}/secret` })),
    'ERR_LAYER_LINK',
  )
  t.equal(
    await attack(t, where, tar({ name: 'sub/h', type: '1', linkname: '../V/secret' })),
    'ERR_LAYER_UNSAFE',
  )
  t.equal(
    await attack(
      t,
      where,
      tar({ name: 's', type: '2', linkname: '/etc/passwd' }, { name: 's', body: 'mine' }),
    ),
    undefined,
  )
  t.equal(readFileSync(`${where.root}/s`, 'utf8'), 'mine')
  t.equal(
    await attack(
      t,
      where,
      tar({ name: 'd', type: '2', linkname: where.victim }, { name: 'h', type: '1', linkname: 'd/secret' }),
    ),
    'ERR_LAYER_LINK',
  )
})

t.test('A7: a hard link to a name in the current directory', async (t) => {
  const where = place(t)
  const before = cwd()
  chdir(where.victim)
  t.teardown(() => chdir(before))
  t.equal(await attack(t, where, tar({ name: 'h', type: '1', linkname: 'secret' })), 'ERR_LAYER_LINK')
})

t.test('A8 CVE-2025-59343: a neighbour whose name begins like the root', async (t) => {
  const where = place(t, 'R', 'R-evil')
  t.equal(
    await attack(t, where, tar({ name: 'h', type: '1', linkname: '../R-evil/secret' })),
    'ERR_LAYER_UNSAFE',
  )
  t.equal(
    await attack(t, where, tar({ name: 's', type: '2', linkname: '../R-evil' }, { name: 's/new' })),
    undefined,
  )
  t.equal(statSync(`${where.root}/R-evil/new`).size, 0)
})

t.test('A9 CVE-2021-29136: the root cannot become something else', async (t) => {
  for (const name of ['/.', '.', './', '']) {
    const where = place(t)
    for (const type of ['2', '1', '0', '6']) {
      const code = await attack(t, where, tar({ name, type, linkname: '/V' }), tar({ name: 'f' }))
      t.match(
        code,
        name === '' ? 'ERR_LAYER_TAR' : 'ERR_LAYER_UNSAFE',
        `${JSON.stringify(name)}, type ${type}`,
      )
      t.strictSame(names(where.root), ['/ dir'])
    }
  }
})

t.test('A10 CVE-2021-32760, CVE-2026-33056: modes do not go through links', async (t) => {
  const where = place(t)
  const layer = tar(
    { name: 's', type: '2', linkname: `${where.victim}/file400` },
    { name: 'h', type: '1', linkname: 's', mode: 0o777 },
    { name: 'd', type: '2', linkname: where.victim },
    { name: 'd', type: '5', mode: 0o777 },
  )
  t.equal(await attack(t, where, layer), undefined)
  t.strictSame(snapshot(where.root).slice(1), ['/d dir 777', `/h -> ${where.victim}/file400`, '/s =/h'])
})

t.test('A11b CVE-2025-47290: what is known of a directory is forgotten when it is replaced', async (t) => {
  const replacements = [
    [symlink('a', '../V')],
    [file('a'), symlink('a', '../V')],
    [symlink('b', '../V'), hardlink('a', 'b')],
  ]
  for (const replacement of replacements) {
    const where = place(t)
    const layer = await inOrder([
      directory('a'),
      directory('a/sub'),
      file('a/x'),
      file('a/sub/x'),
      ...replacement,
      file('a/y'),
      file('a/sub/y'),
    ])
    t.equal(await attack(t, where, layer), undefined)
    t.equal(readFileSync(`${where.root}/V/sub/y`, 'utf8'), 'a/sub/y')
  }
  const where = place(t)
  const hidden = [
    await inOrder([directory('a'), file('a/x')]),
    await inOrder([marker('a/.wh.x'), marker('.wh.a'), symlink('a', '../V'), file('a/y')]),
  ]
  t.equal(await attack(t, where, ...hidden), undefined)
})

t.test('A12 CVE-2021-32803: names that some systems take for the same', async (t) => {
  const where = place(t)
  const pairs = [
    ['A', 'a'],
    ['ﬀ', 'FF'],
    ['e\u0301', '\u00E9'],
    ['b\\c', 'b/c'],
  ] as const
  for (const [one, other] of pairs) {
    const layer = await inOrder([directory(other), symlink(one, where.victim), file(`${other}/f`)])
    t.equal(await attack(t, where, layer), undefined)
    t.equal(readFileSync(`${where.root}/${other}/f`, 'utf8'), `${other}/f`)
  }
})

t.test('A13: whiteouts that reach for what is outside', async (t) => {
  for (const name of ['.wh..', '.wh...', '.wh.', 'etc/.wh..', 'etc/.wh...', 'l/.wh..']) {
    t.equal(await attack(t, place(t), tar({ name })), 'ERR_LAYER_WHITEOUT', name)
  }
  t.equal(await attack(t, place(t), tar({ name: '../.wh.V' })), 'ERR_LAYER_UNSAFE')
  for (const target of ['../V', '..', '/', '../V/sub']) {
    const where = place(t)
    const lower = await inOrder([file('keep'), symlink('l', target)])
    await attack(t, where, lower, tar({ name: 'l/.wh.secret' }), tar({ name: 'l/.wh.V' }))
    await attack(t, where, tar({ name: 'l/.wh..wh..opq' }))
  }
})

t.test('A14: drive letters and backslashes are just names here', async (t) => {
  const where = place(t)
  const layer = tar(
    { name: 'l', type: '2', linkname: 'C:../../x' },
    { name: 'm', type: '2', linkname: 'c:..\\..' },
    { name: 'C:\\x' },
  )
  t.equal(await attack(t, where, layer), undefined)
  t.strictSame(names(where.root).slice(1), ['/C:\\x ""', '/l -> C:../../x', '/m -> c:..\\..'])
})

t.test(
  'A16: symlinks to absolute names stay as they are, and a file may take the place of one',
  async (t) => {
    const where = place(t)
    const layers = [
      await inOrder([
        symlink('usr/bin/env', '/bin/busybox'),
        symlink('etc/alternatives/awk', '/usr/bin/mawk'),
      ]),
      await inOrder([file('usr/bin/env', 'mine')]),
    ]
    t.equal(await attack(t, where, ...layers), undefined)
    t.strictSame(
      names(where.root).filter((line) => !line.endsWith(' dir')),
      ['/etc/alternatives/awk -> /usr/bin/mawk', '/usr/bin/env "mine"'],
    )
  },
)

t.test('A15: hard links by absolute names, as some writers have them, are inside', async (t) => {
  const where = place(t)
  const layer = tar(
    { name: 'usr/bin/perlbug', body: 'perl' },
    { name: 'usr/bin/perlthanks', type: '1', linkname: '/usr/bin/perlbug' },
  )
  t.equal(await attack(t, where, layer), undefined)
  t.equal(readFileSync(`${where.root}/usr/bin/perlthanks`, 'utf8'), 'perl')
})

t.test('A18: loops of symlinks, and chains that are too long', async (t) => {
  t.equal(
    await attack(t, place(t), await inOrder([symlink('a', 'b'), symlink('b', 'a'), file('a/x')])),
    'ERR_LAYER_UNSAFE',
  )
  t.equal(await attack(t, place(t), await inOrder([symlink('a', 'a/a'), file('a/x')])), 'ERR_LAYER_UNSAFE')
  t.equal(
    await attack(t, place(t), await inOrder([symlink('a', 'a'), hardlink('h', 'a/x')])),
    'ERR_LAYER_UNSAFE',
  )
  const chain = (length: number) => [
    ...Array.from({ length }, (_, index) => symlink(`l${index}`, `l${index + 1}`)),
    file('l0/x'),
  ]
  t.equal(await attack(t, place(t), await inOrder(chain(256))), 'ERR_LAYER_UNSAFE')
  t.equal(await attack(t, place(t), await inOrder(chain(255))), undefined)
})

t.test('what is in the way in the root is not followed either', async (t) => {
  const where = place(t)
  symlinkSync(where.victim, `${where.root}/dir`)
  symlinkSync(`${where.victim}/secret`, `${where.root}/file`)
  symlinkSync(`${where.victim}/new`, `${where.root}/dangling`)
  mkdirSync(`${where.root}/tree`)
  symlinkSync(where.victim, `${where.root}/tree/link`)
  const layer = await inOrder([
    directory('dir', { mode: 0o700 }),
    file('file', 'mine'),
    file('dangling', 'mine'),
    file('tree', 'mine'),
  ])
  t.equal(await attack(t, where, layer), undefined)
  t.strictSame(names(where.root), ['/ dir', '/dangling "mine"', '/dir dir', '/file "mine"', '/tree "mine"'])
})

t.test('links that cannot be', async (t) => {
  const cases: readonly (readonly [why: string, layer: Buffer])[] = [
    ['T17: to a file that is nowhere', await inOrder([file('a'), hardlink('h', 'b')])],
    ['to a directory', await inOrder([directory('d'), hardlink('h', 'd')])],
    ['to a directory of a lower layer', await inOrder([hardlink('h', 'd')])],
    ['to the root', tar({ name: 'h', type: '1', linkname: '/' })],
    ['to each other', await inOrder([hardlink('a', 'b'), hardlink('b', 'a')])],
    ['into the directory it replaces', await inOrder([directory('x'), file('x/f'), hardlink('x', 'x/f')])],
  ]
  for (const [why, layer] of cases) {
    const where = place(t)
    mkdirSync(`${where.root}/d`)
    t.equal(await attack(t, where, layer), 'ERR_LAYER_LINK', why)
  }
})

t.test('C1: a layer that unfolds suspiciously', async (t) => {
  const { root } = place(t)
  const bomb = gzipSync(
    Buffer.concat([member({ name: 'f', size: base256(2n ** 34n, 12), body: '' }), Buffer.alloc(140 << 20)]),
  )
  await t.rejects(apply(root, [bomb]), { code: 'ERR_LAYER_LIMIT', limit: 'ratio' }, 'C1: the ratio')
  t.strictSame(names(root), ['/ dir'], 'C1: and nothing of it is left')
  const layer = await inOrder([file('f', 'x'.repeat(5000))])
  await t.rejects(apply(root, [layer], { limits: { bytes: 4096 } }), {
    code: 'ERR_LAYER_LIMIT',
    limit: 'bytes',
  })
  const declared = tar({ name: 'g', size: base256(2n ** 40n, 12) })
  await t.rejects(apply(root, [declared]), { code: 'ERR_LAYER_LIMIT', limit: 'bytes' }, 'C1: at once')
})

t.test('C2: a layer of many members', async (t) => {
  const { root } = place(t)
  const many = await inOrder(Array.from({ length: 20 }, (_, index) => file(`${index}`, '')))
  await t.rejects(apply(root, [many], { limits: { entries: 10 } }), {
    code: 'ERR_LAYER_LIMIT',
    limit: 'entries',
  })
})

t.test('C3: a path of many components', async (t) => {
  const { root } = place(t)
  const deep = archive(encodeMember(file(Array.from({ length: 2000 }, () => 'd').join('/'), '')))
  await t.rejects(apply(root, [deep], { limits: { pathDepth: 100 } }), {
    code: 'ERR_LAYER_LIMIT',
    limit: 'pathDepth',
  })
  await apply(root, [deep])
  t.equal((await fromDirectory(root)).size, 2000 + 1, 'a depth that is allowed needs no recursion')
  await apply(root, [await inOrder([marker('.wh..wh..opq')])])
  t.strictSame(names(root), ['/ dir'])
  t.equal(fromLayers([await fromTar(bytesSource(deep))]).size, 2000)
})

t.test(
  'C4: a member that is shorter than its size, and bytes that are not those of the descriptor',
  async (t) => {
    const where = place(t)
    const short = tar({ name: 'f', size: 100_000, body: 'x' })
    t.equal(await attack(t, where, short), 'ERR_LAYER_TAR')
    t.strictSame(names(where.root), ['/ dir'], 'C4: nothing half-written is left')
    const layer = await inOrder([file('f')])
    await t.rejects(apply(where.root, [layer, Buffer.alloc(1)], { diffID: digestOf(layer) }), {
      code: 'ERR_DIGEST_MISMATCH',
    })
  },
)

t.test('C7 CVE-2023-25153: metadata is bounded', async (t) => {
  const where = place(t)
  const large = pax([['comment', 'x'.repeat(2 << 20)]])
  t.equal(await attack(t, where, archive(large, member({ name: 'f' }))), 'ERR_LAYER_LIMIT')
})

t.test('C5 GHSA-rp3h-jf77-q9p4: many opaque markers over one large tree', async (t) => {
  const { root } = place(t)
  const count = 300
  const numbers = Array.from({ length: count }, (_, index) => index)
  await apply(root, [
    await inOrder(numbers.flatMap((one) => [directory(`d/${one}`), file(`d/${one}/f`, '')])),
  ])
  const markers = [
    ...numbers.map((one) => marker(`d/${one}/.wh.f`)),
    file('d/new'),
    marker('d/.wh..wh..opq'),
    ...numbers.flatMap((one) => [marker('d/.wh..wh..opq'), marker(`d/${one}/.wh..wh..opq`)]),
  ]
  const fs = await import('node:fs')
  const { syncBuiltinESMExports } = await import('node:module')
  const { readdirSync } = fs.default
  let read = 0
  const counting = (...args: unknown[]): unknown => {
    read++
    return (readdirSync as (...all: unknown[]) => unknown)(...args)
  }
  Object.assign(fs.default, { readdirSync: counting })
  syncBuiltinESMExports()
  try {
    await apply(root, [await inOrder(markers)])
  } finally {
    Object.assign(fs.default, { readdirSync })
    syncBuiltinESMExports()
  }
  t.ok(read > 0 && read < count + 10, `${read} directories were listed`)
  t.strictSame(names(root), ['/ dir', '/d dir', '/d/new "d/new"'])
})

t.test('C6 CVE-2021-20291: a layer that is no archive', async (t) => {
  t.equal(await attack(t, place(t), Buffer.alloc(100_000, 'no archive ')), 'ERR_LAYER_TAR')
  t.equal(await attack(t, place(t), gzipSync('no archive')), 'ERR_LAYER_TAR')
})

t.test('C8 CVE-2026-41567: no tool is taken from the tree or from a relative PATH', async (t) => {
  const { root, victim } = place(t)
  writeFileSync(`${root}/mknod`, '#!/bin/sh\necho owned > owned\n', { mode: 0o755 })
  const before = cwd()
  const path = process.env['PATH']
  chdir(root)
  process.env['PATH'] = '.::bin'
  try {
    const adapter = systemAdapter()
    t.equal(adapter.makeDevice(`${root}/x`, 'fifo', 0, 0, 0o644), 'unsupported')
    t.equal(adapter.setXattrs(`${root}/x`, new Map([['user.a', Buffer.of(1)]])), 'unsupported')
    t.equal(adapter.setXattrs(`${root}/x`, new Map()), 'done')
  } finally {
    chdir(before)
    process.env['PATH'] = path
  }
  t.strictSame(names(root).length, 2)
  t.ok(statSync(victim).isDirectory())
})
