import { createEntry, NO_XATTRS, Tree } from '@varve/layer'
import fc from 'fast-check'
import t from 'tap'
import { parseMode } from '../src/copy/mode.ts'
import { placeCopy, type PlacedItem, type Placement } from '../src/copy/place.ts'
import { findSources } from '../src/copy/sources.ts'
import { PatternMatcher } from '../src/ignore/pattern.ts'
import { lines, tree } from './copy-support.ts'

interface Copy {
  readonly base?: Tree
  readonly chown?: readonly [uid: number, gid: number]
  readonly chmod?: string
  readonly exclude?: readonly string[]
  readonly parents?: boolean
}

const LOCATION = { file: 'Dockerfile', line: 7 }

function items(source: Tree, words: readonly string[], { parents = false }: Copy = {}): PlacedItem[] {
  return words.flatMap((word) => findSources(source, word, { parents }).map((match) => ({ match })))
}

function place(placed: readonly PlacedItem[], destination: string, copy: Copy = {}, epoch = 0): Tree {
  const { base = Tree.from([]), chown, chmod, exclude } = copy
  const placement: Placement = {
    base,
    items: placed,
    destination,
    owner: chown && { uid: chown[0], gid: chown[1] },
    mode: chmod === undefined ? undefined : parseMode(chmod),
    exclude: exclude && new PatternMatcher(exclude),
    epoch,
    location: LOCATION,
  }
  return placeCopy(placement)
}

/** COPY words… destination, as lines. */
async function copy(
  source: Tree,
  words: readonly string[],
  destination: string,
  given?: Copy,
): Promise<string[]> {
  return lines(place(items(source, words, given), destination, given))
}

const CONTEXT = tree('d/ 750', 'd/f =f', 'd/sub/ 711', 'd/sub/g 600 =g', 'x 755 =x', 'y =y')

t.test('where things go', async (t) => {
  const rows: ReadonlyArray<
    readonly [why: string, words: string[], destination: string, made: string[], given?: Copy]
  > = [
    ['a file to a name', ['x'], '/z', ['z 755 0:0 =x']],
    ['a file into a directory that is not there', ['x'], '/z/', ['z/ 755 0:0', 'z/x 755 0:0 =x']],
    [
      'a file into a directory that is',
      ['x'],
      '/z',
      ['z/ 700 9:9', 'z/x 755 0:0 =x'],
      { base: tree('z/ 700 9:9') },
    ],
    ['a file into the root', ['x'], '/', ['x 755 0:0 =x']],
    ['parents are made', ['x'], '/n/m/z', ['n/ 755 0:0', 'n/m/ 755 0:0', 'n/m/z 755 0:0 =x']],
    [
      'a file over a file',
      ['x'],
      '/e/z',
      ['e/ 711 3:3', 'e/z 755 0:0 =x'],
      { base: tree('e/ 711 3:3', 'e/z 600 4:4 =old', 'e/other =o') },
    ],
    ['a file over a link', ['x'], '/e/', ['e/ 755 0:0', 'e/x 755 0:0 =x'], { base: tree('e/', 'e/x -> /y') }],
    [
      'the contents of a directory, not itself',
      ['d'],
      '/z',
      ['z/ 755 0:0', 'z/f 644 0:0 =f', 'z/sub/ 711 0:0', 'z/sub/g 600 0:0 =g'],
    ],
    [
      'an existing directory stays, one below takes what the source has',
      ['d'],
      '/z',
      ['z/ 700 9:9', 'z/f 644 0:0 =f', 'z/sub/ 711 0:0', 'z/sub/g 600 0:0 =g'],
      { base: tree('z/ 700 9:9', 'z/sub/ 700 9:9', 'z/sub/old =o') },
    ],
    ['everything into the root', ['d'], '/', ['f 644 0:0 =f', 'sub/ 711 0:0', 'sub/g 600 0:0 =g']],
    ['several files', ['x', 'y'], '/z/', ['z/ 755 0:0', 'z/x 755 0:0 =x', 'z/y 644 0:0 =y']],
    [
      'several files into a directory that is there',
      ['x', 'y'],
      '/z',
      ['z/ 755 0:0', 'z/x 755 0:0 =x', 'z/y 644 0:0 =y'],
      { base: tree('z/') },
    ],
    ['one match of a pattern, to a name', ['x*'], '/z', ['z 755 0:0 =x']],
    ['no match: nothing at all', ['no*'], '/z/', []],
    [
      'files and directories together',
      ['x', 'd/sub'],
      '/z',
      ['z/ 755 0:0', 'z/g 600 0:0 =g', 'z/x 755 0:0 =x'],
    ],
    ['an empty directory', ['e'], '/z', ['z/ 755 0:0']],
    ['what is said later counts', ['d/f', 'd/./f'], '/z/', ['z/ 755 0:0', 'z/f 644 0:0 =f']],
  ]
  const context = Tree.from([...CONTEXT, ...tree('e/ 700')])
  for (const [why, words, destination, made, given] of rows) {
    t.strictSame(await copy(context, words, destination, given), made, why)
  }
})

