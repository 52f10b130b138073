import fc from 'fast-check'
import t from 'tap'
import { type Environment, expandWord, expandWords, type ExpandOptions } from '../src/dockerfile/lexer.ts'
import { replacePattern, trimPrefix, trimSuffix } from '../src/dockerfile/shell-pattern.ts'
import { BuilderError } from '../src/errors.ts'

const BACKSLASH: ExpandOptions = { escape: '\\' }
const BACKTICK: ExpandOptions = { escape: '`' }

function environment(variables: Readonly<Record<string, string>>): Environment {
  return new Map(Object.entries(variables))
}

const HOME = environment({ PWD: '/home', SHELL: 'bash', KOREAN: '한국어', NULL: '' })

/** Word and its expansion, undefined for an error. Data of moby's builder/dockerfile/shell/envVarTest. */
const WORDS: ReadonlyArray<readonly [word: string, expected: string | undefined]> = [
  ['hello', 'hello'],
  ["he'll'o", 'hello'],
  ["he'llo", undefined],
  ["he\\'llo", "he'llo"],
  ["he\\\\'llo", undefined],
  ['abc\\tdef', 'abctdef'],
  ['"abc\\tdef"', 'abc\\tdef'],
  ['"abc\\\\tdef"', 'abc\\tdef'],
  ["'abc\\tdef'", 'abc\\tdef'],
  ['hello\\', 'hello'],
  ['hello\\\\', 'hello\\'],
  ['"hello', undefined],
  ['"hello\\"', undefined],
  ['"hel\'lo"', "hel'lo"],
  ["'hello", undefined],
  ["'hello\\'", 'hello\\'],
  ["'hello\\there'", 'hello\\there'],
  ["'hello\\\\there'", 'hello\\\\there'],
  ['"\'\'"', "''"],
  ['$.', '$.'],
  ['$1', ''],
  ['he$1x', 'hex'],
  ['he$.x', 'he$.x'],
  ['he$pwd.', 'he.'],
  ['he$PWD', 'he/home'],
  ['he\\$PWD', 'he$PWD'],
  ['he\\\\$PWD', 'he\\/home'],
  ['"he\\$PWD"', 'he$PWD'],
  ['"he\\\\$PWD"', 'he\\/home'],
  ['\\${}', '${}'],
  ['\\${}aaa', '${}aaa'],
  ['he\\${}', 'he${}'],
  ['he\\${}xx', 'he${}xx'],
  ['${}', undefined],
  ['${}aaa', undefined],
  ['he${}', undefined],
  ['he${}xx', undefined],
  ['he${hi}', 'he'],
  ['he${hi}xx', 'hexx'],
  ['he${PWD}', 'he/home'],
  ['he${.}', undefined],
  ['he${XXX:-000}xx', 'he000xx'],
  ['he${PWD:-000}xx', 'he/homexx'],
  ['he${XXX:-$PWD}xx', 'he/homexx'],
  ['he${XXX:-${PWD:-yyy}}xx', 'he/homexx'],
  ['he${XXX:-${YYY:-yyy}}xx', 'heyyyxx'],
  ['he${XXX:YYY}', undefined],
  ['he${XXX:+${PWD}}xx', 'hexx'],
  ['he${PWD:+${XXX}}xx', 'hexx'],
  ['he${PWD:+${SHELL}}xx', 'hebashxx'],
  ['he${XXX:+000}xx', 'hexx'],
  ['he${PWD:+000}xx', 'he000xx'],
  ["'he${XX}'", 'he${XX}'],
  ['"he${PWD}"', 'he/home'],
  ['"he\'$PWD\'"', "he'/home'"],
  ['"$PWD"', '/home'],
  ["'$PWD'", '$PWD'],
  ["'\\$PWD'", '\\$PWD'],
  ['\'"hello"\'', '"hello"'],
  ["'he\\$PWD'", 'he\\$PWD'],
  ['he${PWD', undefined],
  ['he${PWD:=000}xx', undefined],
  ['he${PWD:+${PWD}:}xx', 'he/home:xx'],
  ['he${XXX:-\\$PWD:}xx', 'he$PWD:xx'],
  ['he${XXX:-\\${PWD}z}xx', 'he${PWDz}xx'],
  ['안녕하세요', '안녕하세요'],
  ["안'녕'하세요", '안녕하세요'],
  ["안'녕하세요", undefined],
  ["안녕\\'하세요", "안녕'하세요"],
  ["안\\\\'녕하세요", undefined],
  ['안녕\\t하세요', '안녕t하세요'],
  ['"안녕\\t하세요"', '안녕\\t하세요'],
  ["'안녕\\t하세요", undefined],
  ['안녕하세요\\', '안녕하세요'],
  ['안녕하세요\\\\', '안녕하세요\\'],
  ['"안녕하세요', undefined],
  ['"안녕하세요\\"', undefined],
  ['"안녕\'하세요"', "안녕'하세요"],
  ["'안녕하세요", undefined],
  ["'안녕하세요\\'", '안녕하세요\\'],
  ['안녕$1x', '안녕x'],
  ['안녕$.x', '안녕$.x'],
  ['안녕$pwd.', '안녕.'],
  ['안녕$PWD', '안녕/home'],
  ['안녕\\$PWD', '안녕$PWD'],
  ['안녕\\\\$PWD', '안녕\\/home'],
  ['안녕\\${}', '안녕${}'],
  ['안녕\\${}xx', '안녕${}xx'],
  ['안녕${}', undefined],
  ['안녕${}xx', undefined],
  ['안녕${hi}', '안녕'],
  ['안녕${hi}xx', '안녕xx'],
  ['안녕${PWD}', '안녕/home'],
  ['안녕${.}', undefined],
  ['안녕${XXX:-000}xx', '안녕000xx'],
  ['안녕${PWD:-000}xx', '안녕/homexx'],
  ['안녕${XXX:-$PWD}xx', '안녕/homexx'],
  ['안녕${XXX:-${PWD:-yyy}}xx', '안녕/homexx'],
  ['안녕${XXX:-${YYY:-yyy}}xx', '안녕yyyxx'],
  ['안녕${XXX:YYY}', undefined],
  ['안녕${XXX:+${PWD}}xx', '안녕xx'],
  ['안녕${PWD:+${XXX}}xx', '안녕xx'],
  ['안녕${PWD:+${SHELL}}xx', '안녕bashxx'],
  ['안녕${XXX:+000}xx', '안녕xx'],
  ['안녕${PWD:+000}xx', '안녕000xx'],
  ["'안녕${XX}'", '안녕${XX}'],
  ['"안녕${PWD}"', '안녕/home'],
  ['"안녕\'$PWD\'"', "안녕'/home'"],
  ['\'"안녕"\'', '"안녕"'],
  ['"안녕\\$PWD"', '안녕$PWD'],
  ["'안녕\\$PWD'", '안녕\\$PWD'],
  ['안녕${PWD', undefined],
  ['안녕${PWD:=000}xx', undefined],
  ['안녕${PWD:+${PWD}:}xx', '안녕/home:xx'],
  ['안녕${XXX:-\\$PWD:}xx', '안녕$PWD:xx'],
  ['안녕${XXX:-\\${PWD}z}xx', '안녕${PWDz}xx'],
  ['$KOREAN', '한국어'],
  ['안녕$KOREAN', '안녕한국어'],
  ['${{aaa}', undefined],
  ['${aaa}}', '}'],
  ['${aaa', undefined],
  ['${{aaa:-bbb}', undefined],
  ['${aaa:-bbb}}', 'bbb}'],
  ['${aaa:-bbb', undefined],
  ['${aaa:-bbb}', 'bbb'],
  ['${aaa:-${bbb:-ccc}}', 'ccc'],
  ['${aaa:-bbb ${foo}', undefined],
  ['${aaa:-bbb {foo}', 'bbb {foo'],
  ['${:}', undefined],
  ['${:-bbb}', undefined],
  ['${:+bbb}', undefined],
]

