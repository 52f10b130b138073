import t from 'tap'
import { parseDuration } from '../src/dockerfile/duration.ts'
import { parseFlags, splitFlags } from '../src/dockerfile/flags.ts'
import type { Instruction } from '../src/dockerfile/instruction.ts'
import { isJsonForm, parseJsonForm } from '../src/dockerfile/json-form.ts'
import { parseDockerfile } from '../src/dockerfile/parse.ts'
import { suggest } from '../src/dockerfile/suggestion.ts'
import { isSpace, trimSpace } from '../src/dockerfile/whitespace.ts'
import { splitFirstWord, splitPlainWords, splitQuotedWords } from '../src/dockerfile/words.ts'

/** Parses one instruction after a FROM. */
function parse(text: string): Instruction {
  return parseDockerfile(`FROM a\n${text}`).stages[0]!.instructions[0]!
}

/** What an error about that instruction looks like. */
function failure(message: string | RegExp): {
  code: string
  message: string | RegExp
  location: { line: number }
} {
  return { code: 'ERR_BUILDER_DOCKERFILE', message, location: { line: 2 } }
}

t.test('instructions have the shape of their kind', (t) => {
  for (const [text, expected] of [
    [
      'ARG A B=1 C= D="x y"',
      {
        kind: 'arg',
        pairs: [
          { name: 'A' },
          { name: 'B', value: '1' },
          { name: 'C', value: '' },
          { name: 'D', value: '"x y"' },
        ],
      },
    ],
    [
      'ENV A=1 B="x y" C=a\\ b',
      {
        kind: 'env',
        pairs: [
          { name: 'A', value: '1' },
          { name: 'B', value: '"x y"' },
          { name: 'C', value: 'a\\ b' },
        ],
      },
    ],
    ['ENV G old  style', { kind: 'env', pairs: [{ name: 'G', value: 'old  style' }] }],
    [
      'LABEL a.b=c "d e"="f"',
      {
        kind: 'label',
        pairs: [
          { name: 'a.b', value: 'c' },
          { name: '"d e"', value: '"f"' },
        ],
      },
    ],
    ['LABEL a b=c', { kind: 'label', pairs: [{ name: 'a', value: 'b=c' }] }],
    ['WORKDIR /a b', { kind: 'workdir', path: '/a b' }],
    ['USER a:b', { kind: 'user', user: 'a:b' }],
    ['STOPSIGNAL SIGKILL', { kind: 'stopsignal', signal: 'SIGKILL' }],
    ['EXPOSE 80 90/udp $P', { kind: 'expose', ports: ['80', '90/udp', '$P'] }],
    ['VOLUME /a /b', { kind: 'volume', paths: ['/a', '/b'] }],
    ['VOLUME ["/a b", " /c "]', { kind: 'volume', paths: ['/a b', '/c'] }],
    ['SHELL ["bash", "-c"]', { kind: 'shell', command: ['bash', '-c'] }],
    ['CMD a  b', { kind: 'cmd', form: 'shell', command: ['a  b'] }],
    ['CMD ["a", "b c"]', { kind: 'cmd', form: 'exec', command: ['a', 'b c'] }],
    ["CMD ['a']", { kind: 'cmd', form: 'shell', command: ["['a']"] }],
    ['CMD []', { kind: 'cmd', form: 'exec', command: [] }],
    ['ENTRYPOINT ["a"]', { kind: 'entrypoint', form: 'exec', command: ['a'] }],
    [
      'RUN a && b',
      { kind: 'run', form: 'shell', command: ['a && b'], heredocs: [], mounts: [], devices: [] },
    ],
    ['MAINTAINER me <me@x>', { kind: 'maintainer', name: 'me <me@x>' }],
    [
      'ONBUILD RUN  a b',
      {
        kind: 'onbuild',
        trigger: 'RUN  a b',
        instruction: { kind: 'run', command: ['a b'], text: 'RUN  a b' },
      },
    ],
    [
      'COPY a b c/',
      {
        kind: 'copy',
        sources: ['a', 'b'],
        destination: 'c/',
        inline: [],
        link: false,
        parents: false,
        exclude: [],
      },
    ],
    ['COPY ["a b", "c"]', { kind: 'copy', sources: ['a b'], destination: 'c' }],
    ['ADD ["a b", "c", "d"]', { kind: 'add', sources: ['a b', 'c'], destination: 'd' }],
  ] as const) {
    t.match(parse(text), expected, text)
  }
  t.end()
})

