import fc from 'fast-check'
import t from 'tap'
import { BuilderError } from '../src/errors.ts'
import { cleanPath } from '../src/ignore/clean-path.ts'
import { PatternMatcher } from '../src/ignore/pattern.ts'
import { matchTokens, parseWildcards } from '../src/ignore/wildcard.ts'
import { compileTokens } from '../src/ignore/wildcard-compiler.ts'

/** Whether the path itself matches, only a directory above it does, or nothing. */
type Outcome = 'exact' | 'inexact' | 'fail'

/** Data of TestMatches in moby/patternmatcher's patternmatcher_test.go. */
const SINGLE: ReadonlyArray<readonly [pattern: string, path: string, outcome: Outcome]> = [
  ['**', 'file', 'exact'],
  ['**', 'file/', 'exact'],
  ['**/', 'file', 'exact'],
  ['**/', 'file/', 'exact'],
  ['**', '/', 'exact'],
  ['**/', '/', 'exact'],
  ['**', 'dir/file', 'exact'],
  ['**/', 'dir/file', 'exact'],
  ['**', 'dir/file/', 'exact'],
  ['**/', 'dir/file/', 'exact'],
  ['**/**', 'dir/file', 'exact'],
  ['**/**', 'dir/file/', 'exact'],
  ['dir/**', 'dir/file', 'exact'],
  ['dir/**', 'dir/file/', 'exact'],
  ['dir/**', 'dir/dir2/file', 'exact'],
  ['dir/**', 'dir/dir2/file/', 'exact'],
  ['**/dir', 'dir', 'exact'],
  ['**/dir', 'dir/file', 'inexact'],
  ['**/dir2/*', 'dir/dir2/file', 'exact'],
  ['**/dir2/*', 'dir/dir2/file/', 'inexact'],
  ['**/dir2/**', 'dir/dir2/dir3/file', 'exact'],
  ['**/dir2/**', 'dir/dir2/dir3/file/', 'exact'],
  ['**file', 'file', 'exact'],
  ['**file', 'dir/file', 'exact'],
  ['**/file', 'dir/file', 'exact'],
  ['**file', 'dir/dir/file', 'exact'],
  ['**/file', 'dir/dir/file', 'exact'],
  ['**/file*', 'dir/dir/file', 'exact'],
  ['**/file*', 'dir/dir/file.txt', 'exact'],
  ['**/file*txt', 'dir/dir/file.txt', 'exact'],
  ['**/file*.txt', 'dir/dir/file.txt', 'exact'],
  ['**/file*.txt*', 'dir/dir/file.txt', 'exact'],
  ['**/**/*.txt', 'dir/dir/file.txt', 'exact'],
  ['**/**/*.txt2', 'dir/dir/file.txt', 'fail'],
  ['**/*.txt', 'file.txt', 'exact'],
  ['**/**/*.txt', 'file.txt', 'exact'],
  ['a**/*.txt', 'a/file.txt', 'exact'],
  ['a**/*.txt', 'a/dir/file.txt', 'exact'],
  ['a**/*.txt', 'a/dir/dir/file.txt', 'exact'],
  ['a/*.txt', 'a/dir/file.txt', 'fail'],
  ['a/*.txt', 'a/file.txt', 'exact'],
  ['a/*.txt**', 'a/file.txt', 'exact'],
  ['a[b-d]e', 'ae', 'fail'],
  ['a[b-d]e', 'ace', 'exact'],
  ['a[b-d]e', 'aae', 'fail'],
  ['a[^b-d]e', 'aze', 'exact'],
  ['.*', '.foo', 'exact'],
  ['.*', 'foo', 'fail'],
  ['abc.def', 'abcdef', 'fail'],
  ['abc.def', 'abc.def', 'exact'],
  ['abc.def', 'abcZdef', 'fail'],
  ['abc?def', 'abcZdef', 'exact'],
  ['abc?def', 'abcdef', 'fail'],
  ['**/foo/bar', 'foo/bar', 'exact'],
  ['**/foo/bar', 'dir/foo/bar', 'exact'],
  ['**/foo/bar', 'dir/dir2/foo/bar', 'exact'],
  ['abc/**', 'abc', 'fail'],
  ['abc/**', 'abc/def', 'exact'],
  ['abc/**', 'abc/def/ghi', 'exact'],
  ['**/.foo', '.foo', 'exact'],
  ['**/.foo', 'bar.foo', 'fail'],
  ['a(b)c/def', 'a(b)c/def', 'exact'],
  ['a(b)c/def', 'a(b)c/xyz', 'fail'],
  ['a.|)$(}+{bc', 'a.|)$(}+{bc', 'exact'],
  [
    'dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl',
    'dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl',
    'exact',
  ],
  ['dist/*.whl', 'dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl', 'exact'],
  ['a\\\\', 'a\\', 'exact'],
  ['a\\*b', 'a*b', 'exact'],
]