t.test('links in the destination', async (t) => {
  const base = tree(
    'data/ 700',
    'absolute -> /data',
    'relative -> ../../data',
    'dangling -> /new/place',
    'chain -> absolute/deep',
    'file -> data/target',
    'data/target =t',
  )
  const rows: ReadonlyArray<readonly [why: string, destination: string, made: string[], given?: Copy]> = [
    ['are followed', '/absolute/', ['data/ 700 0:0', 'data/x 755 0:0 =x']],
    ['also without a slash', '/absolute', ['data/ 700 0:0', 'data/x 755 0:0 =x']],
    ['and never lead out', '/relative/z', ['data/ 700 0:0', 'data/z 755 0:0 =x']],
    ['nor does ..', '/absolute/../../../z', ['z 755 0:0 =x']],
    ['may lead to what is not there', '/dangling', ['new/ 755 0:0', 'new/place 755 0:0 =x']],
    [
      'may lead to directories that are not there',
      '/chain/',
      ['data/ 700 0:0', 'data/deep/ 755 0:0', 'data/deep/x 755 0:0 =x'],
    ],
    ['may lead to a file, which is replaced', '/file', ['data/ 700 0:0', 'data/target 755 0:0 =x']],
    [
      'mean nothing to --link',
      '/absolute/',
      ['absolute/ 755 0:0', 'absolute/x 755 0:0 =x'],
      { base: tree() },
    ],
  ]
  for (const [why, destination, made, given] of rows) {
    t.strictSame(await copy(CONTEXT, ['x'], destination, { base, ...given }), made, why)
  }
})

t.test('owner and mode', async (t) => {
  const source = tree('d/ 750 7:8', 'd/f 4755 7:8 =f', 'd/l 777 7:8 -> f', 'd/s/ 3777 7:8')
  const rows: ReadonlyArray<readonly [why: string, given: Copy, made: string[]]> = [
    [
      'are kept',
      {},
      ['n/ 755 0:0', 'n/m/ 755 0:0', 'n/m/f 4755 7:8 =f', 'n/m/l 777 7:8 -> f', 'n/m/s/ 3777 7:8'],
    ],
    [
      '--chown owns what is made on the way, too',
      { chown: [5, 6] },
      ['n/ 755 5:6', 'n/m/ 755 5:6', 'n/m/f 4755 5:6 =f', 'n/m/l 777 5:6 -> f', 'n/m/s/ 3777 5:6'],
    ],
    [
      '--chmod is for everything but links',
      { chmod: '700' },
      ['n/ 700 0:0', 'n/m/ 700 0:0', 'n/m/f 700 7:8 =f', 'n/m/l 777 7:8 -> f', 'n/m/s/ 700 7:8'],
    ],
    [
      'symbolic modes start from what is there',
      { chmod: 'go-w,u+w', chown: [0, 0] },
      ['n/ 755 0:0', 'n/m/ 755 0:0', 'n/m/f 4755 0:0 =f', 'n/m/l 777 0:0 -> f', 'n/m/s/ 3755 0:0'],
    ],
    [
      'nothing changes what is there',
      { chown: [5, 6], chmod: '700', base: tree('n/ 711 3:3', 'n/m/ 711 3:3') },
      ['n/ 711 3:3', 'n/m/ 711 3:3', 'n/m/f 700 5:6 =f', 'n/m/l 777 5:6 -> f', 'n/m/s/ 700 5:6'],
    ],
  ]
  for (const [why, given, made] of rows) t.strictSame(await copy(source, ['d'], '/n/m', given), made, why)
})

t.test('every time is the epoch, except of directories that were there', async (t) => {
  const placed = place(items(CONTEXT, ['d', 'x']), '/n/z/', { base: tree('n/') }, 12)
  t.strictSame(
    [...placed].map(({ path, mtime, mtimeNs }) => [path, mtime, mtimeNs]),
    [
      ['n', 1_000_000_000, 5],
      ['n/z', 12, 0],
      ['n/z/f', 12, 0],
      ['n/z/sub', 12, 0],
      ['n/z/sub/g', 12, 0],
      ['n/z/x', 12, 0],
    ],
  )
})

