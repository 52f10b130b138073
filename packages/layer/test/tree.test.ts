import * as fc from 'fast-check'
import t from 'tap'
import {
  baseOf,
  comparePaths,
  createEntry,
  decodePath,
  encodePath,
  formatWhiteout,
  isCleanPath,
  isWhiteout,
  joinPath,
  normalizePath,
  parentOf,
  parseWhiteout,
  Tree,
  withPath,
} from '../src/index.ts'
import { directory, file } from './archive.ts'

t.test('names are bytes, and strings are their exact image', async (t) => {
  const vectors: readonly (readonly [hex: string, path: string])[] = [
    ['', ''],
    ['6574632f70617373776420', 'etc/passwd '],
    ['c3a9', 'é'],
    ['f09f9880', '😀'],
    ['efbbbf61', '\uFEFFa'],
    ['ff', '\uDCFF'],
    ['61ff62', 'a\uDCFFb'],
    ['80c3a9c3', '\uDC80é\uDCC3'],
    ['c0af', '\uDCC0\uDCAF'],
    ['eda080', '\uDCED\uDCA0\uDC80'],
    ['e080af', '\uDCE0\uDC80\uDCAF'],
    ['f4908080', '\uDCF4\uDC90\uDC80\uDC80'],
    ['f09f98', '\uDCF0\uDC9F\uDC98'],
  ]
  for (const [hex, path] of vectors) {
    t.equal(decodePath(Buffer.from(hex, 'hex')), path, `decodes ${hex}`)
    t.equal(Buffer.from(encodePath(path)).toString('hex'), hex, `encodes ${hex}`)
  }
  for (const stray of ['\uD800', 'a\uDC00', '\uDFFF']) {
    t.throws(() => encodePath(stray), { name: 'LayerError', code: 'ERR_LAYER_PATH', path: stray })
  }
})

t.test('any bytes survive the way to a string and back', async () => {
  // Mostly high bytes, so that almost-valid sequences are common.
  const byte = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0x80, 0xbf, 0xc2, 0xe0, 0xed, 0xf0, 0xf4),
  )
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 12 }), (list) => {
      const all = Uint8Array.from(list)
      return Buffer.compare(encodePath(decodePath(all)), all) === 0
    }),
    { numRuns: 2000 },
  )
})

t.test('paths are ordered by bytes, with the slash below all others', async (t) => {
  t.strictSame(['foo-1', 'foo/z', 'foo', 'foo.d', 'foo/a', 'fo'].toSorted(comparePaths), [
    'fo',
    'foo',
    'foo/a',
    'foo/z',
    'foo-1',
    'foo.d',
  ])
  t.ok(comparePaths('a/\uDCFF', 'a/é') > 0, 'a raw byte is compared as that byte')
  t.ok(comparePaths('😀', '\uFFFD') > 0, 'as UTF-8 and not as UTF-16')
  t.ok(comparePaths('😀', '😁') < 0, 'a surrogate pair is not cut')
  const character = fc.constantFrom('/', 'a', '-', 'é', '\uFFFD', '😀', '😁', '\uDC80', '\uDCFF')
  const path = fc.array(character, { maxLength: 6 }).map((all) => all.join(''))
  const key = (text: string): Buffer =>
    Buffer.from(Buffer.from(encodePath(text)).map((byte) => (byte === 0x2f ? 0 : byte)))
  fc.assert(
    fc.property(path, path, (a, b) => Math.sign(comparePaths(a, b)) === Buffer.compare(key(a), key(b))),
    { numRuns: 2000 },
  )
})

t.test('parts of a path', async (t) => {
  t.strictSame(['', 'a', 'a/b', 'a/b/c'].map(parentOf), ['', '', 'a', 'a/b'])
  t.strictSame(['', 'a', 'a/b'].map(baseOf), ['', 'a', 'b'])
  t.strictSame([joinPath('', 'a'), joinPath('a', 'b')], ['a', 'a/b'])
})

t.test('names from an archive become clean paths, or are refused', async (t) => {
  const cleaned: readonly (readonly [name: string, path: string])[] = [
    ['etc/', 'etc'],
    ['./etc/', 'etc'],
    ['/etc//x', 'etc/x'],
    ['////etc/x', 'etc/x'],
    ['a/../a', 'a'],
    ['a/./b/../../c', 'c'],
    ['.', ''],
    ['./', ''],
    ['/.', ''],
    ['a/..', ''],
    ['.wh.x', '.wh.x'],
    ['a../..b', 'a../..b'],
    ['a\\..\\b', 'a\\..\\b'],
    ['a \n', 'a \n'],
  ]
  for (const [name, path] of cleaned) {
    t.equal(normalizePath(name), path, JSON.stringify(name))
    t.ok(isCleanPath(path))
  }
  for (const name of ['..', '../x', '/../x', 'a/../../x', './..']) {
    t.throws(() => normalizePath(name), { code: 'ERR_LAYER_UNSAFE' }, name)
    t.notOk(isCleanPath(name))
  }
  t.throws(() => normalizePath('a\0b'), { code: 'ERR_LAYER_PATH' })
})

