import { bytesSource } from '@varve/digest'
import { createEntry, Tree } from '@varve/layer'
import fc from 'fast-check'
import t from 'tap'
import { accountsOf, type Identity, resolveIdentity } from '../src/copy/identity.ts'
import { resolveInRoot } from '../src/copy/in-root.ts'
import { parseMode } from '../src/copy/mode.ts'
import { tree } from './copy-support.ts'

t.test('resolveInRoot follows links and stays inside', async (t) => {
  const links = tree(
    'a/',
    'a/b/',
    'a/b/file',
    'a/up -> ..',
    'a/far -> ../../../../a/b',
    'absolute -> /a/b',
    'dangling -> nowhere/x',
    'loop -> loop2',
    'loop2 -> /loop',
    'root -> /',
    'dot -> ./a/./b/',
    'nested -> absolute/file',
    'empty -> ',
  )
  for (const [path, expected] of [
    ['', ''],
    ['/', ''],
    ['.', ''],
    ['..', ''],
    ['../../etc/passwd', 'etc/passwd'],
    ['/a//b/./file', 'a/b/file'],
    ['a/b/..', 'a'],
    ['a/up', ''],
    ['a/up/a/up/a', 'a'],
    ['a/far/file', 'a/b/file'],
    ['absolute', 'a/b'],
    ['absolute/../x', 'a/x'],
    ['absolute/new/x', 'a/b/new/x'],
    ['dangling', 'nowhere/x'],
    ['dangling/y', 'nowhere/x/y'],
    ['root/a', 'a'],
    ['dot/file', 'a/b/file'],
    ['nested', 'a/b/file'],
    ['a/b/file/below', 'a/b/file/below'],
    ['missing/../a', 'a'],
    ['empty/a', 'a'],
  ] as const) {
    t.equal(resolveInRoot(links, path), expected, path)
  }
  for (const path of ['loop', 'loop2/x', '/a/../loop']) {
    const message = `Too many symbolic links in ${JSON.stringify(path)}`
    t.throws(() => resolveInRoot(links, path), { code: 'ERR_BUILDER_COPY', message })
  }
  const chain = (length: number): Tree =>
    tree(...Array.from({ length }, (_, index) => `l${index} -> l${index + 1}`))
  t.equal(resolveInRoot(chain(40), 'l0'), 'l40', 'as many links as the kernel follows')
  t.throws(() => resolveInRoot(chain(41), 'l0'), { code: 'ERR_BUILDER_COPY' })
})

t.test('resolveInRoot gives a clean path for whatever a hostile tree says', async () => {
  const name = fc.constantFrom('a', 'b', 'c', '..', '.', '')
  const path = fc.array(name, { maxLength: 6 }).map((parts) => parts.join('/'))
  const links = fc.dictionary(fc.constantFrom('a', 'b', 'a/b', 'b/c', 'c'), path)
  fc.assert(
    fc.property(links, path, (targets, wanted) => {
      const get = (each: string) =>
        Object.hasOwn(targets, each) ? { type: 'symlink' as const, linkname: targets[each]! } : undefined
      try {
        const resolved = resolveInRoot({ get }, wanted)
        return resolved === '' || resolved.split('/').every((part) => !['', '.', '..'].includes(part))
      } catch (error) {
        return (error as Error).message.startsWith('Too many symbolic links')
      }
    }),
  )
})