t.test('words expand as in the table of moby', (t) => {
  for (const [word, expected] of WORDS) {
    if (expected === undefined) {
      t.throws(() => expandWord(word, HOME, BACKSLASH), { code: 'ERR_BUILDER_DOCKERFILE' }, word)
    } else t.equal(expandWord(word, HOME, BACKSLASH), expected, word)
  }
  t.end()
})

interface Case {
  readonly word: string
  readonly variables: Readonly<Record<string, string>>
  /** Undefined for an error. */
  readonly expected?: string
  readonly unset?: readonly string[]
}

const FOO_BAR = { FOO: 'xxx', BAR: '' }

/** Data of TestProcessWithMatches in BuildKit's frontend/dockerfile/shell/lex_test.go. */
const MODIFIERS: readonly Case[] = [
  { word: 'x', variables: { DUMMY: 'dummy' }, expected: 'x' },
  { word: 'x ${UNUSED}', variables: { DUMMY: 'dummy' }, expected: 'x ', unset: ['UNUSED'] },
  { word: 'x ${FOO}', variables: { FOO: 'y' }, expected: 'x y' },
  { word: '${FOO-aaa} ${BAR-bbb} ${BAZ-ccc}', variables: FOO_BAR, expected: 'xxx  ccc', unset: ['BAZ'] },
  {
    word: '${FOO:-aaa} ${BAR:-bbb} ${BAZ:-ccc}',
    variables: FOO_BAR,
    expected: 'xxx bbb ccc',
    unset: ['BAZ'],
  },
  { word: '${FOO:-}', variables: FOO_BAR, expected: 'xxx' },
  { word: '${FOO:-}', variables: {}, expected: '', unset: ['FOO'] },
  { word: '${FOO+aaa} ${BAR+bbb} ${BAZ+ccc}', variables: FOO_BAR, expected: 'aaa bbb ', unset: ['BAZ'] },
  { word: '${FOO:+aaa} ${BAR:+bbb} ${BAZ:+ccc}', variables: FOO_BAR, expected: 'aaa  ', unset: ['BAZ'] },
  { word: '${FOO?aaa}', variables: FOO_BAR, expected: 'xxx' },
  { word: '${BAR?bbb}', variables: FOO_BAR, expected: '' },
  { word: '${BAZ?ccc}', variables: FOO_BAR },
  { word: '${FOO:?aaa}', variables: FOO_BAR, expected: 'xxx' },
  { word: '${BAR:?bbb}', variables: FOO_BAR },
  { word: '${BAZ:?ccc}', variables: FOO_BAR },
  { word: '${BAZ:?}', variables: FOO_BAR },
  { word: '${FOO=aaa}', variables: FOO_BAR },
  { word: '${FOO=:aaa}', variables: FOO_BAR },
  { word: '${FOO=}', variables: {} },
  { word: '${FOO#()[]{\\}^$.\\*\\?|\\\\}', variables: { FOO: '()[]{}^$.*?|\\x' }, expected: 'x' },
  { word: '${FOO%%\\**}', variables: { FOO: 'xx**' }, expected: 'xx' },
  { word: '${FOO#*x*y}', variables: { FOO: 'xxyy' }, expected: 'y' },
  { word: '${FOO#*}', variables: { FOO: 'xxyy' }, expected: 'xxyy' },
  { word: '${FOO#$BAR}', variables: { FOO: 'xxyy', BAR: 'x' }, expected: 'xyy' },
  { word: '${FOO#$BAR}', variables: { FOO: 'xxyy', BAR: '' }, expected: 'xxyy' },
  { word: '${FOO#}', variables: { FOO: 'xxyy' }, expected: 'xxyy' },
  { word: '${FOO##*x}', variables: { FOO: 'xxyy' }, expected: 'yy' },
  { word: '${FOO##}', variables: { FOO: 'xxyy' }, expected: 'xxyy' },
  { word: '${FOO#?\\?}', variables: { FOO: '???y' }, expected: '?y' },
  {
    word: '${ABC:-.}${FOO%x}${ABC:-.}',
    variables: { FOO: 'xxyy' },
    expected: '.xxyy.',
    unset: ['ABC', 'ABC'],
  },
  { word: '${FOO%%\\**\\*}', variables: { FOO: 'a***yy*' }, expected: 'a' },
  { word: '${FOO%}', variables: { FOO: 'xxyy' }, expected: 'xxyy' },
  { word: '${FOO%%$BAR}', variables: { FOO: 'xxyy', BAR: '' }, expected: 'xxyy' },
  {
    word: '${FOO/$NEEDLE/.} - ${FOO//$NEEDLE/.}',
    variables: { FOO: '/foo*/*/*.txt', NEEDLE: '\\*/' },
    expected: '/foo.*/*.txt - /foo..*.txt',
  },
  {
    word: '${FOO/$NEEDLE/} - ${FOO//$NEEDLE/}',
    variables: { FOO: '/tmp/tmp/bar.txt', NEEDLE: '/tmp' },
    expected: '/tmp/bar.txt - /bar.txt',
  },
  {
    word: '${FOO/$NEEDLE/$REPLACEMENT} - ${FOO//$NEEDLE/$REPLACEMENT}',
    variables: { FOO: '/a/foo/b/c.txt', NEEDLE: '/?/', REPLACEMENT: '/' },
    expected: '/foo/b/c.txt - /foo/c.txt',
  },
  {
    word: '${FOO/$NEEDLE/$REPLACEMENT}',
    variables: { FOO: 'http://google.de', NEEDLE: 'http://', REPLACEMENT: 'https://' },
    expected: 'https://google.de',
  },
  { word: '${FOO//\\//\\/}', variables: { FOO: '/tmp/foo.txt' }, expected: '\\/tmp\\/foo.txt' },
  { word: '${FOO/$BAR/ww}', variables: { FOO: 'xxyy', BAR: '' }, expected: 'wwxxyy' },
  { word: '${FOO//ww}', variables: { FOO: 'xxyy' } },
  { word: '${FOO//}', variables: { FOO: 'xxyy' } },
  { word: '${FOO///}', variables: { FOO: 'xxyy' }, expected: 'xxyy' },
  { word: '${FOO///}', variables: {}, expected: '', unset: ['FOO'] },
]

