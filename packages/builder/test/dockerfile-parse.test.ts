import fc from 'fast-check'
import t from 'tap'
import type { Instruction } from '../src/dockerfile/instruction.ts'
import { parseDockerfile, parseInstruction, type Warning } from '../src/dockerfile/parse.ts'
import { BuilderError } from '../src/errors.ts'

function instructions(text: string): readonly Instruction[] {
  return parseDockerfile(text).stages.flatMap((stage) => [stage.from, ...stage.instructions])
}

function texts(text: string): string[] {
  return instructions(text).map((instruction) => instruction.text)
}

function warnings(text: string): Array<readonly [rule: string, line: number]> {
  return parseDockerfile(text).warnings.map(({ rule, location }: Warning) => [rule, location.line] as const)
}

t.test('directives', async (t) => {
  t.test('are read in any spacing and letter case', (t) => {
    for (const [text, escape] of [
      ['# escape=`\nFROM a', '`'],
      ['#EScape = ` \nFROM a', '`'],
      ['  #escape = `\n\nFROM a', '`'],
      ['\uFEFF# escape=`\r\nFROM a', '`'],
      ['# escape=\\\nFROM a', '\\'],
      ['FROM a', '\\'],
    ] as const) {
      t.equal(parseDockerfile(text).escape, escape, JSON.stringify(text))
    }
    t.end()
  })

  t.test('end at the first line that is none', (t) => {
    for (const first of ['# comment', '', '# key = value', '# escape', '# escape=', '#', 'ARG x']) {
      t.equal(parseDockerfile(`${first}\n# escape=\`\nFROM a`).escape, '\\', JSON.stringify(first))
    }
    t.end()
  })

  t.test('may not be repeated, and escape has two values', (t) => {
    t.throws(() => parseDockerfile('# escape=`\n# escape=`\nFROM a'), {
      code: 'ERR_BUILDER_DOCKERFILE',
      message: 'Dockerfile:2: Only one escape parser directive can be used',
    })
    t.throws(() => parseDockerfile('# escape=``\nFROM a'), {
      code: 'ERR_BUILDER_DOCKERFILE',
      location: { file: 'Dockerfile', line: 1 },
    })
    t.end()
  })

  t.test('syntax may name docker/dockerfile in any version', (t) => {
    const hash = `sha256:${'0'.repeat(64)}`
    for (const syntax of [
      'docker/dockerfile',
      'docker/dockerfile:1',
      'docker.io/docker/dockerfile:1.4-labs',
      `docker/dockerfile:1@${hash}`,
    ]) {
      t.equal(parseDockerfile(`# syntax = ${syntax}\nFROM a`).syntax, syntax)
    }
    t.equal(parseDockerfile('# syntax=docker/dockerfile:1 // opts\nFROM a').syntax, 'docker/dockerfile:1')
    for (const syntax of [
      'dockerfile:experimental',
      'docker/dockerfile-upstream',
      'ghcr.io/docker/dockerfile',
      'x',
    ]) {
      t.throws(
        () => parseDockerfile(`# syntax=${syntax}\nFROM a`),
        { code: 'ERR_BUILDER_UNSUPPORTED' },
        syntax,
      )
    }
    t.end()
  })

  t.test('after a shebang name syntax and checks, but no escape character', (t) => {
    const file = parseDockerfile('#!/bin/sh\n# syntax=docker/dockerfile:1\n# escape=`\nFROM a')
    t.match(file, { syntax: 'docker/dockerfile:1', escape: '\\' })
    t.end()
  })

  t.test('check has rules to skip and says whether warnings are errors', (t) => {
    const checks = (value: string): unknown => parseDockerfile(`# check=${value}\nFROM a`).checks
    t.same(checks('skip=A,B;error=true'), { skip: ['A', 'B'], experimental: [], error: true })
    t.same(checks('skip=all ; experimental = all; error=0'), {
      skip: 'all',
      experimental: 'all',
      error: false,
    })
    for (const bad of ['x=1', 'skip', 'error=maybe']) {
      t.throws(() => checks(bad), { code: 'ERR_BUILDER_DOCKERFILE' }, bad)
    }
    t.end()
  })
})

