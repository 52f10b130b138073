import fc from 'fast-check'
import t from 'tap'
import { BuilderError } from '../src/errors.ts'
import { cleanPath } from '../src/ignore/clean-path.ts'
import { parseDockerignore } from '../src/ignore/dockerignore.ts'
import { compileGlob, hasWildcard, matchGlob } from '../src/ignore/glob.ts'

/** Data of matchTests in Go's path/filepath/match_test.go; undefined for a bad pattern. */
const MATCHES: ReadonlyArray<readonly [pattern: string, name: string, matched: boolean | undefined]> = [
  ['abc', 'abc', true],
  ['*', 'abc', true],
  ['*c', 'abc', true],
  ['a*', 'a', true],
  ['a*', 'abc', true],
  ['a*', 'ab/c', false],
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
  ['a[', 'x', undefined],
  ['a/b[', 'x', undefined],
  ['*x', 'xxx', true],
]

t.test('globs match as in the table of Go', (t) => {
  for (const [pattern, name, matched] of MATCHES) {
    if (matched === undefined) {
      t.throws(() => matchGlob(pattern, name), { code: 'ERR_BUILDER_DOCKERFILE' }, pattern)
    } else t.equal(matchGlob(pattern, name), matched, `${pattern} on ${name}`)
  }
  t.end()
})

t.test('globs of COPY', (t) => {
  t.ok(matchGlob('arr[[]0].txt', 'arr[0].txt'), 'a bracket can be quoted by a class')
  t.notOk(matchGlob('**/a', 'x/y/a'), 'two stars are one star')
  t.ok(matchGlob('**/a', 'x/a'))
  t.ok(matchGlob('a[^b]c', 'a/c'), 'as in Go, a class can match a slash')
  t.notOk(matchGlob('[z-a]', 'b'), 'a range that runs backwards matches nothing')
  t.ok(matchGlob('[^z-a]', 'b'))
  t.ok(matchGlob('', ''))
  t.notOk(matchGlob('*', 'a/b'))
  t.ok(matchGlob('👽?', '👽🚀'), 'a question mark is one code point')
  t.end()
})

t.test('with globstar, two stars span directories', (t) => {
  const matches = compileGlob('src/**/*.ts', { globstar: true })
  for (const name of ['src/a.ts', 'src/x/a.ts', 'src/x/y/a.ts']) t.ok(matches(name), name)
  for (const name of ['src/a.js', 'a.ts', 'lib/src/a.ts']) t.notOk(matches(name), name)
  t.ok(compileGlob('src/**', { globstar: true })('src/x/y'))
  t.end()
})

t.test('only unescaped wildcards count', (t) => {
  for (const pattern of ['*', 'a?', '[a]', '\\\\*', 'a\\*b*']) t.ok(hasWildcard(pattern), pattern)
  for (const pattern of ['', 'a', 'a\\*', '\\[a]', 'a]', 'a\\']) t.notOk(hasWildcard(pattern), pattern)
  t.end()
})

/** Data of cleantests in Go's path/path_test.go. */
const CLEANED: ReadonlyArray<readonly [path: string, cleaned: string]> = [
  ['', '.'],
  ['abc', 'abc'],
  ['abc/def', 'abc/def'],
  ['a/b/c', 'a/b/c'],
  ['.', '.'],
  ['..', '..'],
  ['../..', '../..'],
  ['../../abc', '../../abc'],
  ['/abc', '/abc'],
  ['/', '/'],
  ['abc/', 'abc'],
  ['abc/def/', 'abc/def'],
  ['./', '.'],
  ['../', '..'],
  ['../../', '../..'],
  ['/abc/', '/abc'],
  ['abc//def//ghi', 'abc/def/ghi'],
  ['//abc', '/abc'],
  ['///abc', '/abc'],
  ['//abc//', '/abc'],
  ['abc//', 'abc'],
  ['abc/./def', 'abc/def'],
  ['/./abc/def', '/abc/def'],
  ['abc/.', 'abc'],
  ['abc/def/ghi/../jkl', 'abc/def/jkl'],
  ['abc/def/../ghi/../jkl', 'abc/jkl'],
  ['abc/def/..', 'abc'],
  ['abc/def/../..', '.'],
  ['/abc/def/../..', '/'],
  ['abc/def/../../..', '..'],
  ['/abc/def/../../..', '/'],
  ['abc/def/../../../ghi/jkl/../../../mno', '../../mno'],
  ['abc/./../def', 'def'],
  ['abc//./../def', 'def'],
  ['abc/../../././../def', '../../def'],
]

t.test('paths are cleaned as in the table of Go', (t) => {
  for (const [path, cleaned] of CLEANED) {
    t.equal(cleanPath(path), cleaned, JSON.stringify(path))
    t.equal(cleanPath(cleaned), cleaned, `${cleaned} is clean`)
  }
  t.end()
})

t.test('an ignore file is read as in the test of moby', (t) => {
  // Data of TestReadAll in moby/patternmatcher's ignorefile/ignorefile_test.go.
  const content = 'test1\n/test2\n/a/file/here\n\nlastfile\n# this is a comment\n! /inverted/abs/path\n!\n! '
  const expected = ['test1', 'test2', 'a/file/here', 'lastfile', '!inverted/abs/path', '!', '!']
  t.same(parseDockerignore(content), expected)
  t.same(parseDockerignore(new TextEncoder().encode(content)), expected)
  t.end()
})

t.test('an ignore file may have a byte order mark, other line ends and odd paths', (t) => {
  t.same(parseDockerignore('\uFEFF# comment\r\na\r\n  b/ \r\n'), ['a', 'b'])
  t.same(parseDockerignore(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), ['a'])
  t.same(parseDockerignore(' # not a comment\n#comment\n'), ['# not a comment'])
  t.same(parseDockerignore('./a/../b\n//c\n/\n../d\n!\t./e\n'), ['b', 'c', '/', '../d', '!e'])
  t.same(parseDockerignore(''), [])
  t.end()
})

t.test('an ignore file has a size limit', (t) => {
  t.throws(() => parseDockerignore('a\n'.repeat(3 << 20)), { code: 'ERR_BUILDER_IGNORE' })
  t.end()
})

t.test('any pattern either matches, does not, or throws a BuilderError', (t) => {
  const text = fc.string({ unit: 'binary' })
  const property = fc.property(text, text, fc.boolean(), (pattern, name, globstar) => {
    try {
      return typeof compileGlob(pattern, { globstar })(name) === 'boolean'
    } catch (error) {
      return error instanceof BuilderError
    }
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }))
  t.end()
})

t.test('a name without special characters matches itself only', (t) => {
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '.', '+', '(', '$', '/', '☺') })
  const property = fc.property(
    name,
    name,
    (one, other) => matchGlob(one, one) && matchGlob(one, other) === (one === other),
  )
  t.doesNotThrow(() => fc.assert(property))
  t.end()
})