t.test('modifiers work as in the table of BuildKit, and unset names are reported', (t) => {
  for (const { word, variables, expected, unset = [] } of MODIFIERS) {
    const reported: string[] = []
    const options: ExpandOptions = { ...BACKSLASH, onUnset: (name) => void reported.push(name) }
    const expand = (): string => expandWord(word, environment(variables), options)
    if (expected === undefined) t.throws(expand, { code: 'ERR_BUILDER_DOCKERFILE' }, word)
    else {
      t.equal(expand(), expected, word)
      t.same(reported, unset, `unset names of ${word}`)
    }
  }
  t.end()
})

t.test('a demanded variable fails with its message', (t) => {
  const unset = environment({ ARG: 'x' })
  const empty = environment({ ARG: 'x', VAR: '' })
  t.throws(() => expandWord('${VAR:?message here$ARG}', empty, BACKSLASH), { message: 'VAR: message herex' })
  t.throws(() => expandWord('${VAR?message here$ARG}', unset, BACKSLASH), { message: 'VAR: message herex' })
  t.throws(() => expandWord('${VAR?}', unset, BACKSLASH), { message: 'VAR: is not allowed to be unset' })
  t.throws(() => expandWord('${VAR:?}', empty, BACKSLASH), { message: 'VAR: is not allowed to be empty' })
  t.end()
})