t.test('parseMode', async (t) => {
  const rows: ReadonlyArray<readonly [text: string, from: number, file: number, directory: number]> = [
    ['755', 0o600, 0o755, 0o755],
    ['0', 0o777, 0, 0],
    ['4755', 0o600, 0o4755, 0o4755],
    ['00644', 0o7777, 0o644, 0o644],
    ['u+x', 0o644, 0o744, 0o744],
    ['+x', 0o644, 0o755, 0o755],
    ['a-w', 0o666, 0o444, 0o444],
    ['go=', 0o777, 0o700, 0o700],
    ['=r', 0o7755, 0o444, 0o444],
    ['u=rwX,go=rX', 0o600, 0o644, 0o755],
    ['u=rwX,go=rX', 0o700, 0o755, 0o755],
    ['a+X', 0o644, 0o644, 0o755],
    ['a+X', 0o654, 0o755, 0o755],
    ['a-x,u+X', 0o755, 0o644, 0o744],
    ['u+s', 0o755, 0o4755, 0o4755],
    ['g+s', 0o755, 0o2755, 0o2755],
    ['+s', 0o755, 0o6755, 0o6755],
    ['o+s', 0o755, 0o755, 0o755],
    ['u=rwx', 0o4755, 0o755, 0o755],
    ['go-rwx', 0o7777, 0o7700, 0o7700],
    ['+t', 0o777, 0o1777, 0o1777],
    ['o+t', 0o777, 0o1777, 0o1777],
    ['u+t', 0o777, 0o777, 0o777],
    ['-t', 0o1777, 0o777, 0o777],
    ['u+r-w+x', 0o200, 0o500, 0o500],
    ['ug=rw,o=', 0o777, 0o660, 0o660],
    ['g=u', 0o750, 0o770, 0o770],
    ['go+u', 0o700, 0o777, 0o777],
    ['o-g', 0o757, 0o752, 0o752],
    ['u=o', 0o4754, 0o454, 0o454],
    ['u+', 0o644, 0o644, 0o644],
  ]
  for (const [text, from, file, directory] of rows) {
    const change = parseMode(text)
    const octal = [change(from, false), change(from, true)].map((mode) => mode.toString(8))
    t.strictSame(octal, [file.toString(8), directory.toString(8)], `${text} of ${from.toString(8)}`)
  }
  for (const text of [
    '',
    '8',
    '10000',
    '77777',
    '0x1ff',
    'u',
    'rwx',
    'u+rg',
    'u=rwx,',
    'b+x',
    'u~x',
    '-1',
    ' 755',
    'u+ur',
  ]) {
    t.throws(() => parseMode(text, { file: 'Dockerfile', line: 4 }), {
      code: 'ERR_BUILDER_DOCKERFILE',
      message: `Dockerfile:4: Invalid mode ${JSON.stringify(text)}`,
      hint: /octal/,
    })
  }
  t.throws(() => parseMode('x'), { message: 'Invalid mode "x"', location: undefined })
})

t.test('parseMode never leaves the bits of a mode', async () => {
  const action = fc.tuple(
    fc.constantFrom('+', '-', '='),
    fc.constantFrom('u', 'g', 'o', 'r', 'wx', 'X', 'st', ''),
  )
  const clause = fc.tuple(
    fc.constantFrom('', 'u', 'go', 'a'),
    fc.array(action, { minLength: 1, maxLength: 3 }),
  )
  fc.assert(
    fc.property(
      fc.array(clause, { minLength: 1 }),
      fc.nat(0o7777),
      fc.boolean(),
      (clauses, mode, isDirectory) => {
        const text = clauses.map(([who, actions]) => who + actions.flat().join('')).join(',')
        const changed = parseMode(text)(mode, isDirectory)
        return changed >= 0 && changed <= 0o7777
      },
    ),
  )
})

const PASSWD = `root:x:0:0:root:/root:/bin/sh
# a comment
app:x:1000:1001::/home/app:/bin/sh

plain:x:7:8
1000:x:0:0:fake:/evil:/bin/sh
`
const GROUP = `root:x:0:app
staff:x:50:app,other
wheel:x:10:app
app:x:1001:app
again:x:50:app
`

async function identify(
  text: string,
  numericGroup: 'same' | 'root',
  files: Readonly<Record<string, string>> = { 'etc/passwd': PASSWD, 'etc/group': GROUP },
): Promise<Identity> {
  const location = { file: 'Dockerfile', line: 2 }
  return resolveIdentity(text, async (file) => files[file] ?? '', { numericGroup, location })
}