t.test('devices, pipes and attributes are copied, foreign archive records are not', async (t) => {
  const xattrs = new Map([['user.a', new Uint8Array([1])]])
  const pax = new Map([['MSWINDOWS.x', new Uint8Array([1])]])
  const source = Tree.from([
    createEntry({ path: 'null', type: 'char', devMajor: 1, devMinor: 3, mode: 0o666, pax }),
    createEntry({ path: 'pipe', type: 'fifo', xattrs }),
  ])
  const [device, pipe] = [...place(items(source, ['*']), '/')]
  t.match(device, { path: 'null', type: 'char', devMajor: 1, devMinor: 3, mode: 0o666 })
  t.equal(device?.pax, undefined)
  t.match(pipe, { path: 'pipe', type: 'fifo', xattrs })
  t.equal(NO_XATTRS.size, 0)
})

t.test('what cannot be', async (t) => {
  const base = tree('file =f', 'dir/', 'dir/x/', 'dir/sub =file', 'link -> file', 'dangling -> /dangling')
  const rows: ReadonlyArray<readonly [why: string, words: string[], destination: string, message: string]> = [
    ['several files to one name', ['x', 'y'], '/z', '2 files cannot be copied to the one file "/z"'],
    ['several matches to one name', ['[xyz]'], '/file', '3 files cannot be copied to the one file "/file"'],
    ['a directory onto a file', ['d'], '/file', 'Not a directory: "/file"'],
    ['a file into a file', ['x'], '/file/', 'Not a directory: "/file"'],
    ['a file below a file', ['x'], '/file/a/b', 'Not a directory: "/file"'],
    ['a directory onto a link to a file', ['d'], '/link', 'Not a directory: "/file"'],
    ['a directory below onto a file', ['d'], '/dir', 'Cannot copy a directory onto a file: "/dir/sub"'],
    ['a file onto a directory of its name', ['x'], '/dir', 'Cannot copy a file onto a directory: "/dir/x"'],
    ['a destination whose links loop', ['x'], '/dangling', 'Too many symbolic links in "/dangling"'],
    ['a name that means a deletion', ['x'], '/.wh.x', 'A layer cannot hold the name ".wh.x"'],
    [
      'one in the middle of a path',
      ['x'],
      '/a/.wh..wh..opq/x',
      'A layer cannot hold the name "a/.wh..wh..opq"',
    ],
    ['one in the source', ['w'], '/', 'A layer cannot hold the name ".wh.gone"'],
    ['a broken hard link', ['broken'], '/', 'Broken hard link "/broken"'],
  ]
  const source = Tree.from([...CONTEXT, ...tree('w/', 'w/.wh.gone', 'broken => nope', 'z')])
  for (const [why, words, destination, message] of rows) {
    t.throws(
      () => place(items(source, words), destination, { base }),
      {
        name: 'BuilderError',
        code: 'ERR_BUILDER_COPY',
        message: `Dockerfile:7: ${message}`,
        location: LOCATION,
      },
      why,
    )
  }
  const clash = [...items(tree('a/', 'a/n'), ['a']), ...items(tree('b/', 'b/n/'), ['b'])]
  t.throws(() => place(clash, '/'), { message: 'Dockerfile:7: Cannot copy a directory onto a file: "/n"' })
  const below = items(tree('b/', 'b/n/', 'b/n/m'), ['b'])
  t.throws(
    () => place(below, '/', { base: tree('n =file'), exclude: ['n', '!n/m'] }),
    { code: 'ERR_BUILDER_COPY', message: 'Dockerfile:7: Not a directory: "/n"' },
    'nor a file below a file whose directory is excluded',
  )
})

t.test('--exclude', async (t) => {
  t.strictSame(await copy(CONTEXT, ['d'], '/', { exclude: ['sub'] }), ['f 644 0:0 =f'])
  t.strictSame(await copy(CONTEXT, ['d'], '/', { exclude: ['sub/*'] }), ['f 644 0:0 =f', 'sub/ 711 0:0'])
  t.strictSame(await copy(CONTEXT, ['d'], '/', { exclude: ['**', '!sub/g'] }), [
    'sub/ 755 0:0',
    'sub/g 600 0:0 =g',
  ])
  t.strictSame(
    await copy(CONTEXT, ['?'], '/z/', { exclude: ['x'] }).then((made) => made.includes('z/y 644 0:0 =y')),
    true,
  )
  t.strictSame(await copy(CONTEXT, ['x'], '/z', { exclude: ['x'] }), [], 'even the only file')
})

