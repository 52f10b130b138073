import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { apply, type Change, createEntry, diff, fromDirectory, layerTree, pack, Tree } from '../src/index.ts'
import { type OverlayOptions, overlayChanges } from '../src/overlay.ts'
import { directory, file, hardlink } from './archive.ts'
import { passOver } from './peers.ts'
import { isRoot, snapshot as listing } from './disk.ts'

type Xattrs = ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>

const listed = (changes: readonly Change[]): string[] => changes.map(({ kind, path }) => `${kind[0]} ${path}`)

const MAKE_LOWER = `
mkdir -p keep gone/sub opaque/s moved/in/deep renamed
echo k > keep/k; echo 1 > gone/1; echo 2 > gone/sub/2; echo o > opaque/o; echo s > opaque/s/s
echo m > moved/m; echo d > moved/in/deep/d; ln moved/m moved/n; echo r > renamed/r
echo meta > meta; echo f > file; ln -s target link; echo l > l1; ln l1 l2; touch -d 2020-01-01T00:00:00Z meta file l1
`

const CHANGE = `
set -e
echo new > keep/new; rm -rf gone; rm -rf opaque; mkdir opaque; echo p > opaque/p
rm file; mkdir file; echo x > file/x; ln -sfn other link; rm renamed/r; echo z > keep/k
`

const RENAME = `
set -e
mv moved elsewhere; rm elsewhere/in/deep/d; echo e > elsewhere/in/e; mkdir moved; echo again > moved/m
mkdir new; mv renamed new/renamed; echo more > new/renamed/more
`

const METADATA = `
set -e
chmod 600 meta; chown 1:1 keep/k; mv meta meta2; chmod 640 l1
`

interface Overlay {
  readonly lower: string
  readonly upper: string
  /** A copy of what was seen through the overlay. */
  readonly seen: string
  readonly merged: string
}

/** Mounts an overlay, runs a script in it, copies what is to be seen; \`undefined\` if the kernel refuses. */
function overlay(t: Test, options: string, script: string, unshare: boolean): Overlay | undefined {
  const root = t.testdir({ lower: {}, upper: {}, work: {}, merged: {}, seen: {}, names: {} })
  execFileSync('sh', ['-c', MAKE_LOWER], { cwd: `${root}/lower` })
  const dirs = `lowerdir=${root}/lower,upperdir=${root}/upper,workdir=${root}/work`
  writeFileSync(
    `${root}/run`,
    `mount -t overlay overlay -o ${dirs}${options} ${root}/merged || exit 99
(cd ${root}/merged
${script}
); status=$?
cp -a ${root}/merged/. ${root}/seen; umount ${root}/merged; exit $status`,
  )
  const command = unshare ? ['unshare', '-Urm', 'sh'] : ['unshare', '-m', 'sh']
  const { status, stderr } = spawnSync(command[0]!, [...command.slice(1), `${root}/run`], {
    encoding: 'utf8',
  })
  if (status === 99 || status === null || /unshare|not permitted/u.test(stderr)) {
    passOver(t, `no overlay with ${options || 'default options'} here: ${stderr.trim()}`)
    return undefined
  }
  t.equal(status, 0, stderr)
  return { lower: `${root}/lower`, upper: `${root}/upper`, seen: `${root}/seen`, merged: `${root}/seen` }
}

async function check(t: Test, found: Overlay, options: OverlayOptions): Promise<void> {
  const lower = await fromDirectory(found.lower, { xattrs: 'read' })
  const seen = await fromDirectory(found.seen)
  const expected = listed(await diff(lower, seen, { content: 'always' }))
  t.not(expected.length, 0)
  for (const [how, below] of [
    ['a tree', lower],
    ['a path', found.lower],
  ] as const) {
    const { changes, tree } = await overlayChanges(found.upper, below, options)
    t.strictSame(listed(changes), expected, `below is ${how}`)
    const copy = `${found.seen}-${how.replace(' ', '-')}`
    cpSync(found.lower, copy, { recursive: true, verbatimSymlinks: true })
    execFileSync('cp', ['-a', `${found.lower}/.`, copy])
    await apply(copy, pack(layerTree(changes, tree)))
    t.strictSame(
      listing(copy, { owners: isRoot }),
      listing(found.seen, { owners: isRoot }),
      'the layer makes it',
    )
  }
}

const CASES: readonly (readonly [
  title: string,
  mount: string,
  script: string,
  unshare: boolean,
  OverlayOptions,
])[] = [
  ['D16: whiteouts and opaque directories', '', CHANGE, false, {}],
  ['D16: redirect_dir', ',redirect_dir=on,metacopy=off', CHANGE + RENAME, false, {}],
  ['D16: metacopy', ',redirect_dir=on,metacopy=on', CHANGE + METADATA + RENAME, false, {}],
  ['D16: rootless, marked in user attributes', ',userxattr', CHANGE + RENAME, true, { userXattr: true }],
]

