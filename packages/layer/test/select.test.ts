import * as fc from 'fast-check'
import t from 'tap'
import { type Entry, fromLayers, layerTree, merge, parentOf, Tree } from '../src/index.ts'
import { compilePatterns } from '../src/select/pattern.ts'
import { select } from '../src/select.ts'
import { collect, directory, file, hardlink, marker, symlink } from './archive.ts'
import { rawLayers, trees } from './random-trees.ts'

const tree = (...entries: Entry[]): Tree => Tree.from(entries)
const paths = (of: Tree): string[] => [...of].map(({ path }) => path)
const links = (of: Tree): string[] =>
  [...of].map(({ path, type, linkname }) => (type === 'hardlink' ? `${path} = ${linkname}` : path))

t.test('patterns match paths with all that is below', async (t) => {
  const cases: readonly (readonly [pattern: string, matched: readonly string[], not: readonly string[]])[] = [
    ['a', ['a', 'a/b', 'a/b/c'], ['', 'ab', 'b/a', 'A']],
    ['/a/b/', ['a/b', 'a/b/c'], ['a', 'a/c', 'x/a/b']],
    ['*', ['a', 'a/b'], ['']],
    ['*.js', ['x.js', '.js', 'x.js/y'], ['x.ts', 'd/x.js', 'x.js.map']],
    ['a*c*e', ['ace', 'abcde', 'aXcXcYe'], ['abcd', 'ae', 'ace/f'.slice(0, 2)]],
    ['a/*/c', ['a/b/c', 'a/x/c/d'], ['a/c', 'a/b/x/c']],
    ['a?', ['ab', 'aé', 'a😀', 'a\uDCFF'], ['a', 'abc', 'a/b']],
    ['**', ['', 'a', 'a/b'], []],
    ['**/x', ['x', 'a/x', 'a/b/x', 'a/x/y'], ['', 'xa', 'a/bx']],
    ['a/**/x', ['a/x', 'a/b/x', 'a/b/c/x'], ['x', 'b/a/x', 'a']],
    ['a/**', ['a', 'a/b'], ['b']],
    ['**/a/**/b/*.c', ['a/b/x.c', 'z/a/y/b/x.c', 'a/b/b/x.c', 'a/b/q/b/x.c'], ['a/x.c', 'b/a/x.c']],
    ['a**b', ['ab', 'axb'], ['a/b']],
    ['\\*', ['*', '*/x'], ['a']],
    ['\\!a\\?', ['!a?'], ['!ab', 'a?']],
    ['a\\\\b', ['a\\b'], ['ab']],
    ['[ab]', ['[ab]'], ['a']],
    ['a.b', ['a.b'], ['axb']],
    ['.wh.x', ['.wh.x'], ['x']],
  ]
  for (const [pattern, matched, not] of cases) {
    const matches = compilePatterns([pattern])
    for (const path of matched) t.ok(matches(path), `${pattern} matches ${JSON.stringify(path)}`)
    for (const path of not) t.notOk(matches(path), `${pattern} does not match ${JSON.stringify(path)}`)
  }
  for (const pattern of ['', '/', '!', 'a//b', './a', 'a/..', 'a\\', '!a\\']) {
    t.throws(() => compilePatterns([pattern]), TypeError, JSON.stringify(pattern))
  }
})

t.test('patterns match as a regular expression would', async () => {
  const name = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 })
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))
  const component = fc.oneof(
    fc.constant('**'),
    fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), minLength: 1, maxLength: 4 }),
  )
  fc.assert(
    fc.property(fc.array(component, { minLength: 1, maxLength: 4 }), path, (components, asked) => {
      const source = components.map((each) =>
        each === '**' ? '(?:[^/]+/)*' : `${each.replaceAll('*', '[^/]*').replaceAll('?', '[^/]')}/`,
      )
      const expected = new RegExp(`^${source.join('')}(?:[^/]+/)*$`).test(`${asked}/`)
      return compilePatterns([components.join('/')])(asked) === expected
    }),
    { numRuns: 3000 },
  )
})

t.test('matching takes no time that hostile names could multiply', async (t) => {
  const matches = compilePatterns([`${'*a'.repeat(30)}b`, `${'**/a/'.repeat(30)}b`])
  const started = process.cpuUsage()
  t.notOk(matches('a'.repeat(4000)))
  t.notOk(matches(Array.from({ length: 2000 }, () => 'a').join('/')))
  t.ok(process.cpuUsage(started).user < 5_000_000)
})

t.test('the last pattern decides, and what comes first says what the others are', async (t) => {
  const all = tree(file('a/b/c'), file('a/b/d'), file('a/e'), file('f'))
  t.strictSame(paths(select(all, ['a', '!a/b', 'a/b/d'])), ['a/b/d', 'a/e'])
  t.strictSame(paths(select(all, ['!a/b'])), ['a/e', 'f'])
  t.strictSame(paths(select(all, ['!a', 'a/e'])), ['a/e', 'f'])
  t.strictSame(paths(select(all, ['a/b/d', 'a', '!a/b'])), ['a/e'])
  t.strictSame(paths(select(all, 'f')), ['f'])
  t.equal(select(all, []).size, 0)
})

