/**
 * Damaged archives, read and applied: an error of ours or a result, never a crash, a hang, or anything outside the
 * root. How to run it for long stands in fuzz.ts.
 *
 * @module
 */
import { bytesSource } from '@varve/digest'
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import {
  apply,
  createEntry,
  decodeTar,
  type DecodeOptions,
  type FileSystemAdapter,
  fromLayers,
  fromTar,
  pack,
  Tree,
} from '../src/index.ts'
import {
  archive,
  base256,
  collect,
  directory,
  file,
  gnuLong,
  hardlink,
  inOrder,
  marker,
  member,
  packed,
  pax,
  pieces,
  symlink,
} from './archive.ts'
import { isRoot, names, snapshot } from './disk.ts'
import { damageArchive, fuzz, type Random, randomPieces } from './fuzz.ts'
import { SEMANTICS } from './semantics.ts'

const LIMITS = { bytes: 4 * 1024 * 1024, entries: 2000 }

/** One archive of each kind that is met in practice. */
async function sources(): Promise<readonly Buffer[]> {
  const everything = await packed([
    directory('', { mode: 0o711, mtime: 9 }),
    directory('d', { mode: 0o2755, mtime: 1_600_000_000 }),
    file('d/f', 'content', { mode: 0o4755, uid: 1000, gid: 3_000_000 }),
    file('d/large', 'x'.repeat(3000)),
    file('é'.repeat(70), 'long'),
    file('d/\uDCFF', '', { mtime: -5, xattrs: new Map([['user.a', Buffer.from([0, 10, 61, 255])]]) }),
    hardlink('e', 'd/f'),
    symlink('l', '../V'),
    symlink('d/up', '..'),
    symlink('long', 't'.repeat(200)),
    createEntry({ path: 'fifo', type: 'fifo' }),
    createEntry({ path: 'null', type: 'char', devMajor: 1, devMinor: 3 }),
  ])
  const layer = await inOrder([
    marker('.wh.old'),
    marker('d/.wh.f'),
    marker('d/.wh..wh..opq'),
    symlink('l', '../V'),
    file('l/f'),
    file('l/secret', 'mine'),
    directory('l'),
    file('l/x'),
    hardlink('l/h', 'd/f'),
    symlink('d', 'l'),
    file('d/y/z'),
    marker('l/.wh.x'),
  ])
  const numbers = (...pairs: readonly (readonly [number, number])[]): Buffer =>
    Buffer.concat(pairs.flat().map((number) => Buffer.from(`${number.toString(8).padStart(11, '0')}\0`)))
  const gnu = archive(
    gnuLong('L', 'n'.repeat(150)),
    gnuLong('K', 'k'.repeat(150)),
    member({ name: 'n'.repeat(100), type: '2', linkname: 'k'.repeat(100), magic: 'ustar  \0' }),
    member({
      name: 'big',
      magic: 'ustar  \0',
      uid: base256(5_000_000n, 8),
      mtime: base256(-3n, 12),
      body: 'b',
    }),
    member({
      name: 'sparse',
      type: 'S',
      magic: 'ustar  \0',
      body: 'abcd',
      patch: [
        [386, numbers([1000, 2], [5000, 2])],
        [483, `${(6000).toString(8).padStart(11, '0')}\0`],
      ],
    }),
    member({ name: 'v7dir/', type: '\0', magic: '' }),
    member({ name: 'v7', type: '\0', magic: '', body: 'old' }),
  )
  const map = Buffer.concat([Buffer.from('2\n1000\n2\n5000\n2\n'), Buffer.alloc(512 - 16)])
  const posix = archive(
    pax(
      [
        ['comment', 'global'],
        ['mtime', '7'],
      ],
      { type: 'g', name: 'pax_global_header' },
    ),
    pax([
      ['path', 'deep/'.repeat(40)],
      ['mtime', '-1.5'],
      ['uid', '70000'],
      ['size', '3'],
    ]),
    member({ name: 'short', size: 0, body: 'abc' }),
    pax([
      ['linkpath', 'd/f'],
      ['SCHILY.xattr.security.capability', Buffer.from([1, 0, 0, 2, 255])],
    ]),
    member({ name: 'h', type: '1', linkname: 'x' }),
    pax([
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.name', 's'],
      ['GNU.sparse.realsize', '6000'],
    ]),
    member({ name: 'GNUSparseFile.1/s', body: Buffer.concat([map, Buffer.from('abcd')]) }),
    pax([
      ['GNU.sparse.size', '300'],
      ['GNU.sparse.numblocks', '2'],
      ['GNU.sparse.map', '0,2,100,3'],
    ]),
    member({ name: 's01', body: 'abcde' }),
  )
  return [everything, layer, gnu, posix, Buffer.concat([everything.subarray(0, -1024), layer])]
}