t.test('release names with optional variants come out right', (t) => {
  const word = 'something-${VERSION}.${TARGETOS}-${TARGETARCH}${TARGETVARIANT:+-${TARGETVARIANT}}.tar.gz'
  const variables = { VERSION: 'v1.2.3', TARGETOS: 'linux', TARGETARCH: 'arm' }
  t.equal(
    expandWord(word, environment({ ...variables, TARGETVARIANT: 'v7' }), BACKSLASH),
    'something-v1.2.3.linux-arm-v7.tar.gz',
  )
  t.equal(
    expandWord(word, environment({ ...variables, TARGETVARIANT: '' }), BACKSLASH),
    'something-v1.2.3.linux-arm.tar.gz',
  )
  t.equal(expandWord(word, environment(variables), BACKSLASH), 'something-v1.2.3.linux-arm.tar.gz')
  t.end()
})

t.test('errors say what is wrong and where', (t) => {
  const location = { file: 'Dockerfile', line: 7 }
  for (const [word, message] of [
    ['${v:#p}', 'unsupported modifier (:#) in substitution'],
    ['${v:}', 'unsupported modifier (:}) in substitution'],
    ['${}', 'syntax error: bad substitution'],
    ['${:}', 'syntax error: bad substitution'],
    ['${{', 'syntax error: bad substitution'],
    ['${', 'syntax error: missing "}"'],
    ['${v', 'syntax error: missing "}"'],
    ['${v:', 'syntax error: missing "}"'],
    ['${v:-', 'syntax error: missing "}" in ${}'],
    ['${v/a', 'syntax error: missing "/" in ${}'],
    ['${v/a/', 'syntax error: missing "}" in ${}'],
    ['${v#\\x}', 'invalid escape "\\\\x" in pattern "\\\\x"'],
    ["'a", 'no closing single quote'],
    ['"a', 'no closing double quote'],
  ] as const) {
    t.throws(
      () => expandWord(word, environment({}), { ...BACKSLASH, location }),
      { code: 'ERR_BUILDER_DOCKERFILE', message: `Dockerfile:7: ${message}`, location, instruction: word },
      word,
    )
  }
  t.end()
})