const NEEDS_ROOT = 'mounting an overlay needs root'

for (const [title, mount, script, unshare, options] of CASES) {
  t.test(title, { skip: isRoot || unshare ? false : NEEDS_ROOT }, async (t) => {
    const found = overlay(t, mount, script, unshare)
    if (found !== undefined) await check(t, found, options)
  })
}

t.test('D16: opaque directories are found by names where attributes are not to be had', async (t) => {
  const found = overlay(t, isRoot ? ',redirect_dir=off,metacopy=off' : ',userxattr', CHANGE, !isRoot)
  if (found !== undefined) await check(t, found, { xattrs: 'none', merged: found.merged })
})

t.test(
  'D16: renamed directories are refused where attributes are not to be had',
  { skip: isRoot ? false : NEEDS_ROOT },
  async (t) => {
    const found = overlay(t, ',redirect_dir=on', 'mv moved elsewhere', false)
    if (found === undefined) return
    const { lower, upper, merged } = found
    await t.rejects(overlayChanges(upper, lower, { xattrs: 'none', merged }), {
      code: 'ERR_LAYER_UNSUPPORTED',
    })
  },
)

const marked = (marks: Record<string, Record<string, string>>): Xattrs =>
  new Map(
    Object.entries(marks).map(([path, values]) => [
      path,
      new Map(Object.entries(values).map(([name, value]) => [`trusted.overlay.${name}`, Buffer.from(value)])),
    ]),
  )

t.test('D16: whiteouts by attribute count in directories that say so', async (t) => {
  const upper = t.testdir({ d: { gone: '', kept: '', full: 'x' }, e: { f: '' } })
  const lower = Tree.from([directory('d'), file('d/gone'), directory('e'), file('e/f')])
  const xattrs = marked({
    d: { opaque: 'x' },
    'd/gone': { whiteout: 'y' },
    'd/full': { whiteout: 'y' },
    'e/f': { whiteout: 'y' },
  })
  const { changes } = await overlayChanges(upper, lower, { xattrs })
  t.strictSame(
    listed(changes).filter((line) => line.includes('/')),
    ['a d/full', 'd d/gone', 'a d/kept', 'm e/f'],
  )
})

t.test('D16: what would be guessed is refused', async (t) => {
  const upper = t.testdir({ d: {}, f: 'xxxx' })
  const refused = { name: 'LayerError', code: 'ERR_LAYER_UNSUPPORTED' }
  const lower = Tree.from([file('f', 'y')])
  const user = new Map([['d', new Map([['user.overlay.opaque', Buffer.from('y')]])]])
  const cases: readonly (readonly [why: string, Exclude<OverlayOptions['xattrs'], undefined>])[] = [
    ['marks in user attributes, of whom is not said', user],
    ['attributes that cannot be read', new Map([['d', undefined]])],
    ['a redirection out of the tree', marked({ d: { redirect: '../x' } })],
    ['a redirection to nowhere', marked({ d: { redirect: '' } })],
    ['a content that is not there', marked({ f: { metacopy: '', redirect: '/missing' } })],
    ['a content of another size', marked({ f: { metacopy: '' } })],
  ]
  for (const [why, xattrs] of cases) await t.rejects(overlayChanges(upper, lower, { xattrs }), refused, why)
  t.strictSame(listed((await overlayChanges(upper, lower, { xattrs: user, userXattr: false })).changes), [
    'a d',
    'm f',
  ])
  await t.rejects(overlayChanges(upper, lower, { xattrs: 'none' }), TypeError)
  const path = process.env['PATH']
  t.teardown(() => void (process.env['PATH'] = path))
  process.env['PATH'] = ''
  await t.rejects(overlayChanges(upper, lower), refused, 'no tool to read attributes')
})

t.test('links of the lower tree move and stay together', async (t) => {
  const upper = t.testdir({ b: {}, z: '' })
  const lower = Tree.from([directory('a'), file('a/x', 'x'), hardlink('a/y', 'a/x'), hardlink('c', 'a/x')])
  const { tree } = await overlayChanges(upper, lower, { xattrs: marked({ b: { redirect: 'a' } }) })
  t.strictSame(
    [...tree].filter(({ path }) => path !== '').map(({ path, linkname }) => `${path} ${linkname}`.trim()),
    ['a', 'a/x', 'a/y a/x', 'b', 'b/x a/x', 'b/y a/x', 'c a/x', 'z'],
    'no whiteout hides the old place here',
  )
})

t.test('a signal ends it', async (t) => {
  const reason = new Error('enough')
  const upper = t.testdir({})
  mkdirSync(`${upper}/d`)
  const signal = AbortSignal.abort(reason)
  await t.rejects(
    overlayChanges(upper, Tree.from([createEntry({ path: 'd', type: 'directory' })]), { signal }),
    reason,
  )
})