t.test('entries have defaults by type, and one shape', async (t) => {
  const made = [file('f', 'abc'), directory('d'), createEntry({ path: 's', type: 'symlink', linkname: 'x' })]
  t.strictSame(
    made.map(({ mode, size, uid, mtime, mtimeNs }) => [mode, size, uid, mtime, mtimeNs]),
    [
      [0o644, 3, 0, 0, 0],
      [0o755, 0, 0, 0, 0],
      [0o777, 0, 0, 0, 0],
    ],
  )
  t.strictSame(new Set(made.map((entry) => Object.keys(entry).join())).size, 1)
  t.equal(withPath(made[0]!, 'g').path, 'g')
  t.equal(withPath(made[0]!, 'f'), made[0])
})

t.test('a tree', async (t) => {
  const paths = ['', 'foo-1', 'foo', 'foo/b', 'foo/a/x', 'foo/a', 'no/entry/above', 'no/z', 'z']
  const tree = Tree.from(paths.map((path) => directory(path)))
  t.test('is in order whatever order it was made from', async (t) => {
    t.strictSame(
      [...tree].map(({ path }) => path),
      paths.toSorted(comparePaths),
    )
    t.strictSame([...Tree.from(tree)], [...tree])
    t.equal(tree.size, paths.length)
  })
  t.test('finds what it has', async (t) => {
    for (const path of paths) t.equal(tree.get(path)?.path, path, path)
    for (const path of ['fo', 'foo/', 'foo/a/', 'no', 'zz', 'foo/a/x/y']) {
      t.equal(tree.get(path), undefined, path)
      t.notOk(tree.has(path))
    }
  })
  t.test('lists children and everything below', async (t) => {
    const children = (path: string): string[] => tree.children(path).map((entry) => entry.path)
    const below = (path: string): string[] => [...tree.below(path)].map((entry) => entry.path)
    t.strictSame(children(''), ['foo', 'foo-1', 'z'])
    t.strictSame(children('foo'), ['foo/a', 'foo/b'])
    t.strictSame(children('no'), ['no/z'], 'what is in a directory without an entry is nobody’s child')
    t.strictSame(children('foo-1'), [])
    t.strictSame(below('foo'), ['foo/a', 'foo/a/x', 'foo/b'])
    t.strictSame(below('no'), ['no/entry/above', 'no/z'])
    t.strictSame(below(''), paths.filter((path) => path !== '').toSorted(comparePaths))
    t.strictSame(below('nowhere'), [])
    t.strictSame([...Tree.from([]).below('')], [])
  })
  t.test('refuses two entries for one path, and names that are no paths', async (t) => {
    t.throws(() => Tree.from([file('a'), file('b'), directory('a')]), {
      code: 'ERR_LAYER_DUPLICATE',
      path: 'a',
    })
    for (const path of ['/a', 'a/', 'a//b', './a', 'a/..', 'a\0']) {
      t.throws(() => Tree.from([file(path)]), { code: 'ERR_LAYER_PATH' }, path)
    }
  })
  t.test('answers as a plain search does', async () => {
    const path = fc
      .array(fc.constantFrom('a', 'b', '-', 'ab'), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join('/'))
    fc.assert(
      fc.property(fc.uniqueArray(path), path, (all, asked) => {
        const tree = Tree.from(all.map((each) => directory(each)))
        const sorted = all.toSorted(comparePaths)
        const children = sorted.filter((each) => parentOf(each) === asked)
        const below = sorted.filter((each) => each.startsWith(`${asked}/`))
        return (
          tree.has(asked) === all.includes(asked) &&
          tree
            .children(asked)
            .map((each) => each.path)
            .join() === children.join() &&
          [...tree.below(asked)].map((each) => each.path).join() === below.join()
        )
      }),
    )
  })
})

// image-spec layer.md, "Whiteouts": T26 to T29, A13.
t.test('whiteout names', async (t) => {
  t.equal(parseWhiteout('a/b'), undefined)
  t.equal(parseWhiteout('.wh.etc/some'), undefined, 'only the last component counts')
  t.equal(parseWhiteout('a/.whx'), undefined)
  t.strictSame(parseWhiteout('a/.wh.b'), { kind: 'file', parent: 'a', name: 'b' })
  t.strictSame(parseWhiteout('.wh.b'), { kind: 'file', parent: '', name: 'b' })
  t.strictSame(parseWhiteout('a/.wh..wh..opq'), { kind: 'opaque', parent: 'a' })
  t.strictSame(parseWhiteout('.wh..wh.plnk'), { kind: 'file', parent: '', name: '.wh.plnk' })
  for (const base of ['.wh.', '.wh..', '.wh...']) {
    for (const path of [base, `etc/${base}`, `a/b/${base}`]) {
      t.throws(() => parseWhiteout(path), { code: 'ERR_LAYER_WHITEOUT', path }, path)
    }
  }
  t.strictSame(['a', 'a/b', 'a/.b'].map(formatWhiteout), ['.wh.a', 'a/.wh.b', 'a/.wh..b'])
  for (const path of ['', '.wh.a', 'a/.wh.b'])
    t.throws(() => formatWhiteout(path), { code: 'ERR_LAYER_WHITEOUT' }, path)
  t.strictSame(['.wh.', 'a/.wh.b', 'a/.wh', '.wh.a/b'].map(isWhiteout), [true, true, false, false])
})