t.test('directories above what is selected come along', async (t) => {
  const all = tree(
    directory(''),
    directory('a'),
    directory('a/b'),
    file('a/b/c'),
    directory('d'),
    file('no/entry'),
  )
  t.strictSame(paths(select(all, 'a/b/c')), ['', 'a', 'a/b', 'a/b/c'])
  t.strictSame(paths(select(all, ['a/b/c', '!a/b/d'], { parents: false })), ['a/b/c'])
  t.strictSame(paths(select(all, 'no')), ['', 'no/entry'], 'as far as they have entries')
  t.equal(select(all, 'nothing').size, 0, 'but not for nothing')
  const bySize = select(all, (path, entry) => entry.type === 'file' && path !== 'no/entry')
  t.strictSame(paths(bySize), ['', 'a', 'a/b', 'a/b/c'], 'by a predicate')
})

t.test('hard links whose file is left out become the file', async (t) => {
  const all = tree(
    file('a', 'text', { mode: 0o600, uid: 5 }),
    hardlink('b', 'a'),
    hardlink('c', 'a'),
    file('d'),
  )
  const some = select(all, ['!a'])
  t.strictSame(links(some), ['b', 'c = b', 'd'])
  t.has(some.get('b'), { type: 'file', mode: 0o600, uid: 5, size: 4 })
  t.equal((await collect(some.get('b')!.content!.open())).toString(), 'text')
  t.strictSame(links(select(all, ['a', 'c'])), ['a', 'c = a'], 'and stay links where it is not')
  const chained = tree(
    hardlink('a', 'b'),
    hardlink('b', 'c'),
    file('c'),
    hardlink('x', 'y'),
    hardlink('y', 'x'),
  )
  t.strictSame(links(select(chained, ['a', 'c'])), ['a = c', 'c'], 'a link between is left out')
  t.strictSame(links(select(chained, ['a', 'b'])), ['a', 'b = a'])
  t.strictSame(links(select(chained, ['x'])), ['x = y'], 'a loop is left as it is')
  const linked = tree(
    symlink('s', 'x'),
    hardlink('t', 's'),
    hardlink('u', 'elsewhere'),
    hardlink('v', 'd'),
    directory('d'),
  )
  t.strictSame(links(select(linked, ['t', 'u', 'v'])), ['t', 'u = elsewhere', 'v = d'])
  t.has(select(linked, 't').get('t'), { type: 'symlink', linkname: 'x' })
})

t.test('whiteouts are selected with what they hide', async (t) => {
  const layer = tree(
    directory('d'),
    marker('d/.wh.x'),
    marker('d/.wh.y'),
    directory('o'),
    marker('o/.wh..wh..opq'),
    file('o/new'),
    marker('.wh.z'),
  )
  t.strictSame(paths(select(layer, 'd/x')), ['d', 'd/.wh.x'])
  t.strictSame(paths(select(layer, 'o')), ['o', 'o/.wh..wh..opq', 'o/new'])
  t.strictSame(paths(select(layer, 'o/new')), ['o', 'o/new'])
  t.strictSame(paths(select(layer, ['!d'])), ['.wh.z', 'o', 'o/.wh..wh..opq', 'o/new'])
  const asked: string[] = []
  select(layer, (path) => asked.push(path) > 0)
  t.strictSame(asked, ['z', 'd', 'd/x', 'd/y', 'o', 'o', 'o/new'], 'a predicate is asked about that, too')
})

t.test('a selected top directory of a layer does what it does in the whole layer', async () => {
  const name = fc.constantFrom('a', 'b', 'c')
  fc.assert(
    fc.property(trees, rawLayers, name, (lower, raw, top) => {
      const isPlain = ({ type }: Entry): boolean => type !== 'symlink' && type !== 'hardlink'
      const base = Tree.from([...lower].filter(isPlain))
      // Markers of the root are about every directory.
      const layer = Tree.from([...raw].filter((entry) => isPlain(entry) && entry.path !== '.wh..wh..opq'))
      const whole = select(merge(base, layer), top)
      const part = select(merge(base, select(layer, top)), top)
      return JSON.stringify([...whole]) === JSON.stringify([...part])
    }),
    { numRuns: 500 },
  )
})

t.test('what is selected is valid: no link leads out of it, and links share what they shared', async () => {
  fc.assert(
    fc.property(trees, fc.func(fc.boolean()), (all, keeps) => {
      const some = select(all, (path) => keeps(path))
      for (const entry of some) {
        if (entry.type === 'hardlink' && some.get(entry.linkname)?.type === undefined) return false
        if (parentOf(entry.path) !== '' && !some.has(parentOf(entry.path))) return false
      }
      return fromLayers([some]).size === some.size && layerTree([], some).size === 0
    }),
    { numRuns: 300 },
  )
})