t.test('logical lines', async (t) => {
  t.test('join as in the test files of BuildKit', (t) => {
    // Data of parser/testfiles/continueIndent.
    const source = [
      'FROM ubuntu:14.04',
      '',
      'RUN echo hello\\\n  world\\\n  goodnight  \\\n  moon\\\n  light\\\nning',
      'RUN echo hello  \\\n  world',
      'RUN echo hello  \\\nworld',
      'RUN echo hello \\\ngoodbye\\\nfrog',
      'RUN echo hi \\\n \\\n world \\\n\\\n good\\\n\\\nnight',
      'RUN echo goodbye\\\nfrog',
      'RUN echo good\\\nbye\\\nfrog',
      '',
      'RUN echo hello \\\n# this is a comment that breaks escape continuation',
      'RUN echo this is some more useful stuff',
    ].join('\n')
    t.same(texts(source), [
      'FROM ubuntu:14.04',
      'RUN echo hello  world  goodnight    moon  lightning',
      'RUN echo hello    world',
      'RUN echo hello  world',
      'RUN echo hello goodbyefrog',
      'RUN echo hi   world  goodnight',
      'RUN echo goodbyefrog',
      'RUN echo goodbyefrog',
      'RUN echo hello RUN echo this is some more useful stuff',
    ])
    t.end()
  })

  t.test('drop comments, and skip blank lines with a warning', (t) => {
    const source =
      '\nFROM alpine:3.6\n\nRUN valid \\\n    continuation\n\nRUN something \\\n\n    following \\\n\n    more\n\nRUN another \\\n\n    thing\n\nRUN non-indented \\\n# this is a comment\n   after-comment\n\nRUN indented \\\n    # this is an indented comment\n    comment\n\t'
    const found = parseDockerfile(source).warnings
    t.same(
      found.map(({ rule, message, location }) => [rule, message, location.line]),
      [
        ['NoEmptyContinuation', 'Empty continuation line found in: RUN something     following     more', 8],
        ['NoEmptyContinuation', 'Empty continuation line found in: RUN another     thing', 14],
      ],
    )
    t.equal(texts(source).at(-1), 'RUN indented     comment')
    const [, env] = instructions('FROM a\nENV A=1 \\\n# c\nB=2 \\\n\nC=3')
    t.match(env, {
      pairs: [
        { name: 'A', value: '1' },
        { name: 'B', value: '2' },
        { name: 'C', value: '3' },
      ],
    })
    t.end()
  })

  t.test('continue at a lone escape character, with or without spaces after it', (t) => {
    t.same(texts('FROM a\nRUN b \\ \t\n c'), ['FROM a', 'RUN b  c'])
    t.same(texts('FROM a\nRUN foo \\\\\nUSER c'), ['FROM a', 'RUN foo \\\\', 'USER c'])
    t.same(texts('# escape=`\nFROM a\nRUN c:\\\nUSER d`\ne'), ['FROM a', 'RUN c:\\', 'USER de'])
    t.same(texts('FROM a\nRUN b \\'), ['FROM a', 'RUN b'])
    t.same(texts('\\\nFROM a'), ['FROM a'])
    t.same(texts('FROM a\nRUN b\\\n\n'), ['FROM a', 'RUN b'])
    t.end()
  })

  t.test('have a place and their own text', (t) => {
    const [from, run, user] = instructions('\n# c\nFROM a\n\n  RUN b \\\n  # c\n  d\n\nUSER e')
    t.match(from, { location: { file: 'Dockerfile', line: 3 }, endLine: 3 })
    t.match(run, { location: { line: 5 }, endLine: 7, original: 'RUN b \\\n  # c\n  d', text: 'RUN b   d' })
    t.match(user, { location: { line: 9 }, endLine: 9 })
    t.match(parseDockerfile('FROM a', { file: 'x/Dockerfile' }).stages[0]?.location, { file: 'x/Dockerfile' })
    t.end()
  })

  t.test('have any line ends, keyword case, and a byte order mark before them', (t) => {
    t.same(texts('\uFEFFfrom a\r\nrun b\r\n\r\n'), ['from a', 'run b'])
    t.same(texts('FROM\ta\nRUN\t\tb  '), ['FROM\ta', 'RUN\t\tb'])
    t.end()
  })

  t.test('are bounded', (t) => {
    const label = 'a'.repeat(65_536)
    t.throws(() => parseDockerfile(`\n\tFROM image\n\tLABEL test=${label}\n`), {
      code: 'ERR_BUILDER_DOCKERFILE',
      message: 'Dockerfile:3: Line is longer than 65535 bytes',
    })
    t.throws(() => parseDockerfile(`FROM a\nRUN ${'☺'.repeat(22_000)}`), { message: /longer than/ })
    t.doesNotThrow(() => parseDockerfile(`FROM a\nRUN ${'☺'.repeat(21_000)}`))
    t.throws(() => parseDockerfile(`FROM a\n${'#\n'.repeat(9 << 20)}`), { message: /larger than/ })
    t.end()
  })
})