/** What reading comes to: every member, or the error. */
async function outcome(
  chunks: Iterable<Uint8Array>,
  options: DecodeOptions,
): Promise<{ readonly error: string | undefined; readonly members: string }> {
  const found: unknown[] = []
  try {
    for await (const { entry, body, offset, sparse } of decodeTar(chunks, options)) {
      const xattrs = [...(entry.xattrs ?? [])].map(([key, value]) => [
        key,
        Buffer.from(value).toString('hex'),
      ])
      const records = [...(entry.pax ?? [])].map(([key, value]) => [key, Buffer.from(value).toString('hex')])
      const content = (await collect(body)).toString('latin1')
      if (content.length !== entry.size) throw new Error(`a body of ${content.length}, not ${entry.size}`)
      found.push([{ ...entry, xattrs, pax: records }, offset, sparse, content])
    }
  } catch (error) {
    return { error: ours(error), members: '' }
  }
  return { error: undefined, members: JSON.stringify(found) }
}

function ours(error: unknown): string {
  if ((error as Error).name !== 'LayerError') throw error
  // Without the offset: of a sparse map it is that of the piece at hand.
  return `${(error as { code: string }).code}: ${(error as Error).message.replace(/at byte \d+/, '')}`
}

function equal<T>(is: T, should: T, what: string): void {
  if (JSON.stringify(is) !== JSON.stringify(should))
    throw new Error(`${what}: ${JSON.stringify(is)} and not ${JSON.stringify(should)}`)
}

t.test('the archives are sound before they are damaged', async (t) => {
  for (const each of await sources()) {
    t.equal((await outcome([each], { limits: LIMITS })).error, undefined)
  }
})

t.test('sound archives are read alike however they are cut', async (t) => {
  for (const source of await sources()) {
    const whole = await outcome([source], { limits: LIMITS })
    for (const size of [1, 511, 512, 513]) {
      t.ok(
        JSON.stringify(await outcome(pieces(source, size), { limits: LIMITS })) === JSON.stringify(whole),
        `${size}`,
      )
    }
    const split = await outcome([new Uint8Array(), ...pieces(source, 1000), new Uint8Array()], {
      limits: LIMITS,
    })
    t.equal(split.members, whole.members, 'and with empty pieces')
  }
})

t.test('T32, D1, D2: a whiteout hides the same at every place in its layer', async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'layer-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  let count = 0
  for (const { id, layers, files, streamOnly } of SEMANTICS) {
    if (streamOnly === true) continue
    const [upper, ...lower] = layers.toReversed()
    for (const moved of upper!.filter(({ path }) => /(?:^|\/)\.wh\.[^/]+$/.test(path))) {
      const rest = upper!.filter((entry) => entry !== moved)
      for (let at = 0; at <= rest.length; at++) {
        const root = join(base, String(count++))
        mkdirSync(root)
        for (const layer of [...lower.toReversed(), rest.toSpliced(at, 0, moved)]) {
          await apply(root, [await inOrder(layer)])
        }
        if (JSON.stringify(names(root).slice(1)) !== JSON.stringify(files)) {
          t.strictSame(names(root).slice(1), files, `${id}: ${moved.path} at ${at}`)
        }
      }
    }
  }
  t.ok(count > 50, `${count} orders`)
})