t.test('--parents', async (t) => {
  const source = tree('a/ 711 1:1', 'a/b/ 700 2:2', 'a/b/f =f', 'c =c')
  const rows: ReadonlyArray<
    readonly [why: string, words: string[], destination: string, made: string[], given?: Copy]
  > = [
    [
      'keeps directories as they are',
      ['a/b/f'],
      '/z',
      ['z/ 755 0:0', 'z/a/ 711 1:1', 'z/a/b/ 700 2:2', 'z/a/b/f 644 0:0 =f'],
    ],
    ['from the pivot on', ['a/./b/f'], '/z/', ['z/ 755 0:0', 'z/b/ 700 2:2', 'z/b/f 644 0:0 =f']],
    ['of a directory, itself too', ['a/./b'], '/', ['b/ 700 2:2', 'b/f 644 0:0 =f']],
    ['of several', ['c', '**/f'], '/', ['a/ 711 1:1', 'a/b/ 700 2:2', 'a/b/f 644 0:0 =f', 'c 644 0:0 =c']],
    [
      'with owner and mode',
      ['a/./b'],
      '/',
      ['b/ 755 5:6', 'b/f 755 5:6 =f'],
      { chown: [5, 6], chmod: '755' },
    ],
    [
      'over what is there',
      ['a/b/f'],
      '/',
      ['a/ 711 1:1', 'a/b/ 700 2:2', 'a/b/f 644 0:0 =f'],
      { base: tree('a/ 777 9:9') },
    ],
  ]
  for (const [why, words, destination, made, given] of rows) {
    t.strictSame(await copy(source, words, destination, { parents: true, ...given }), made, why)
  }
  t.throws(() => place(items(source, ['a/b/f'], { parents: true }), '/', { base: tree('a =file') }), {
    message: 'Dockerfile:7: Cannot copy a directory onto a file: "/a"',
  })
})

t.test('hard links', async (t) => {
  const source = tree(
    'd/',
    'd/a 640 1:2 =text',
    'd/b => d/a',
    'd/z => d/b',
    'd/sub/',
    'd/sub/c => d/a',
    'e/',
    'e/a =other',
  )
  const rows: ReadonlyArray<readonly [why: string, words: string[], made: string[], given?: Copy]> = [
    [
      'stay one file',
      ['d'],
      ['a 640 1:2 =text', 'b 640 1:2 => a', 'sub/ 755 0:0', 'sub/c 640 1:2 => a', 'z 640 1:2 => a'],
    ],
    ['also over several matches', ['d/?'], ['a 640 1:2 =text', 'b 640 1:2 => a', 'z 640 1:2 => a']],
    [
      'without the first name',
      ['d'],
      ['sub/ 755 0:0', 'sub/c 640 1:2 =text', 'z 640 1:2 => sub/c'],
      { exclude: ['a', 'b'] },
    ],
    ['alone are files', ['d/z'], ['z 640 1:2 =text']],
    [
      'take owner and mode',
      ['d/?'],
      ['a 600 5:6 =text', 'b 600 5:6 => a', 'z 600 5:6 => a'],
      { chown: [5, 6], chmod: '600' },
    ],
    [
      'do not follow a name that is overwritten',
      ['d/?', 'e'],
      ['a 644 0:0 =other', 'b 640 1:2 =text', 'z 640 1:2 => b'],
    ],
    [
      'copied twice are two files',
      ['d', 'd/sub'],
      [
        'a 640 1:2 =text',
        'b 640 1:2 => a',
        'c 640 1:2 =text',
        'sub/ 755 0:0',
        'sub/c 640 1:2 => a',
        'z 640 1:2 => a',
      ],
    ],
  ]
  for (const [why, words, made, given] of rows) t.strictSame(await copy(source, words, '/', given), made, why)
  const before = tree('l/', 'l/a => l/z', 'l/z 600 =late')
  t.strictSame(
    await copy(before, ['l'], '/'),
    ['a 600 0:0 =late', 'z 600 0:0 => a'],
    'the first name is the file',
  )
})