t.test('bytes are UTF-8, at least where they matter', (t) => {
  const bytes = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))
  t.equal(parseDockerfile(new TextEncoder().encode('\uFEFFFROM a\nLABEL a=☺')).stages.length, 1)
  t.equal(parseDockerfile(bytes('# caf\xe9\nFROM a')).stages.length, 1, 'a comment in Latin-1 harms nobody')
  t.throws(() => parseDockerfile(bytes('FROM a\nLABEL a=caf\xe9')), {
    message: /not valid UTF-8/,
    location: { line: 2 },
  })
  t.throws(() => parseDockerfile(bytes('FROM a\nRUN <<E\n\xe9\nE')), { message: /not valid UTF-8/ })
  t.doesNotThrow(() => parseDockerfile('FROM a\nLABEL a=\uFFFD'))
  t.end()
})

t.test('stages', async (t) => {
  t.test('begin with FROM and are numbered', (t) => {
    const { stages, metaArgs } = parseDockerfile(
      'ARG V=1 W\nFROM a:$V AS Base\nRUN b\nFROM --platform=$P base as x-1.y\nARG V',
    )
    t.match(metaArgs, [{ kind: 'arg', pairs: [{ name: 'V', value: '1' }, { name: 'W' }] }])
    t.match(stages, [
      { index: 0, name: 'base', from: { image: 'a:$V', name: 'base' }, instructions: [{ kind: 'run' }] },
      { index: 1, name: 'x-1.y', from: { image: 'base', platform: '$P' }, instructions: [{ kind: 'arg' }] },
    ])
    t.notOk('name' in parseDockerfile('FROM a').stages[0]!)
    t.end()
  })

  t.test('are what every file needs', (t) => {
    for (const [text, message] of [
      ['', 'Dockerfile:1: file with no instructions'],
      ['# comment\n\n', 'Dockerfile:1: file with no instructions'],
      ['ARG A', 'Dockerfile:1: there is no build stage: FROM is missing'],
      ['\nCOPY a b\nFROM c', 'Dockerfile:2: no build stage in current context'],
    ] as const) {
      t.throws(() => parseDockerfile(text), { code: 'ERR_BUILDER_DOCKERFILE', message }, JSON.stringify(text))
    }
    t.end()
  })

  t.test('have names by the rules', (t) => {
    for (const line of ['FROM', 'FROM a b', 'FROM a AS', 'FROM a IS b', 'FROM a AS b c']) {
      t.throws(() => parseDockerfile(line), { message: /FROM requires either one or three arguments/ }, line)
    }
    for (const name of ['1', '-a', 'a/b', 'a:b', '.a', 'é']) {
      t.throws(() => parseDockerfile(`FROM x AS ${name}`), { message: /invalid name for build stage/ }, name)
    }
    t.end()
  })
})