t.test(
  'D15: layers applied side by side, to roots of their own, make what they make one by one',
  async (t) => {
    const base = mkdtempSync(join(tmpdir(), 'layer-'))
    t.teardown(() => rmSync(base, { recursive: true, force: true }))
    const made = await Promise.all(
      SEMANTICS.map(async ({ layers }, index) => {
        const root = join(base, String(index))
        mkdirSync(root)
        for (const layer of layers) await apply(root, pieces(await inOrder(layer), 700))
        return names(root).slice(1)
      }),
    )
    t.strictSame(
      made,
      SEMANTICS.map(({ files }) => files),
    )
  },
)

/** Plain JavaScript: one name is a directory and a symlink to the victim in turn. */
const SWAPPER = `
  const fs = require('node:fs')
  const { workerData: { root, victim, swaps }, parentPort } = require('node:worker_threads')
  const [d, aside, link] = [root + '/d', root + '/aside', root + '/link']
  const attempt = (step) => { try { step() } catch {} }
  parentPort.postMessage('ready')
  for (;;) {
    attempt(() => fs.rmSync(aside, { recursive: true }))
    attempt(() => fs.symlinkSync(victim, link))
    attempt(() => fs.renameSync(d, aside))
    attempt(() => { fs.renameSync(link, d); Atomics.add(swaps, 0, 1) })
    attempt(() => fs.unlinkSync(d))
    attempt(() => fs.renameSync(aside, d))
  }`

t.test('A11: a thread that swaps a directory for a symlink all the while leads nothing out', async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'layer-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  const [root, victim] = [join(base, 'R'), join(base, 'V')]
  mkdirSync(victim)
  writeFileSync(join(victim, 'f'), 'SECRET', { mode: 0o400 })
  mkdirSync(root)
  const before = snapshot(victim, { times: true, owners: true })
  const layer = await inOrder([
    directory('d', { mode: 0o777 }),
    file('d/f', 'x', { mode: 0o666 }),
    directory('d/new'),
    hardlink('d/h', 'd/f'),
    file('d/new/g', 'x'),
    marker('d/.wh.f'),
  ])
  const swaps = new Int32Array(new SharedArrayBuffer(4))
  const workerData = { root, victim, swaps }
  const swapper = new Worker(SWAPPER, { eval: true, execArgv: [], env: {}, workerData })
  await once(swapper, 'message')
  let refused = 0
  for (let round = 0; round < 150; round++) {
    try {
      await apply(root, [layer], { owner: 'ignore' })
    } catch (error) {
      ours(error)
      refused++
    }
  }
  await swapper.terminate()
  t.strictSame(snapshot(victim, { times: true, owners: true }), before)
  t.ok(Atomics.load(swaps, 0) > 0, 'it was swapped')
  t.comment(`${swaps[0]} swaps, ${refused} refused`)
})

t.test(
  'D5: whiteouts below a file of their own layer, as umoci writes them, take nothing from it',
  async (t) => {
    const lower = await inOrder([directory('d'), file('d/x')])
    for (const members of [
      [file('d', 'file'), marker('d/.wh.x')],
      [marker('.wh.d'), file('d', 'file'), marker('d/.wh.x')],
      [marker('d/.wh.x'), file('d', 'file')],
      [file('d', 'file'), marker('d/.wh..wh..opq')],
    ]) {
      const upper = await inOrder(members)
      const root = mkdtempSync(join(tmpdir(), 'layer-'))
      t.teardown(() => rmSync(root, { recursive: true, force: true }))
      for (const layer of [lower, upper]) await apply(root, [layer])
      t.strictSame(names(root).slice(1), ['/d "file"'], 'applied')
      const trees = await Promise.all([lower, upper].map((layer) => fromTar(bytesSource(layer))))
      t.strictSame(
        [...fromLayers(trees)].map(({ path, type }) => `${path} ${type}`),
        ['d file'],
        'and merged in memory',
      )
    }
  },
)

t.test('damaged archives are read to one result or to an error of ours, however they are cut', async (t) => {
  const all = await sources()
  const cases = await fuzz(t, async (random) => {
    const damaged = damageArchive(random.pick(all), random)
    const whole = await outcome([damaged], { limits: LIMITS })
    equal(await outcome(randomPieces(damaged, random), { limits: LIMITS }), whole, 'cut')
    const strict = await outcome([damaged], { limits: LIMITS, strict: true })
    if (strict.error === undefined) equal(strict, whole, 'strictly read')
    await again(damaged, whole.error)
  })
  t.comment(`${cases} cases`)
})