const WHEEL = 'dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl'

/** More data of the same file: several patterns, and whether the path is ignored. */
const SEVERAL: ReadonlyArray<readonly [patterns: readonly string[], path: string, ignored: boolean]> = [
  [['**', '!util/docker/web'], 'util/docker/web/foo', false],
  [['**', '!util/docker/web', 'util/docker/web/foo'], 'util/docker/web/foo', true],
  [['**', `!${WHEEL}`], WHEEL, false],
  [['**', '!dist/*.whl'], WHEEL, false],
  [['*'], 'fileutils.go', true],
  [['*.go'], 'fileutils.go', true],
  [['!fileutils.go', '*.go'], 'fileutils.go', true],
  [['docs', '!docs/README.md'], 'docs/README.md', false],
  [['docs/', '!docs/README.md'], 'docs/README.md', false],
  [['docs/*', '!docs/README.md'], 'docs/README.md', false],
  [['*.go', '!fileutils.go'], 'fileutils.go', false],
  [['*.go'], '.', false],
  [[], '/any/path/there', false],
  [['docs', '  !docs/README.md'], 'docs/README.md', false],
  [['docs', '!docs/README.md  '], 'docs/README.md', false],
]

/** Data of TestMatch in the same file, which has them from Go's path/filepath; undefined for a bad pattern. */
const FILEPATH: ReadonlyArray<readonly [pattern: string, path: string, matched: boolean | undefined]> = [
  ['abc', 'abc', true],
  ['*', 'abc', true],
  ['*c', 'abc', true],
  ['a*', 'a', true],
  ['a*', 'abc', true],
  ['a*', 'ab/c', true],
  ['a*/b', 'abc/b', true],
  ['a*/b', 'a/c/b', false],
  ['a*b*c*d*e*/f', 'axbxcxdxe/f', true],
  ['a*b*c*d*e*/f', 'axbxcxdxexxx/f', true],
  ['a*b*c*d*e*/f', 'axbxcxdxe/xxx/f', false],
  ['a*b*c*d*e*/f', 'axbxcxdxexxx/fff', false],
  ['a*b?c*x', 'abxbbxdbxebxczzx', true],
  ['a*b?c*x', 'abxbbxdbxebxczzy', false],
  ['ab[c]', 'abc', true],
  ['ab[b-d]', 'abc', true],
  ['ab[e-g]', 'abc', false],
  ['ab[^c]', 'abc', false],
  ['ab[^b-d]', 'abc', false],
  ['ab[^e-g]', 'abc', true],
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'ab', false],
  ['a?b', 'a☺b', true],
  ['a[^a]b', 'a☺b', true],
  ['a???b', 'a☺b', false],
  ['a[^a][^a][^a]b', 'a☺b', false],
  ['[a-ζ]*', 'α', true],
  ['*[a-ζ]', 'A', false],
  ['a?b', 'a/b', false],
  ['a*b', 'a/b', false],
  ['[\\]a]', ']', true],
  ['[\\-]', '-', true],
  ['[x\\-]', 'x', true],
  ['[x\\-]', '-', true],
  ['[x\\-]', 'z', false],
  ['[\\-x]', 'x', true],
  ['[\\-x]', '-', true],
  ['[\\-x]', 'a', false],
  ['[]a]', ']', undefined],
  ['[-]', '-', undefined],
  ['[x-]', 'x', undefined],
  ['[x-]', '-', undefined],
  ['[x-]', 'z', undefined],
  ['[-x]', 'x', undefined],
  ['[-x]', '-', undefined],
  ['[-x]', 'a', undefined],
  ['\\', 'a', undefined],
  ['[a-b-c]', 'a', undefined],
  ['[', 'a', undefined],
  ['[^', 'a', undefined],
  ['[^bc', 'a', undefined],
  ['a[', 'a', undefined],
  ['a[', 'ab', undefined],
  ['*x', 'xxx', true],
]