t.test('special parameters are unset names', (t) => {
  const reported: string[] = []
  const options: ExpandOptions = { ...BACKSLASH, onUnset: (name) => void reported.push(name) }
  t.equal(expandWord('$1 $@ $* $# $? $- $$ $! $12ab', environment({}), options), '        ab')
  t.same(reported, ['1', '@', '*', '#', '?', '-', '$', '!', '12'])
  t.end()
})

t.test('a default is visible to whoever reports unset names', (t) => {
  const reported: string[] = []
  const onUnset: ExpandOptions['onUnset'] = (name, modifier) => void reported.push(name + modifier)
  expandWord('$a ${b} ${c:-x} ${d+x} ${e%x} ${f/x/y}', environment({}), { ...BACKSLASH, onUnset })
  t.same(reported, ['a', 'b', 'c:-', 'd+', 'e%', 'f/'])
  t.end()
})

t.test('with the backtick as escape character, the backslash is an ordinary one', (t) => {
  const variables = environment({ PWD: 'C:\\x' })
  t.equal(expandWord('a`$PWD', variables, BACKTICK), 'a$PWD')
  t.equal(expandWord('c:\\$PWD', variables, BACKTICK), 'c:\\C:\\x')
  t.equal(expandWord('"a`"b\\"', variables, BACKTICK), 'a"b\\')
  t.equal(expandWord('"a`b"', variables, BACKTICK), 'a`b')
  t.equal(expandWord('c:\\dir`', variables, BACKTICK), 'c:\\dir')
  t.end()
})

t.test('quotes inside a pattern keep wildcards and slashes literal enough to match themselves', (t) => {
  const variables = environment({ V: 'a\\b.c', E: '' })
  t.equal(expandWord('${V#"a\\b"}', variables, BACKSLASH), '.c')
  t.equal(expandWord("${V%'.c'}", variables, BACKSLASH), 'a\\b')
  t.equal(expandWord('${E:-"a  b"}', variables, BACKSLASH), 'a  b')
  t.end()
})

/** From testCopyHeredocSpecialSymbols of BuildKit's dockerfile_heredoc_test.go. */
t.test('heredoc bodies keep their quotes and use the backslash whatever the escape character', (t) => {
  const keep: ExpandOptions = { escape: '`', quotes: 'keep' }
  const variables = environment({ NAME: 'me', QUOTED: '"q"' })
  for (const [body, expected] of [
    ['"quotes in file"\n', '"quotes in file"\n'],
    ["it's $NAME\n", "it's me\n"],
    ['\\\n', '\n'],
    ['\\\\\n', '\\\n'],
    ['\\$NAME\n', '$NAME\n'],
    ['`$NAME` ${NAME}\'s "$NAME"', '`me` me\'s "me"'],
    ['${NONE:-"x"} $QUOTED', '"x" "q"'],
  ] as const) {
    t.equal(expandWord(body, variables, keep), expected, JSON.stringify(body))
  }
  t.end()
})

/** After BuildKit's frontend/dockerfile/shell/wordsTest. */
t.test('words split at unquoted spaces, also at those from variables', (t) => {
  const variables = environment({
    hi: 'hi',
    space: 'abc  def',
    leading: '  ab c',
    trailing: 'ab c ',
    empty: '',
  })
  for (const [word, expected] of [
    ['hello', ['hello']],
    ['hello${none}bye', ['hellobye']],
    ['hello${hi}bye', ['hellohibye']],
    ['hello${space}bye', ['helloabc', 'defbye']],
    ['"hello${space}bye"', ['helloabc  defbye']],
    ['hello${leading}def', ['hello', 'ab', 'cdef']],
    ['"hello${leading}" def', ['hello  ab c', 'def']],
    ['hello${trailing}bye', ['helloab', 'c', 'bye']],
    ['a b', ['a', 'b']],
    ["'a b'  c", ['a b', 'c']],
    ['a\\ b', ['a b']],
    ['a\\', ['a']],
    ['${empty}', []],
    ["''", []],
    ['  ', []],
    ["a''b", ['ab']],
    ['"${hi}"\t$hi', ['hi', 'hi']],
  ] as const) {
    t.same(expandWords(word, variables, BACKSLASH), expected, word)
  }
  t.end()
})

t.test('an expansion that doubles line by line ends in an error, not out of memory', (t) => {
  let value = 'x'.repeat(1024)
  const grow = (): void => {
    for (let round = 0; round < 40; round += 1)
      value = expandWord('$A$A', environment({ A: value }), BACKSLASH)
  }
  t.throws(grow, { code: 'ERR_BUILDER_DOCKERFILE', message: /longer than/ })
  t.throws(() => expandWord('"$A$A"', environment({ A: 'x'.repeat(9 << 20) }), BACKSLASH), {
    message: /longer than/,
  })
  t.end()
})