t.test('warnings have the rule names of BuildKit', (t) => {
  for (const [text, expected] of [
    ['FROM a\nMAINTAINER me', [['MaintainerDeprecated', 2]]],
    [
      'FROM a\nENV b c\nLABEL d e',
      [
        ['LegacyKeyValueFormat', 2],
        ['LegacyKeyValueFormat', 3],
      ],
    ],
    ['FROM a\nENV b=c\nLABEL d=e f=g', []],
    ['FROM a AS B', [['StageNameCasing', 1]]],
    ['FROM a as b', [['FromAsCasing', 1]]],
    ['from a as b', []],
    ['FROM a AS b\nFROM c AS b', [['DuplicateStageName', 2]]],
    [
      'FROM a AS scratch\nFROM a AS context',
      [
        ['ReservedStageName', 1],
        ['ReservedStageName', 2],
      ],
    ],
    ['FROM a\nCMD b', [['JSONArgsRecommended', 2]]],
    ['FROM a\nSHELL ["c"]\nCMD b\nFROM a\nENTRYPOINT x', [['JSONArgsRecommended', 5]]],
    ['FROM a\nCMD ["b"]\nCMD ["c"]\nFROM a\nCMD ["d"]', [['MultipleInstructionsDisallowed', 2]]],
    ['FROM a\nrun b\nRUN c', [['ConsistentInstructionCasing', 2]]],
    ['from a\nrun b\nRun c', [['ConsistentInstructionCasing', 3]]],
    ['FROM --platform=linux/amd64 a', [['FromPlatformFlagConstDisallowed', 1]]],
    ['FROM --platform=linux/amd64 a AS b-amd64', []],
    ['FROM --platform=$BUILDPLATFORM a', []],
    ['FROM --platform=${TARGETPLATFORM} a', [['RedundantTargetPlatform', 1]]],
  ] as const) {
    t.same(warnings(text), expected, JSON.stringify(text))
  }
  t.end()
})

t.test('ONBUILD triggers are single instructions', (t) => {
  t.match(parseInstruction('RUN echo \\\n a', { file: 'base' }), {
    kind: 'run',
    command: ['echo  a'],
    location: { file: 'base' },
  })
  t.match(parseInstruction('ENV A=`a', { escape: '`' }), { kind: 'env' })
  for (const text of ['', 'RUN a\nRUN b', '# comment', 'FROM a', 'MAINTAINER a', 'ONBUILD RUN a', 'FOO']) {
    t.throws(
      () => parseInstruction(text),
      { code: 'ERR_BUILDER_DOCKERFILE', location: { file: 'ONBUILD' } },
      text,
    )
  }
  t.end()
})

t.test('any text is a Dockerfile or a BuilderError', (t) => {
  const word = fc.constantFrom(
    ...'FROM RUN COPY ADD ENV LABEL ARG ONBUILD HEALTHCHECK CMD SHELL VOLUME EXPOSE USER a b=c --from=a --mount --link -- <<EOF <<-E EOF E " \' \\ ` [ ["a"] ] $x ${ # =1 /'.split(
      ' ',
    ),
    ' ',
    '\n',
    '\\\n',
    '\r\n',
    '\t',
    '# escape=`\n',
    '# syntax=',
    'FROM a\n',
  )
  const soup = fc.array(word, { maxLength: 30 }).map((words) => words.join(' '))
  const lines = fc.array(word, { maxLength: 30 }).map((words) => words.join(''))
  const source = fc.oneof(soup, lines, fc.string({ unit: 'binary' }), fc.uint8Array())
  const accepts = (parse: () => unknown): boolean => {
    try {
      return typeof parse() === 'object'
    } catch (error) {
      return error instanceof BuilderError && error.location !== undefined
    }
  }
  const property = fc.property(
    source,
    (text) => accepts(() => parseDockerfile(text)) && accepts(() => parseInstruction(String(text))),
  )
  t.doesNotThrow(() => fc.assert(property, { numRuns: 3000 }))
  t.end()
})

t.test('a large file is parsed in linear time', (t) => {
  const start = process.cpuUsage()
  parseDockerfile(`FROM a\n${'RUN echo hello \\\n'.repeat(50_000)}x\n${'ENV A=1\n'.repeat(50_000)}`)
  t.doesNotThrow(() => parseDockerfile(`FROM a\nRUN ${' <<'.repeat(20_000)}EOF`))
  t.doesNotThrow(() =>
    parseDockerfile(`# escape=${' '.repeat(60_000)}x y\nFROM a`.replace('escape', 'escapes')),
  )
  t.ok(process.cpuUsage(start).user < 10_000_000)
  t.end()
})