t.test('single patterns match as in the table of moby', (t) => {
  for (const [pattern, path, outcome] of SINGLE) {
    const matcher = new PatternMatcher([pattern])
    t.equal(matcher.match(path).matched, outcome === 'exact', `${pattern} alone on ${path}`)
    t.equal(matcher.matches(path), outcome !== 'fail', `${pattern} on ${path}`)
  }
  t.end()
})

t.test('several patterns match as in the table of moby', (t) => {
  for (const [patterns, path, ignored] of SEVERAL) {
    t.equal(new PatternMatcher(patterns).matches(path), ignored, `${patterns.join(' ')} on ${path}`)
  }
  t.end()
})

t.test('patterns have the syntax of filepath.Match', (t) => {
  for (const [pattern, path, matched] of FILEPATH) {
    if (matched === undefined) {
      t.throws(() => new PatternMatcher([pattern]), { code: 'ERR_BUILDER_IGNORE' }, pattern)
    } else t.equal(new PatternMatcher([pattern]).matches(path), matched, `${pattern} on ${path}`)
  }
  t.end()
})

t.test('bad patterns are refused when the matcher is made', (t) => {
  for (const pattern of ['!', '[Local-Only]/', 'a/[', '!a[']) {
    t.throws(() => new PatternMatcher(['ok', pattern]), { code: 'ERR_BUILDER_IGNORE' }, pattern)
  }
  t.end()
})

t.test('blank patterns do not count', (t) => {
  const matcher = new PatternMatcher(['docs', ' ', '', 'config'])
  t.equal(matcher.size, 2)
  t.notOk(matcher.hasExclusions)
  t.ok(new PatternMatcher(['docs', '!docs/README.md']).hasExclusions)
  t.notOk(new PatternMatcher([' ']).matches('a'))
  t.end()
})

t.test(
  'an exclusion that a directory gave no reason to ask about is not handed down, as in a walk of BuildKit',
  (t) => {
    t.ok(new PatternMatcher(['**/*.md', '!docs']).matches('docs/a.md'))
    t.notOk(new PatternMatcher(['**/*.md', '!docs/**']).matches('docs/a.md'))
    t.notOk(new PatternMatcher(['*', '!docs']).matches('docs/a.md'))
    t.end()
  },
)

t.test('two stars before a name match more than a name, as in moby', (t) => {
  t.ok(new PatternMatcher(['**file']).matches('dir/other-file'))
  t.notOk(new PatternMatcher(['**/file']).matches('dir/other-file'))
  t.notOk(new PatternMatcher(['**fil?']).matches('dir/other-file'))
  t.end()
})

t.test('patterns are cleaned, also behind an exclamation mark', (t) => {
  const matcher = new PatternMatcher(['./a//b/', 'c/../d', '!./a/b/keep'])
  t.ok(matcher.matches('a/b/x'))
  t.ok(matcher.matches('d'))
  t.notOk(matcher.matches('c'))
  t.notOk(matcher.matches('a/b/keep/y'))
  t.end()
})

t.test('a walk may prune a directory unless something below could come back', (t) => {
  for (const [pattern, directory, expected] of [
    ['!a/b', 'a', true],
    ['!a/b', 'b', false],
    ['!a/b', 'a/b', false],
    ['!a/b', 'a/bc', false],
    ['!a/b/c.txt', 'a/b', true],
    ['!**/keep', 'any/where', true],
    ['!a/**', 'a/b', true],
    ['!a/**', 'b', false],
    ['!*.md', 'docs', false],
    ['!*/keep', 'docs', true],
    ['!*/keep', 'docs/deep', false],
    ['!docs/*.md', 'docs', true],
    ['!docs/*.md', 'docs/sub', false],
    ['!doc[s]/x', 'docs', true],
    ['!doc[s]/x', 'doct', false],
    ['a/b', 'a', false],
  ] as const) {
    t.equal(
      new PatternMatcher(['**', pattern]).couldMatchBelow(directory),
      expected,
      `${pattern} below ${directory}`,
    )
  }
  t.end()
})