/** As a tree, with the limits that are on by default; and what could be read can be written and read again. */
async function again(damaged: Buffer, error: string | undefined): Promise<void> {
  let tree: Tree
  try {
    tree = await fromTar(bytesSource(damaged))
  } catch (caught) {
    if (error === undefined) throw new Error('a tree cannot be made of what can be read', { cause: caught })
    ours(caught)
    return
  }
  if (error !== undefined) {
    if (!error.startsWith('ERR_LAYER_LIMIT')) throw new Error(`a tree was made in spite of: ${error}`)
    return
  }
  let copy: Buffer
  try {
    copy = await collect(pack(tree, { nanoseconds: true }))
  } catch (caught) {
    ours(caught)
    return
  }
  const describe = (entries: Iterable<object>): string[] =>
    [...entries].map((entry) =>
      JSON.stringify({ ...entry, content: undefined }, (_key, value: unknown) =>
        value instanceof Map ? [...value].toSorted(([a], [b]) => (a < b ? -1 : 1)) : value,
      ),
    )
  equal(describe(await fromTar(bytesSource(copy))), describe(tree), 'written and read again')
}

t.test('damaged layers are applied or refused, and never leave the root', async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'layer-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  const root = join(base, 'R')
  mkdirSync(join(base, 'V/sub'), { recursive: true })
  writeFileSync(join(base, 'V/secret'), 'SECRET', { mode: 0o400 })
  writeFileSync(join(base, 'V/sub/deep'), 'SECRET')
  const all = await sources()
  const victim = snapshot(join(base, 'V'), { times: true, owners: true })
  const around = readdirSync(base)
  const cases = await fuzz(t, async (random) => {
    rmSync(root, { recursive: true, force: true })
    mkdirSync(root)
    const layers = Array.from({ length: 1 + random.below(2) }, () => damageArchive(random.pick(all), random))
    await applyAll(root, layers, random)
    equal(snapshot(join(base, 'V'), { times: true, owners: true }), victim, 'the victim')
    equal(
      readdirSync(base).filter((name) => name !== 'R'),
      around,
      'what is beside the root',
    )
    if (names(root).some((line) => line.includes('"SECRET"'))) throw new Error('the secret got in')
  })
  t.comment(`${cases} cases`)
})

async function applyAll(root: string, layers: readonly Buffer[], random: Random): Promise<void> {
  const adapter = insideOnly(root)
  const limits = { ...LIMITS, bytes: 1024 * 1024 }
  for (const layer of layers) {
    try {
      await apply(root, random.below(4) > 0 ? [layer] : randomPieces(layer, random), {
        adapter,
        limits,
        owner: isRoot && random.below(2) === 0 ? 'keep' : 'ignore',
      })
    } catch (error) {
      ours(error)
    }
  }
}

/** Sets nothing, and minds where it would have been set. */
function insideOnly(root: string): FileSystemAdapter {
  const check = (path: string | Uint8Array): 'unsupported' => {
    const location = Buffer.from(path).toString()
    const parent = realpathSync(dirname(location))
    if (location !== root && parent !== root && !parent.startsWith(`${root}/`))
      throw new Error(`outside of the root: ${parent}`)
    return 'unsupported'
  }
  return { setXattrs: (path) => check(path), makeDevice: (path) => check(path) }
}

t.test('damaged layers are merged in memory to a tree that stands on its own, or refused', async (t) => {
  const all = await sources()
  const cases = await fuzz(t, async (random) => {
    const layers: Tree[] = []
    for (let count = 1 + random.below(2); count > 0; count--) {
      try {
        layers.push(await fromTar(bytesSource(damageArchive(random.pick(all), random)), { limits: LIMITS }))
      } catch (error) {
        ours(error)
      }
    }
    try {
      const tree = fromLayers(layers)
      equal(fromLayers([tree]).size, tree.size, 'merged again')
    } catch (error) {
      ours(error)
    }
  })
  t.comment(`${cases} cases`)
})