t.test('flags end up in their fields', (t) => {
  t.match(parse('COPY --from=b --chown=1:2 --chmod=755 --link --parents --exclude=*.md --exclude=x a b'), {
    kind: 'copy',
    from: 'b',
    chown: '1:2',
    chmod: '755',
    link: true,
    parents: true,
    exclude: ['*.md', 'x'],
  })
  t.match(parse('ADD --checksum=sha256:1 --unpack=false --keep-git-dir --link=false a b'), {
    kind: 'add',
    checksum: 'sha256:1',
    unpack: false,
    keepGitDir: true,
    link: false,
  })
  t.match(
    parse(
      'RUN --mount=type=cache,target=/a --mount=type=tmpfs,target=/b --network=none --security=insecure ls',
    ),
    {
      kind: 'run',
      mounts: ['type=cache,target=/a', 'type=tmpfs,target=/b'],
      network: 'none',
      security: 'insecure',
      command: ['ls'],
    },
  )
  const copy = parse('COPY --chown= a b')
  t.notOk('chown' in copy, 'an empty value is none')
  t.notOk('from' in copy)
  t.notOk('unpack' in parse('ADD a b'))
  t.end()
})

t.test('wrong instructions say what is wrong', (t) => {
  for (const name of ['MAINTAINER', 'WORKDIR', 'USER', 'STOPSIGNAL']) {
    t.throws(() => parse(name), failure(new RegExp(`${name} requires exactly one argument`)), name)
  }
  for (const name of ['ENV', 'LABEL', 'ONBUILD', 'HEALTHCHECK', 'EXPOSE', 'VOLUME', 'ARG', 'SHELL', 'RUN']) {
    t.throws(() => parse(name), failure(new RegExp(`${name} requires at least one argument`)), name)
  }
  for (const [text, message] of [
    ['COPY arg1', /COPY requires at least two arguments, but only one was provided/],
    ['ADD arg1', /ADD requires at least two arguments/],
    ['COPY', /COPY requires at least two arguments$/],
    ['COPY\t\n\tquux \\\n      bar', /COPY requires at least two arguments/],
    ['ENV =arg2', /ENV names can not be blank/],
    ['LABEL =arg2', /LABEL names can not be blank/],
    ['ARG =x', /ARG names can not be blank/],
    ['ENV a', /ENV must have two arguments/],
    ['ENV a=b c', /Cannot find = in "c"/],
    ['RUN []', /RUN requires at least one argument/],
    ['SHELL []', /SHELL requires at least one argument/],
    ['SHELL bash -c', /SHELL requires the arguments to be in JSON form/],
    ['VOLUME ["/a", " "]', /can not be an empty string/],
    ['VOLUME []', /VOLUME requires at least one argument/],
    ['ONBUILD FROM scratch', /FROM isn't allowed as an ONBUILD trigger/],
    ['ONBUILD maintainer me', /MAINTAINER isn't allowed as an ONBUILD trigger/],
    ['ONBUILD ONBUILD RUN touch foobar', /Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed/],
    ['ONBUILD FOO', /unknown instruction: "FOO"/],
    ['MAINTAINER --boo joe@example.com', /unknown flag: "--boo"/],
    ['FOO bar', /unknown instruction: "FOO" \(did you mean FROM\?\)$/],
    ['foo bar', /unknown instruction: "foo"/],
    ['XYZZY', /unknown instruction: "XYZZY"$/],
    ['RUM ls', /unknown instruction: "RUM" \(did you mean RUN\?\)/],
    ['COPY --chwn=1 a b', /unknown flag: "--chwn" \(did you mean chown\?\)/],
    ['COPY --from=$x a b', /variable expansion is not supported for --from/],
    ['COPY --from=a --from=b c d', /duplicate flag specified: --from/],
    ['COPY --link=yes a b', /expecting boolean value for flag --link, not: "yes"/],
    ['CMD --foo', /unknown flag: "--foo"/],
    ['CMD ["a", 1]', /Arrays in JSON form must hold only strings/],
    ['EXPOSE --toString', /unknown flag/],
  ] as const) {
    t.throws(() => parse(text), failure(message), text)
  }
  t.throws(() => parse('foo \\\n bar'), { ...failure(/unknown/), instruction: 'foo \\\n bar' })
  t.end()
})

t.test('HEALTHCHECK', (t) => {
  // Data of BuildKit's parser/testfiles/health.
  t.match(parse('HEALTHCHECK   CMD   a b'), { kind: 'healthcheck', none: false, test: ['CMD-SHELL', 'a b'] })
  t.match(parse('HEALTHCHECK --timeout=3s CMD ["foo"]'), { test: ['CMD', 'foo'], timeoutNs: 3e9 })
  t.match(parse('HEALTHCHECK none'), { none: true, test: ['NONE'] })
  t.match(parse('HEALTHCHECK --interval=1m30s --start-period=500ms --start-interval=1ms --retries=3 cmd x'), {
    test: ['CMD-SHELL', 'x'],
    intervalNs: 90e9,
    startPeriodNs: 5e8,
    startIntervalNs: 1e6,
    retries: 3,
  })
  const zeros = parse('HEALTHCHECK --interval=0s --retries=0 CMD x')
  t.notOk('intervalNs' in zeros || 'retries' in zeros, 'zero is the default of the runtime')
  for (const [text, message] of [
    ['HEALTHCHECK CMD', /Missing command after HEALTHCHECK CMD/],
    ['HEALTHCHECK CMD []', /Missing command/],
    ['HEALTHCHECK CONNECT TCP 7000', /Unknown type "CONNECT" in HEALTHCHECK/],
    ['HEALTHCHECK NONE x', /HEALTHCHECK NONE takes no arguments/],
    ['HEALTHCHECK --interval=50ns CMD x', /Interval "interval" cannot be less than 1ms/],
    ['HEALTHCHECK --timeout=-1s CMD x', /cannot be less than 1ms/],
    ['HEALTHCHECK --timeout=5 CMD x', /Invalid duration "5"/],
    ['HEALTHCHECK --retries=-1 CMD x', /--retries cannot be negative/],
    ['HEALTHCHECK --retries=1.5 CMD x', /--retries is not a number/],
    ['HEALTHCHECK --retries=3000000000 CMD x', /--retries is not a number/],
    ['HEALTHCHECK --grace=4s CMD x', /unknown flag: "--grace"/],
  ] as const) {
    t.throws(() => parse(text), failure(message), text)
  }
  t.end()
})

t.test('durations are those of Go', (t) => {
  // Data of parseDurationTests in Go's time/time_test.go.
  for (const [text, nanoseconds] of [
    ['0', 0],
    ['5s', 5e9],
    ['30s', 30e9],
    ['1478s', 1478e9],
    ['-5s', -5e9],
    ['+5s', 5e9],
    ['-0', 0],
    ['+0', 0],
    ['5.0s', 5e9],
    ['5.6s', 5.6e9],
    ['5.s', 5e9],
    ['.5s', 5e8],
    ['1.004s', 1.004e9],
    ['100.00100s', 100.001e9],
    ['10ns', 10],
    ['11us', 11e3],
    ['12µs', 12e3],
    ['12μs', 12e3],
    ['13ms', 13e6],
    ['14s', 14e9],
    ['15m', 900e9],
    ['16h', 57_600e9],
    ['3h30m', 12_600e9],
    ['10.5s4m', 250.5e9],
    ['1h2m3s4ms5us6ns', 3_723_004_005_006],
    ['0.7h', 2520e9],
    ['0.100000000000000000000h', 360e9],
    ['0.9223372036854775807h', 3_320_413_933_267],
  ] as const) {
    t.equal(parseDuration(text), nanoseconds, text)
  }
  for (const text of [
    '',
    '3',
    '-',
    's',
    '.',
    '-.',
    '.s',
    '+.s',
    '1d',
    '5s ',
    ' 5s',
    '1 s',
    '1s2',
    '9999999999999h',
  ]) {
    t.throws(() => parseDuration(text), { code: 'ERR_BUILDER_DOCKERFILE' }, JSON.stringify(text))
  }
  t.end()
})

t.test('flags are split off with their quotes removed', (t) => {
  for (const [text, flags, rest] of [
    ['a --b', [], 'a --b'],
    ['--a --b=c d', ['--a', '--b=c'], 'd'],
    ['--a="b c" d', ['--a=b c'], 'd'],
    ["--a='b\"c' d", ['--a=b"c'], 'd'],
    ['--a=b\\ c d', ['--a=b c'], 'd'],
    ['--a -- --b', ['--a'], ' --b'],
    ['--a', ['--a'], ''],
    ['--a\\', ['--a'], ''],
    ['-a', [], '-a'],
    ['', [], ''],
    ['--a="b', ['--a=b'], ''],
  ] as const) {
    t.same(splitFlags(text), { flags, rest }, text)
  }
  t.end()
})

t.test('flags are checked against their types', (t) => {
  // After TestBuilderFlags in BuildKit's instructions/bflag_test.go.
  const types = { str1: 'string', bool1: 'boolean', list1: 'list' } as const
  const none = parseFlags([], types)
  t.same([none.string('str1'), none.boolean('bool1'), none.list('list1')], [undefined, undefined, []])
  t.equal(parseFlags(['--str1=BYE'], types).string('str1'), 'BYE')
  t.equal(parseFlags(['--str1='], types).string('str1'), undefined)
  t.equal(parseFlags(['--str1=a=b'], types).string('str1'), 'a=b')
  t.equal(parseFlags(['--bool1'], types).boolean('bool1'), true)
  t.equal(parseFlags(['--bool1=TRUE'], types).boolean('bool1'), true)
  t.equal(parseFlags(['--bool1=false'], types).boolean('bool1'), false)
  t.same(parseFlags(['--list1=a', '--bool1', '--list1=b'], types).list('list1'), ['a', 'b'])
  for (const bad of [
    ['--str1'],
    ['--list1'],
    ['--bool1='],
    ['--bool1=false1'],
    ['--bool2'],
    ['--bool1', '--bool1'],
    ['--__proto__=1'],
  ]) {
    t.throws(() => parseFlags(bad, types), { code: 'ERR_BUILDER_DOCKERFILE' }, bad.join(' '))
  }
  t.end()
})

t.test('JSON forms are arrays of strings', (t) => {
  // Data of BuildKit's parser/json_test.go.
  for (const [text, words] of [
    ['[]', []],
    ['[""]', ['']],
    ['["a"]', ['a']],
    ['["a","b"]', ['a', 'b']],
    ['[ "a", "b" ]', ['a', 'b']],
    ['[\t"a",\t"b"\t]', ['a', 'b']],
    [
      '["abc 123", "♥", "☃", "\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000"]',
      ['abc 123', '♥', '☃', '" \\ / \b \f \n \r \t \u0000'],
    ],
    ['["\\udc80"]', ['\uFFFD']],
    ['["\\ud83d\\ude00"]', ['😀']],
  ] as const) {
    t.same(parseJsonForm(text), words, text)
  }
  for (const text of [
    '["a",42,"b"]',
    '["a",123.456,"b"]',
    '["a",{},"b"]',
    '["a",["c"],"b"]',
    '["a",true,"b"]',
    '["a",null,"b"]',
  ]) {
    t.throws(() => parseJsonForm(text), { code: 'ERR_BUILDER_DOCKERFILE' }, text)
    t.ok(isJsonForm(text))
  }
  for (const text of ['', 'a', '["a"', "['a']", '["a"] b', '{"a":1}', '[a]']) {
    t.equal(parseJsonForm(text), undefined, text)
    t.notOk(isJsonForm(text))
  }
  t.end()
})

t.test('words are split with or without regard to quotes', (t) => {
  // Data of TestParseWords in BuildKit's parser/parser_test.go, then more.
  for (const [text, words] of [
    ['foo', ['foo']],
    ['foo bar', ['foo', 'bar']],
    ['foo\\ bar', ['foo\\ bar']],
    ['foo=bar', ['foo=bar']],
    ["foo bar 'abc xyz'", ['foo', 'bar', "'abc xyz'"]],
    ['foo bar "abc xyz"', ['foo', 'bar', '"abc xyz"']],
    ['àöû', ['àöû']],
    ['föo bàr "âbc xÿz"', ['föo', 'bàr', '"âbc xÿz"']],
    ['', []],
    ['a\\', ['a']],
    ['\\', []],
    ['"a\\', ['"a']],
    ["'a\\", ["'a\\"]],
    ['"a\\" b" c', ['"a\\" b"', 'c']],
    ["'a\\' b", ["'a\\'", 'b']],
    ['"open end', ['"open end']],
    ["a''b ''", ["a''b", "''"]],
  ] as const) {
    t.same(splitQuotedWords(text, '\\'), words, text)
  }
  t.same(splitQuotedWords('a` b c\\ d', '`'), ['a` b', 'c\\', 'd'])
  t.same(splitPlainWords('"a b"\tc'), ['"a', 'b"', 'c'])
  t.same(splitPlainWords(''), [])
  t.same(splitFirstWord('a  b c'), ['a', 'b c'])
  t.same(splitFirstWord('a'), ['a'])
  t.end()
})

t.test('white space is that of Go', (t) => {
  for (const character of [' ', '\t', '\v', '\u0085', '\u00a0', '\u3000']) t.ok(isSpace(character))
  for (const character of ['a', '\uFEFF', '\u200b', '']) t.notOk(isSpace(character))
  t.equal(trimSpace('\u0085 \uFEFFa\n'), '\uFEFFa')
  t.end()
})

t.test('suggestions are near', (t) => {
  t.equal(suggest('rum', ['ADD', 'RUN', 'ENV']), 'RUN')
  t.equal(suggest('chwn', ['chmod', 'chown']), 'chown')
  t.equal(suggest('xyz', ['ADD', 'RUN']), undefined)
  t.end()
})