t.test('resolveIdentity for --chown', async (t) => {
  for (const [text, uid, gid] of [
    ['5', 5, 5],
    ['5:6', 5, 6],
    ['1000', 1000, 1000],
    ['app', 1000, 1001],
    ['app:staff', 1000, 50],
    ['app:7', 1000, 7],
    ['9:wheel', 9, 10],
    ['app:', 1000, 1001],
    [':staff', 0, 50],
    ['4294967294', 4294967294, 4294967294],
    ['007', 7, 7],
  ] as const) {
    t.match(await identify(text, 'same'), { uid, gid }, text)
  }
})

t.test('resolveIdentity for USER', async (t) => {
  for (const [text, identity] of [
    ['', { uid: 0, gid: 0, groups: [], home: '/root' }],
    ['app', { uid: 1000, gid: 1001, groups: [0, 10, 50], home: '/home/app' }],
    ['1000', { uid: 1000, gid: 1001, groups: [0, 10, 50], home: '/home/app' }],
    ['app:wheel', { uid: 1000, gid: 10, groups: [], home: '/home/app' }],
    ['77', { uid: 77, gid: 0, groups: [], home: '/' }],
    ['77:78', { uid: 77, gid: 78, groups: [], home: '/' }],
    ['plain', { uid: 7, gid: 8, groups: [], home: '/' }],
  ] as const) {
    t.strictSame(await identify(text, 'root'), identity, JSON.stringify(text))
  }
  t.strictSame(
    await identify('', 'root', {}),
    { uid: 0, gid: 0, groups: [], home: '/' },
    'no accounts at all',
  )
})

t.test('unknown names and damaged accounts are errors, never a silent 0', async (t) => {
  const hostile = {
    'etc/passwd': [
      'nouid:x::5',
      'nogid:x:5:',
      'short:x',
      'hex:x:0x0:0',
      'spaces:x: 0:0',
      'negative:x:-1:-1',
      'huge:x:4294967295:0',
      'float:x:1.5:0',
      'letters:x:zero:0',
    ].join('\n'),
    'etc/group': 'gnone:x\ngempty:x::\ngbad:x:root:\n',
  }
  for (const [text, what] of [
    ['nosuch', 'user "nosuch"'],
    ['constructor', 'user "constructor"'],
    ['0:nosuch', 'group "nosuch"'],
    ['a:b:c', 'user "a"'],
    ['1:2:3', 'group "2:3"'],
    ['-1', 'user "-1"'],
    ['4294967295', 'user "4294967295"'],
    ['99999999999', 'user "99999999999"'],
    ['0:4294967295', 'group "4294967295"'],
    ...['nouid', 'short', 'hex', 'spaces', 'negative', 'huge', 'float', 'letters'].map(
      (name) => [name, `user "${name}"`] as const,
    ),
    ['nogid', 'primary group of the user "nogid"'],
    ...['gnone', 'gempty', 'gbad'].map((name) => [`1:${name}`, `group "${name}"`] as const),
  ] as const) {
    await t.rejects(
      identify(text, 'same', hostile),
      {
        code: 'ERR_BUILDER_COPY',
        message: `Dockerfile:2: The image has no ${what}`,
        location: { file: 'Dockerfile', line: 2 },
      },
      text,
    )
  }
})

t.test('accountsOf reads files of the image and nothing else', async (t) => {
  const accounts = accountsOf(
    tree(
      'etc/',
      'etc/passwd -> ../../usr/passwd',
      'usr/',
      'usr/passwd => usr/real',
      'usr/real =text',
      'etc/group/',
    ),
  )
  t.equal(await accounts('etc/passwd'), 'text', 'links are followed inside')
  t.equal(await accounts('etc/group'), '', 'a directory is no file')
  t.equal(await accountsOf(tree())('etc/passwd'), '')
  const big = createEntry({
    path: 'etc/passwd',
    type: 'file',
    content: bytesSource(new Uint8Array(8 * 1024 * 1024 + 1)),
  })
  await t.rejects(
    accountsOf(Tree.from([big]))('etc/passwd'),
    { code: 'ERR_DIGEST_LIMIT' },
    'a huge one is refused',
  )
  await t.rejects(accountsOf(tree('etc/passwd -> passwd'))('etc/passwd'), { code: 'ERR_BUILDER_COPY' })
})
