import { createEntry, Tree } from '@varve/layer'
import t from 'tap'
import { findSources, sourceFiles } from '../src/copy/sources.ts'
import { PatternMatcher } from '../src/ignore/pattern.ts'
import { tree } from './copy-support.ts'

const TREE = Tree.from([
  createEntry({ path: 'with space', type: 'file' }),
  ...tree(
    '.hidden',
    'a.md',
    'a.txt',
    'arr[0].txt',
    'b.txt',
    'back\\slash',
    'dir/',
    'dir/a.txt',
    'dir/sub/',
    'dir/sub/a.txt',
    'dir/sub/b.md',
    'dir2/',
    'dir2/a.txt',
    'link -> dir/sub',
    'linked -> /a.txt',
    'outside -> ../../../a.md',
    'host -> /etc/passwd',
  ),
])

/** `path` of each match, and its name if it is another. */
function found(word: string, parents = false, of: Tree = TREE): string[] {
  return findSources(of, word, { parents }).map(({ path, name }) =>
    path.endsWith(name) ? path : `${path} as ${name}`,
  )
}

t.test('a path means itself', async (t) => {
  for (const [word, expected] of [
    ['a.txt', 'a.txt'],
    ['/a.txt', 'a.txt'],
    ['./dir/../a.txt', 'a.txt'],
    ['../../a.txt', 'a.txt'],
    ['a.txt/', 'a.txt'],
    ['dir//sub/', 'dir/sub'],
    ['with space', 'with space'],
    ['back\\slash', 'back\\slash'],
    ['.', ''],
    ['/', ''],
    ['', ''],
    ['..', ''],
  ] as const) {
    t.strictSame(found(word), [expected], JSON.stringify(word))
  }
  const location = { file: 'Dockerfile', line: 3 }
  for (const [word, name] of [
    ['nope', '/nope'],
    ['dir/../nope/x', '/nope/x'],
    ['a.txt/x', '/a.txt/x'],
    ['arr[[]1].tx', undefined],
  ] as const) {
    if (name === undefined) t.strictSame(found(word), [], word)
    else {
      t.throws(() => findSources(TREE, word, { parents: false, location }), {
        code: 'ERR_BUILDER_COPY',
        message: `Dockerfile:3: ${JSON.stringify(name)} not found`,
        location,
        hint: /\.dockerignore/,
      })
    }
  }
})

t.test('a root without an entry is a directory', async (t) => {
  t.match(findSources(TREE, '.', { parents: false }), [{ path: '', entry: undefined, kept: [] }])
  t.strictSame(found('.', false, tree()), [''], 'even if it is empty')
})

t.test('wildcards are those of filepath.Match', async (t) => {
  for (const [word, expected] of [
    ['*.txt', ['a.txt', 'arr[0].txt', 'b.txt']],
    ['?.txt', ['a.txt', 'b.txt']],
    ['/[a-b].*', ['a.md', 'a.txt', 'b.txt']],
    ['[^a].txt', ['b.txt']],
    ['arr[[]0].txt', ['arr[0].txt']],
    ['arr\\[0].tx?', ['arr[0].txt']],
    ['*/a.txt', ['dir/a.txt', 'dir2/a.txt']],
    ['dir/*', ['dir/a.txt', 'dir/sub']],
    ['dir/*/../*.txt', ['dir/a.txt']],
    ['dir/**', ['dir/a.txt', 'dir/sub']],
    ['*/sub/*.md', ['dir/sub/b.md']],
    ['.h*', ['.hidden']],
    ['*hidden', ['.hidden']],
    ['no*', []],
    ['nope/*', []],
    ['a.txt/*', []],
  ] as const) {
    t.strictSame(found(word), expected, word)
  }
  t.throws(() => findSources(TREE, 'a[', { parents: false, location: { file: 'D', line: 1 } }), {
    code: 'ERR_BUILDER_DOCKERFILE',
    message: /^D:1: Syntax error in pattern/,
  })
})