t.test('archives', async (t) => {
  const context = tree('x.tar')
  const add = async (archive: Tree, destination: string, given: Copy = {}): Promise<string[]> => {
    const [match] = items(context, ['x.tar'])
    return lines(place([{ ...match!, archive }], destination, given))
  }
  const archive = tree('bin/ 700 1:1', 'bin/a 4755 1:1 =a', 'deep/er/f =f')
  t.strictSame(
    await add(archive, '/opt'),
    [
      'opt/ 755 0:0',
      'opt/bin/ 700 1:1',
      'opt/bin/a 4755 1:1 =a',
      'opt/deep/ 755 0:0',
      'opt/deep/er/ 755 0:0',
      'opt/deep/er/f 644 0:0 =f',
    ],
    'go below the destination, which is a directory',
  )
  t.match(await add(archive, '/opt', { chown: [5, 6] }), [/./, 'opt/bin/ 700 5:6', 'opt/bin/a 4755 5:6 =a'])
  t.strictSame(await add(tree(), '/opt/'), ['opt/ 755 0:0'], 'may be empty')
  const base = tree('usr/ 711', 'usr/lib/ 711', 'lib -> usr/lib', 'etc/', 'etc/passwd =p')
  t.strictSame(
    await add(tree('lib/new =n'), '/', { base }),
    ['usr/ 711 0:0', 'usr/lib/ 711 0:0', 'usr/lib/new 644 0:0 =n'],
    'what lies below a link goes where it leads',
  )
  t.strictSame(
    await add(tree('evil -> /etc', 'evil/passwd =e', 'up -> ../../..', 'up/etc/shadow =s'), '/opt/', {
      base,
    }),
    [
      'opt/ 755 0:0',
      'opt/etc/ 755 0:0',
      'opt/etc/passwd 644 0:0 =e',
      'opt/etc/shadow 644 0:0 =s',
      'opt/evil 777 0:0 -> /etc',
      'opt/up 777 0:0 -> ../../..',
    ],
    'but not out of the destination',
  )
  await t.rejects(add(tree('l -> l', 'l/x'), '/'), { code: 'ERR_BUILDER_COPY', location: LOCATION })
  await t.rejects(add(tree('a/', 'a/.wh.b'), '/'), { code: 'ERR_BUILDER_COPY' }, 'nothing is deleted')
  await t.rejects(add(tree('lib/'), '/', { base }), { message: /directory onto a file: "\/lib"/ })
})

t.test('the layer does not depend on the order in which files are found', async () => {
  const names = ['a', 'a-b', 'a/x', 'a/y', 'b', 'b/l', 'c.txt', 'd']
  const kinds = fc.array(fc.constantFrom('file', 'link', 'hard', 'none'), { minLength: 8, maxLength: 8 })
  const options = fc.record({
    destination: fc.constantFrom('/', '/z/', '/l/', '/z/a/'),
    chown: fc.constantFrom(undefined, [5, 6] as const),
    chmod: fc.constantFrom(undefined, '700', 'a+X'),
    exclude: fc.constantFrom(undefined, ['*.txt'], ['a', '!a/x']),
  })
  const base = tree('l -> /real/dir', 'z/ 700 9:9')
  await fc.assert(
    fc.asyncProperty(
      kinds,
      options,
      fc.infiniteStream(fc.nat()),
      async (chosen, { destination, ...given }, order) => {
        const entries = names.flatMap((name, index) => {
          if (name === 'a' || name === 'b') return [...tree(`${name}/ 711`)]
          if (chosen[index] === 'file') return [...tree(`${name} 640 1:1 =${name}`)]
          if (chosen[index] === 'link') return [...tree(`${name} -> ../${chosen[0]}`)]
          return chosen[index] === 'hard' ? [...tree(`${name} => first`)] : []
        })
        const all = [...entries, ...tree('first =1')]
        const shuffled = all
          .map((entry) => [order.next().value!, entry] as const)
          .toSorted(([a], [b]) => a - b)
        const copyOptions: Copy = {
          base,
          ...(given.chown !== undefined && { chown: given.chown }),
          ...(given.chmod !== undefined && { chmod: given.chmod }),
          ...(given.exclude !== undefined && { exclude: given.exclude }),
        }
        const one = place(items(Tree.from(all), ['.']), destination, copyOptions)
        const two = place(
          items(Tree.from(shuffled.map(([, entry]) => entry)), ['.']),
          destination,
          copyOptions,
        )
        const [left, right] = [await lines(one), await lines(two)]
        const complete = [...one].every(({ path }) => {
          const parent = path.split('/').slice(0, -1).join('/')
          return parent === '' || one.get(parent)?.type === 'directory'
        })
        return left.join('\n') === right.join('\n') && complete
      },
    ),
    { numRuns: 100 },
  )
})
