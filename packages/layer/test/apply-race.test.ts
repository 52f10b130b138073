/**
 * Another process changes the root while a layer is applied; and many applies run at the same time.
 *
 * @module
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { DEFAULT_DIRECTORY, DirectoryNode } from '../src/apply/directory-node.ts'
import { DirectoryHandles } from '../src/apply/handles.ts'
import { MemberWriter } from '../src/apply/member-writer.ts'
import { MetadataWriter } from '../src/apply/metadata.ts'
import { RootDirectory } from '../src/apply/root-directory.ts'
import { apply, type ApplyOptions } from '../src/apply.ts'
import { TarParser } from '../src/tar/parser.ts'
import { defaultAdapter } from '../src/apply/adapter.ts'
import { directory, file, hardlink, inOrder, marker, symlink } from './archive.ts'
import { isRoot, names, snapshot } from './disk.ts'
import { SEMANTICS } from './semantics.ts'

const linux = process.platform === 'linux' ? false : 'needs /proc of Linux'

function place(t: Test): string {
  const base = mkdtempSync(join(tmpdir(), 'layer-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  return base
}

t.test(
  'A11: a process that swaps directories and files for symlinks leads nothing outside',
  { skip: linux },
  async (t) => {
    const base = place(t)
    const root = `${base}/R`
    const victim = `${base}/V`
    for (const path of [`${root}/d/sub/deep`, `${victim}/sub/deep`]) mkdirSync(path, { recursive: true })
    for (const name of ['secret', 'f1', 'f2', 'sub/deep/x', 'sub/y'])
      writeFileSync(`${victim}/${name}`, 'secret')
    const before = snapshot(victim, { times: true, owners: true })
    // Plain JavaScript, so that it starts and swaps as fast as can be.
    writeFileSync(
      `${base}/swap.mjs`,
      `import { renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
    const attempt = (act) => { try { act() } catch {} }
    for (let count = 0; ; count++) {
      for (const [path, target] of [['d', '../V'], ['d/sub', '../../V/sub'], ['d/f1', '../../V/f1'], ['e', '../V']]) {
        attempt(() => renameSync(${JSON.stringify(root)} + '/' + path, ${JSON.stringify(base)} + '/aside'))
        attempt(() => symlinkSync(target, ${JSON.stringify(root)} + '/' + path))
        attempt(() => unlinkSync(${JSON.stringify(root)} + '/' + path))
        attempt(() => renameSync(${JSON.stringify(base)} + '/aside', ${JSON.stringify(root)} + '/' + path))
      }
      if (count % 100 === 0) {
        // Whole at any time: this process is killed.
        writeFileSync(${JSON.stringify(`${base}/counting`)}, String(count))
        renameSync(${JSON.stringify(`${base}/counting`)}, ${JSON.stringify(`${base}/count`)})
      }
    }`,
    )
    const layers = [
      await inOrder([
        directory('d', { mode: 0o777, mtime: 1 }),
        directory('d/sub', { mode: 0o777 }),
        ...Array.from({ length: 30 }, (_, index) => file(`d/f${index}`, 'mine', { mode: 0o777 })),
        ...Array.from({ length: 30 }, (_, index) => file(`d/sub/f${index}`, 'mine')),
        hardlink('d/h', 'd/f2'),
        directory('e'),
        file('e/f'),
      ]),
      await inOrder([marker('d/.wh..wh..opq'), file('d/sub/deep/x', 'mine'), symlink('d/s', 'x')]),
      await inOrder([marker('.wh.d'), marker('d/.wh.secret'), marker('.wh.e')]),
    ]
    const attacker = spawn(process.execPath, [`${base}/swap.mjs`], { stdio: 'ignore' })
    const exit = once(attacker, 'exit')
    let outcomes = { done: 0, failed: 0 }
    try {
      for (let waited = 0; !existsSync(`${base}/count`) && waited < 30_000; waited += 20) await setTimeout(20)
      const until = Date.now() + 4000
      for (let round = 0; Date.now() < until; round++) {
        try {
          await apply(root, [layers[round % layers.length]!])
          outcomes = { ...outcomes, done: outcomes.done + 1 }
        } catch (error) {
          if ((error as Error).name !== 'LayerError') throw error
          outcomes = { ...outcomes, failed: outcomes.failed + 1 }
        }
      }
    } finally {
      attacker.kill('SIGKILL')
      await exit
    }
    t.ok(Number(readFileSync(`${base}/count`, 'utf8')) > 0, 'it swapped all the time')
    t.ok(outcomes.done + outcomes.failed > 10, JSON.stringify(outcomes))
    t.strictSame(snapshot(victim, { times: true, owners: true }), before, 'nothing outside was changed')
  },
)

t.test(
  'A11: directories that were closed are opened again, if they are still the same',
  { skip: linux },
  async (t) => {
    const base = place(t)
    for (const name of ['a', 'b', 'c', 'd/e/f/g/h']) mkdirSync(`${base}/R/${name}`, { recursive: true })
    const root = new DirectoryNode(undefined, '', DEFAULT_DIRECTORY, false)
    const handles = new DirectoryHandles(root, `${base}/R`, { capacity: 2 })
    t.ok(handles.descriptors)
    const child = (parent: DirectoryNode, name: string): DirectoryNode =>
      new DirectoryNode(parent, name, DEFAULT_DIRECTORY, false)
    const [a, b, c] = ['a', 'b', 'c'].map((name) => child(root, name))
    const deep = ['d', 'e', 'f', 'g', 'h'].reduce(child, root)
    try {
      for (const node of [a!, b!, c!, deep, a!, deep]) writeFileSync(handles.at(node, 'x'), '')
      t.strictSame(
        names(`${base}/R`).filter((line) => line.endsWith('""')),
        ['/a/x ""', '/b/x ""', '/c/x ""', '/d/e/f/g/h/x ""'],
      )
      for (const node of [b!, c!, deep]) handles.at(node, 'x')
      renameSync(`${base}/R/a`, `${base}/R/moved`)
      mkdirSync(`${base}/R/a`)
      t.throws(() => handles.at(a!, 'x'), { name: 'LayerError', code: 'ERR_LAYER_CHANGED', path: 'a' })
      handles.at(b!, 'x')
      renameSync(`${base}/R/b`, `${base}/R/moved2`)
      writeFileSync(handles.at(b!, 'y'), '')
      t.ok(existsSync(`${base}/R/moved2/y`), 'one that is open stays what it was')
    } finally {
      handles.close()
    }
  },
)

t.test('without descriptors the outcome is the same', async (t) => {
  for (const { id, layers, files } of SEMANTICS) {
    const root = t.testdir({})
    for (const members of layers) {
      const opened = new RootDirectory(root, { descriptors: false })
      const metadata = new MetadataWriter('ignore')
      const writer = new MemberWriter(opened, metadata, { adapter: defaultAdapter() })
      const parser = new TarParser(writer)
      parser.write(await inOrder(members))
      parser.finish()
      writer.finish()
      opened.close()
    }
    t.strictSame(names(root), ['/ dir', ...files], id)
  }
})

const STACK = [
  [
    directory('d', { mode: 0o750, mtime: 9 }),
    file('d/a'),
    file('d/b'),
    file('d/c'),
    file('e/x'),
    hardlink('l', 'd/a'),
  ],
  [marker('d/.wh.a'), marker('d/.wh.b'), marker('e/.wh..wh..opq'), file('e/y'), symlink('s', 'd')],
  [marker('.wh.l'), file('s/new'), directory('d', { mode: 0o700, mtime: 3 })],
]

t.test('D15: layers applied at the same time give what they give one after the other', async (t) => {
  const layers = await Promise.all(STACK.map(inOrder))
  const serial = place(t)
  for (const layer of layers) await apply(serial, [layer])
  const expected = snapshot(serial, { times: true, owners: true }).slice(1)
  const base = place(t)
  const run = async (root: string, options: ApplyOptions = {}): Promise<string[]> => {
    mkdirSync(root)
    for (const layer of layers)
      await apply(
        root,
        Array.from({ length: layer.length / 512 }, (_, block) =>
          layer.subarray(block * 512, block * 512 + 512),
        ),
        options,
      )
    return snapshot(root, { times: true, owners: true }).slice(1)
  }
  const all = await Promise.all(Array.from({ length: 8 }, (_, index) => run(`${base}/${index}`)))
  for (const one of all) t.strictSame(one, expected, 'in one process')
  for (const [index, layer] of layers.entries()) writeFileSync(`${base}/layer${index}.tar`, layer)
  writeFileSync(
    `${base}/script.mts`,
    `import { mkdirSync, readFileSync } from 'node:fs'
    import { apply } from ${JSON.stringify(new URL('../src/apply.ts', import.meta.url).href)}
    const root = process.argv[2]
    mkdirSync(root)
    for (let index = 0; index < 3; index++) await apply(root, [readFileSync(${JSON.stringify(base)} + '/layer' + index + '.tar')])`,
  )
  const children = ['p', 'q', 'r'].map((name) =>
    once(
      spawn(process.execPath, [...process.execArgv, `${base}/script.mts`, `${base}/${name}`], { cwd: '/' }),
      'exit',
    ),
  )
  t.strictSame(await Promise.all(children), [
    [0, null],
    [0, null],
    [0, null],
  ])
  for (const name of ['p', 'q', 'r']) {
    t.strictSame(snapshot(`${base}/${name}`, { times: true, owners: true }).slice(1), expected, 'in several')
  }
})

t.test('many directories, more than are held open, keep their modes and times', async (t) => {
  const root = t.testdir({})
  const members = Array.from({ length: 600 }, (_, index) => [
    directory(`d${index}`, { mode: 0o500 + (index % 64), mtime: index + 1 }),
    file(`d${index}/f`, ''),
  ])
  await apply(root, [
    await inOrder([...members.flat(), ...members.map(([, { path } = file('')]) => file(`${path}2`, ''))]),
  ])
  const lines = snapshot(root, { times: true }).filter((line) => line.includes(' dir ') && line !== '/')
  t.equal(lines.length, 601)
  for (let index = 0; index < 600; index += 7) {
    t.ok(lines.includes(`/d${index} dir ${(0o500 + (index % 64)).toString(8)} @${index + 1}`), `d${index}`)
  }
  if (!isRoot) execFileSync('chmod', ['-R', 'u+w', root])
})