const segment = fc.string({ unit: fc.constantFrom('a', 'b', '.'), minLength: 1, maxLength: 3 })
const path = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join('/'))
  .filter((joined) => !/(?:^|\/)\.{1,2}(?:\/|$)/.test(joined))
const pattern = fc
  .tuple(
    fc.constantFrom('', '!'),
    fc.array(fc.constantFrom('a', 'b', '.', '*', '**', '/', '?', '[ab]', '**/', '\\b'), {
      minLength: 1,
      maxLength: 6,
    }),
  )
  .map(([sign, parts]) => sign + parts.join(''))
  .filter((source) => cleanPath(source) !== '!')

t.test('a walk that hands down states agrees with matches, whatever the order of the paths', (t) => {
  const property = fc.property(
    fc.array(pattern, { maxLength: 5 }),
    fc.array(path, { maxLength: 8 }),
    (patterns, paths) => {
      const shared = new PatternMatcher(patterns)
      return paths.every((wanted) => {
        const names = wanted.split('/')
        let state = shared.match(names[0]!)
        for (let depth = 2; depth <= names.length; depth += 1) {
          state = shared.match(names.slice(0, depth).join('/'), state)
        }
        const fresh = new PatternMatcher(patterns).matches(wanted)
        return state.matched === fresh && shared.matches(wanted) === fresh
      })
    },
  )
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }))
  t.end()
})

t.test('pruning never loses a path', (t) => {
  const property = fc.property(fc.array(pattern, { maxLength: 5 }), path, (patterns, wanted) => {
    const matcher = new PatternMatcher(patterns)
    const names = wanted.split('/')
    let pruned = false
    for (let depth = 1; depth < names.length; depth += 1) {
      const directory = names.slice(0, depth).join('/')
      pruned ||= matcher.matches(directory) && !matcher.couldMatchBelow(directory)
    }
    return !pruned || matcher.matches(wanted)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }))
  t.end()
})

t.test('the regular expression of a pattern and the bounded matcher agree', (t) => {
  const property = fc.property(pattern, path, (source, wanted) => {
    const tokens = parseWildcards(source, { globstar: true, code: 'ERR_BUILDER_IGNORE' })
    return compileTokens(tokens)(wanted) === matchTokens(tokens, wanted)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000 }))
  t.end()
})

t.test('any patterns are either accepted or refused with a BuilderError', (t) => {
  const property = fc.property(
    fc.array(fc.string({ unit: 'binary' })),
    fc.string({ unit: 'binary' }),
    (patterns, wanted) => {
      try {
        return typeof new PatternMatcher(patterns).matches(wanted) === 'boolean'
      } catch (error) {
        return error instanceof BuilderError && error.code === 'ERR_BUILDER_IGNORE'
      }
    },
  )
  t.doesNotThrow(() => fc.assert(property))
  t.end()
})

t.test('a hostile pattern costs bounded time', (t) => {
  const start = process.cpuUsage()
  t.notOk(new PatternMatcher([`${'*a'.repeat(40)}b`]).matches('a'.repeat(2000)))
  t.notOk(new PatternMatcher([`${'**/a'.repeat(20)}b`]).matches('a/'.repeat(1000)))
  t.ok(process.cpuUsage(start).user < 2_000_000, 'a backtracking matcher would take years')
  t.end()
})

t.test('fifty thousand paths against twenty patterns take a fraction of a second', (t) => {
  const patterns =
    'node_modules **/node_modules .git dist **/*.log *.md !README.md **/.DS_Store coverage **/*.test.ts .env* ' +
    'docs/** !docs/api **/tmp/* build *.tgz **/.cache src/**/fixtures packages/*/dist !packages/core/dist/keep.js'
  const matcher = new PatternMatcher(patterns.split(' '))
  t.equal(matcher.size, 20)
  const paths = Array.from({ length: 50_000 }, (_, index) => {
    const directory = `packages/p${index % 50}/src/module${Math.floor(index / 100) % 40}`
    return `${directory}/file-${index}.${index % 3 === 0 ? 'test.ts' : 'ts'}`
  }).toSorted()
  const start = process.cpuUsage()
  const ignored = paths.filter((wanted) => matcher.matches(wanted)).length
  const { user } = process.cpuUsage(start)
  t.equal(ignored, 16_667)
  t.comment(`${user / 1000} ms`)
  t.ok(user < 1_000_000, 'ten times the time it takes, for slow machines')
  t.end()
})