t.test('deep nesting ends in an error, not in a full stack', (t) => {
  const word = '${a:-'.repeat(10_000) + '}'.repeat(10_000)
  t.throws(() => expandWord(word, environment({}), BACKSLASH), {
    code: 'ERR_BUILDER_DOCKERFILE',
    message: /nested/,
  })
  t.equal(expandWord(`${'${a:-'.repeat(100)}x${'}'.repeat(100)}`, environment({}), BACKSLASH), 'x')
  t.end()
})

t.test('patterns match in bounded time', (t) => {
  const value = 'a'.repeat(5000)
  const start = process.cpuUsage()
  t.equal(expandWord(`\${V#${'*a'.repeat(50)}b}`, environment({ V: value }), BACKSLASH), value)
  t.equal(expandWord(`\${V//${'*a'.repeat(50)}b/x}`, environment({ V: value }), BACKSLASH), value)
  t.ok(process.cpuUsage(start).user < 5_000_000, 'a backtracking matcher would take years')
  t.throws(() => trimPrefix('x'.repeat(1 << 20), '*'.repeat(1 << 10), true), { message: /too long to match/ })
  t.end()
})

t.test('shell patterns take the shortest or the longest match', (t) => {
  t.equal(trimPrefix('/a/b/c', '*/', false), 'a/b/c')
  t.equal(trimPrefix('/a/b/c', '*/', true), 'c')
  t.equal(trimSuffix('/a/b/c', '/*', false), '/a/b')
  t.equal(trimSuffix('/a/b/c', '/*', true), '')
  t.equal(trimSuffix('file.tar.gz', '.*', true), 'file')
  t.equal(trimPrefix('☺☺x', '?', false), '☺x', 'a question mark is one code point')
  t.equal(trimPrefix('👽🚀', '?', true), '🚀')
  t.equal(trimPrefix('a\nb', 'a*b', true), 'a\nb', 'a star does not match a line end')
  t.equal(replacePattern('abcabc', 'b*b', '-', false), 'a-c', 'a replaced match is as long as it can be')
  t.equal(replacePattern('abab', 'a', '$&', true), '$&b$&b', 'a replacement is literal')
  t.equal(replacePattern('abc', '', '-', true), '-a-b-c-')
  t.equal(replacePattern('abc', '*', 'x', true), 'x')
  t.equal(replacePattern('a.b.c', '.', '', true), 'abc')
  t.end()
})

t.test('trimming a literal pattern is what string functions do', (t) => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '☺') })
  const property = fc.property(text, text, (value, pattern) => {
    const end = value.length - pattern.length
    return (
      trimPrefix(value, pattern, false) ===
        (value.startsWith(pattern) ? value.slice(pattern.length) : value) &&
      trimSuffix(value, pattern, true) === (value.endsWith(pattern) ? value.slice(0, end) : value) &&
      replacePattern(value, pattern, '-', true) === replaceEverywhere(value, pattern, '-') &&
      replacePattern(value, pattern, '-', false) === value.replace(pattern, '-')
    )
  })
  t.doesNotThrow(() => fc.assert(property))
  t.end()
})

/** `replaceAll`, but an empty pattern matches between code points, not inside of them. */
function replaceEverywhere(value: string, pattern: string, replacement: string): string {
  return pattern === ''
    ? ['', ...Array.from(value), ''].join(replacement)
    : value.replaceAll(pattern, replacement)
}

t.test('any text either expands or throws a BuilderError', (t) => {
  const piece = fc.constantFrom(...'$ { } ${ ${a :- :+ # % // / \\ " \' * ? a ` 😀'.split(' '), ' ')
  const pieces = fc.array(piece, { maxLength: 30 }).map((parts) => parts.join(''))
  const word = fc.oneof(fc.string({ unit: 'binary' }), pieces)
  const options = fc.constantFrom(BACKSLASH, BACKTICK)
  const property = fc.property(word, fc.string(), options, (source, value, chosen) => {
    const variables = environment({ a: value })
    try {
      expandWord(source, variables, { ...chosen, quotes: 'keep' })
      expandWord(source, variables, chosen)
      return expandWords(source, variables, chosen).every((part) => part !== '')
    } catch (error) {
      return error instanceof BuilderError && error.code === 'ERR_BUILDER_DOCKERFILE'
    }
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000 }))
  t.end()
})