t.test('a link named by a source is followed inside the root only', async (t) => {
  for (const [word, expected] of [
    ['link', ['dir/sub as link']],
    ['link/b.md', ['dir/sub/b.md']],
    ['link/*.md', ['dir/sub/b.md']],
    ['linked', ['a.txt as linked']],
    ['outside', ['a.md as outside']],
    ['lin*', ['dir/sub as link', 'a.txt as linked']],
  ] as const) {
    t.strictSame(found(word), expected, word)
  }
  for (const word of ['host', 'ho*']) {
    t.throws(() => findSources(TREE, word, { parents: false }), { message: '"/host" not found' }, word)
  }
  t.throws(() => findSources(tree('l -> l'), 'l', { parents: false, location: { file: 'D', line: 1 } }), {
    code: 'ERR_BUILDER_COPY',
    message: 'D:1: Too many symbolic links in "l"',
  })
})

t.test('what a match brings along', async (t) => {
  const rows: ReadonlyArray<
    readonly [why: string, word: string, parents: boolean, exclude: string[], files: string[]]
  > = [
    ['a file', 'dir/a.txt', false, [], ['a.txt']],
    ['the contents of a directory', 'dir', false, [], ['a.txt', 'sub', 'sub/a.txt', 'sub/b.md']],
    ['a followed link, under its own name', 'linked', false, [], ['linked']],
    ['not what is excluded', 'dir', false, ['*.txt', 'sub/*.md'], ['sub', 'sub/a.txt']],
    ['what an exception takes back', 'dir', false, ['**', '!**/b.md'], ['sub/b.md']],
    ['not an excluded file', '*.txt', false, ['a.*'], ['arr[0].txt', 'b.txt']],
    ['parents', 'dir/sub/a.txt', true, [], ['dir', 'dir/sub', 'dir/sub/a.txt']],
    ['parents of a directory', 'dir/sub', true, [], ['dir', 'dir/sub', 'dir/sub/a.txt', 'dir/sub/b.md']],
    ['parents after the pivot', './dir/./sub/a.txt', true, [], ['sub', 'sub/a.txt']],
    ['nothing in front of the pivot', 'dir/sub/./a.txt', true, [], ['a.txt']],
    ['parents of wildcards', 'd*/./a.txt', true, [], ['a.txt', 'a.txt']],
    ['wildcards behind a pivot', 'dir/./*/*.md', true, [], ['sub', 'sub/b.md']],
    ['** with parents', '**/b.md', true, [], ['dir', 'dir/sub', 'dir/sub/b.md']],
    [
      'all that ** matches, once',
      'dir/**',
      true,
      [],
      ['dir', 'dir/a.txt', 'dir', 'dir/sub', 'dir/sub/a.txt', 'dir/sub/b.md'],
    ],
    ['parents through a link', 'link/b.md', true, [], ['link', 'link/b.md']],
    ['a file at the root', 'a.txt', true, [], ['a.txt']],
    ['the root itself', 'dir/sub/./', true, [], ['a.txt', 'b.md']],
    [
      'exclusion sees the path that is kept',
      'dir/sub',
      true,
      ['dir/sub/*.md'],
      ['dir', 'dir/sub', 'dir/sub/a.txt'],
    ],
  ]
  for (const [why, word, parents, exclude, files] of rows) {
    const matcher = exclude.length === 0 ? undefined : new PatternMatcher(exclude)
    const matches = findSources(TREE, word, { parents })
    const brought = matches.flatMap((match) => [...sourceFiles(match, matcher)])
    t.strictSame(
      brought.map(({ path }) => path),
      files,
      why,
    )
  }
  t.throws(() => findSources(TREE, 'dir/./nope', { parents: true }), { message: '"/dir/nope" not found' })
  t.throws(() => findSources(TREE, 'nope/./x', { parents: true }), { message: '"/nope/x" not found' })
})

t.test('a hard link brings its file', async (t) => {
  const links = tree(
    'a 640 1:2 =text',
    'b => a',
    'c => b',
    'broken => nope',
    'x => y',
    'y => x',
    'd/',
    'e => d',
  )
  const [match] = findSources(links, 'c', { parents: false })
  t.match(
    [...sourceFiles(match!)],
    [{ path: 'c', name: { type: 'hardlink' }, file: { path: 'a', mode: 0o640, uid: 1 } }],
  )
  for (const name of ['broken', 'x', 'e']) {
    const [damaged] = findSources(links, name, { parents: false })
    t.throws(() => [...sourceFiles(damaged!)], {
      code: 'ERR_BUILDER_COPY',
      message: `Broken hard link "/${name}"`,
    })
  }
})
