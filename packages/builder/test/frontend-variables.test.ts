import { hostPlatform } from '@varve/oci-manifest'
import t from 'tap'
import { history, lastRun, lower, type Lowering, rules } from './frontend-support.ts'

/** The environment of the last RUN, PATH left out. */
function environment(text: string, given?: Lowering): string[] {
  return lastRun(text, given).env.filter((pair) => !pair.startsWith('PATH='))
}

t.test('RUN sees what ARG and ENV have set so far', async (t) => {
  const rows: ReadonlyArray<readonly [why: string, lines: string, env: string[], given?: Lowering]> = [
    ['an ARG has its default', 'ARG A=1', ['A=1']],
    ['--build-arg beats the default', 'ARG A=1', ['A=cli'], { args: { A: 'cli' } }],
    ['an empty --build-arg is a value', 'ARG A=1', ['A='], { args: { A: '' } }],
    ['a bare ARG is not set', 'ARG A', []],
    ['an empty default is a value', 'ARG A=', ['A=']],
    ['a bare ARG takes --build-arg', 'ARG A', ['A=cli'], { args: { A: 'cli' } }],
    ['an undeclared --build-arg is not seen', 'ARG B=1', ['B=1'], { args: { A: 'cli' } }],
    ['ENV after ARG wins', 'ARG A=arg\nENV A=env', ['A=env'], { args: { A: 'cli' } }],
    ['ARG after ENV wins', 'ENV A=env\nARG A=arg', ['A=arg']],
    ['ARG after ENV takes --build-arg', 'ENV A=env\nARG A', ['A=cli'], { args: { A: 'cli' } }],
    ['a bare ARG after ENV changes nothing', 'ENV A=env\nARG A', ['A=env']],
    ['what is said again comes last', 'ENV A=1 B=2\nENV A=3', ['B=2', 'A=3']],
    ['one ENV sees one environment', 'ENV abc=hello\nENV abc=bye def=$abc', ['abc=bye', 'def=hello']],
    ['one ARG sees one environment', 'ARG a=1\nARG a=2 b=$a', ['a=2', 'b=1']],
    ['defaults may use what is set', 'ENV E=e\nARG A=$E-${X:-x}', ['E=e', 'A=e-x']],
    ['names are words too', 'ENV N=name\nARG "$N"=1\nENV pre_${N}=2', ['N=name', 'name=1', 'pre_name=2']],
    ['results are not split', 'ENV A="x y"\nENV B=$A', ['A=x y', 'B=x y']],
    ['quotes and escapes are removed', `ENV A='$x' B="a\\"b" C=a\\ b`, ['A=$x', 'B=a"b', 'C=a b']],
  ]
  for (const [why, lines, env, given] of rows) {
    t.strictSame(environment(`FROM scratch\n${lines}\nRUN true`, given), env, why)
  }
})

t.test('the configuration keeps ENV and knows nothing of ARG', async (t) => {
  const { image } = lower('FROM scratch\nENV V=env\nARG V=arg\nARG W=1\nENV R=$V')
  t.strictSame(image.config.Env, [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'V=env',
    'R=arg',
  ])
})

t.test('the environment of the base image is inherited, in its order', async (t) => {
  const bases = { base: { Env: ['B=1', 'PATH=/bin', 'A=x=y', 'EMPTY='] } }
  const { image } = lower('FROM base\nENV B=2 C=$A', { bases })
  t.strictSame(image.config.Env, ['B=2', 'PATH=/bin', 'A=x=y', 'EMPTY=', 'C=x=y'])
  t.match(lower('FROM base', { bases: { base: { Env: ['A=1'] } } }).image.config.Env, [/^PATH=/, 'A=1'])
  const bare = lower('FROM base', { bases: { base: { Env: ['PATH=', 'BARE'] } } })
  t.strictSame(bare.image.config.Env, ['PATH=', 'BARE='], 'a name without a value is empty')
})

t.test('arguments before the first FROM', async (t) => {
  const rows: ReadonlyArray<
    readonly [why: string, globals: string, lines: string, env: string[], given?: Lowering]
  > = [
    ['are not seen in a stage', 'ARG G=1', 'ARG X=$G', ['X=']],
    ['are the default of a bare ARG', 'ARG G=1', 'ARG G', ['G=1']],
    ['yield to a default', 'ARG G=1', 'ARG G=2', ['G=2']],
    ['yield to --build-arg', 'ARG G=1', 'ARG G', ['G=cli'], { args: { G: 'cli' } }],
    ['may use earlier ones', 'ARG V=1\nARG G=$V-$V', 'ARG G', ['G=1-1']],
    ['may use earlier ones of their line', 'ARG V=1 G=$V', 'ARG G', ['G=1']],
    ['use what --build-arg made of them', 'ARG V=1\nARG G=v$V', 'ARG G', ['G=vcli'], { args: { V: 'cli' } }],
    ['may use the platform', 'ARG G=$TARGETARCH', 'ARG G', ['G=amd64']],
    ['may stay without a value', 'ARG G', 'ARG G', []],
  ]
  for (const [why, globals, lines, env, given] of rows) {
    t.strictSame(environment(`${globals}\nFROM scratch\n${lines}\nRUN true`, given), env, why)
  }
})

t.test('an ARG belongs to its stage and to those built on it', async (t) => {
  const text = 'FROM scratch AS a\nARG X=1\nFROM a AS b\nRUN b\nFROM scratch AS c\nENV Y=$X\nRUN c'
  t.strictSame(environment(text, { target: 'b' }), ['X=1'])
  t.strictSame(environment(text, { target: 'c' }), ['Y='])
})

t.test('platform arguments', async (t) => {
  const names = ['PLATFORM', 'OS', 'OSVERSION', 'ARCH', 'VARIANT'].flatMap((each) => [
    `TARGET${each}`,
    `BUILD${each}`,
  ])
  const text = `FROM scratch AS fin\n${names.map((name) => `ARG ${name}`).join('\n')}\nARG TARGETSTAGE\nRUN true`
  const { os, architecture, variant = '' } = hostPlatform()
  t.strictSame(
    environment(text, { platforms: ['linux/arm/v7'] }),
    [
      'TARGETPLATFORM=linux/arm/v7',
      `BUILDPLATFORM=${[os, architecture, variant].filter(Boolean).join('/')}`,
      'TARGETOS=linux',
      `BUILDOS=${os}`,
      'TARGETOSVERSION=',
      'BUILDOSVERSION=',
      'TARGETARCH=arm',
      `BUILDARCH=${architecture}`,
      'TARGETVARIANT=v7',
      `BUILDVARIANT=${variant}`,
      'TARGETSTAGE=fin',
    ],
    'are there after a bare ARG',
  )
  t.strictSame(environment('FROM scratch\nENV A=$TARGETARCH\nRUN true'), ['A='], 'and only then')
  t.strictSame(
    environment('FROM scratch\nARG TARGETARCH=mine\nRUN true'),
    ['TARGETARCH=mine'],
    'a default is stronger',
  )
  const given = { args: { TARGETARCH: 'cli' } }
  t.strictSame(
    environment('FROM scratch\nARG TARGETARCH\nRUN true', given),
    ['TARGETARCH=cli'],
    '--build-arg is too',
  )
  for (const [target, stage] of [
    [undefined, 'default'],
    ['A', 'A'],
    ['1', '1'],
  ] as const) {
    const options = target === undefined ? {} : { target }
    const got = environment('FROM scratch AS a\nARG TARGETSTAGE\nRUN a\nFROM a\nRUN b', options)
    t.strictSame(got, [`TARGETSTAGE=${stage}`], `TARGETSTAGE of --target ${target}`)
  }
})

t.test('proxy arguments are in no step, no history and no warning, unless declared', async (t) => {
  const args = { HTTP_PROXY: 'http://p.test', no_proxy: 'x', ALL_PROXY: 'y' }
  const text = 'FROM scratch\nARG A=1\nRUN true'
  const lowered = lower(text, { args })
  t.strictSame(lowered.plan.steps, lower(text).plan.steps)
  t.strictSame(lowered.image, lower(text).image)
  t.strictSame(lowered.warnings, [])
  t.strictSame(environment('FROM scratch\nARG HTTP_PROXY\nRUN true', { args }), ['HTTP_PROXY=http://p.test'])
})

t.test('--build-arg that no ARG declares is warned of', async (t) => {
  const text = 'ARG G\nFROM scratch AS unused\nARG UNUSED\nFROM base\nARG S\nRUN true'
  const bases = { base: { OnBuild: ['ARG TRIGGERED'] } }
  const args = { G: '', UNUSED: '', S: '', TRIGGERED: '', TARGETOS: '', UNUZED: '', constructor: '' }
  const { warnings } = lower(text, { args, bases })
  t.strictSame(warnings, [
    {
      rule: 'UnusedBuildArg',
      message: 'The build argument "UNUZED" is not declared by any ARG (did you mean UNUSED?)',
      location: { file: 'Dockerfile', line: 1 },
    },
    {
      rule: 'UnusedBuildArg',
      message: 'The build argument "constructor" is not declared by any ARG',
      location: { file: 'Dockerfile', line: 1 },
    },
  ])
})

t.test('the history of RUN names all declared arguments with the value they have', async (t) => {
  const text = 'FROM scratch\nARG A=1\nARG B\nARG C=arg\nENV C=env D=d\nRUN x $A\nRUN ["y"]'
  t.strictSame(history(lower(text)), [
    '- ARG A=1',
    '- ARG B',
    '- ARG C=arg',
    '- ENV C=env D=d',
    'RUN |3 A=1 B= C=env /bin/sh -c x $A # buildkit',
    'RUN |3 A=1 B= C=env y # buildkit',
  ])
  t.strictSame(history(lower('FROM scratch\nRUN x')), ['RUN /bin/sh -c x # buildkit'])
  const given = { args: { A: 'cli' } }
  t.strictSame(
    history(lower('FROM scratch\nARG A=$B', given)),
    ['- ARG A=cli'],
    'ARG is noted with its value',
  )
})

t.test('a variable that is not set is warned of once', async (t) => {
  const rows: ReadonlyArray<readonly [why: string, lines: string, warned: string[]]> = [
    ['in ENV', 'ENV A=$X', ['2 UndefinedVar']],
    ['in COPY', 'COPY $X /', ['2 UndefinedVar']],
    ['in EXPOSE', 'EXPOSE 80$X', ['2 UndefinedVar']],
    ['in a heredoc', 'COPY <<E /\n$X\nE', ['2 UndefinedVar']],
    ['in a default', 'ARG A=$X', ['2 UndefinedVar']],
    ['as a pattern', 'ENV A=${X%y}', ['2 UndefinedVar']],
    ['not if it is declared', 'ARG X\nENV A=$X', []],
    ['not with a default', 'ENV A=${X:-d} B=${X-d} C=${X:+d} D=${X+d}', []],
    ['not in RUN and CMD', 'RUN $X\nCMD ["$X"]', []],
    ['not in a quoted heredoc', `COPY <<'E' /\n$X\nE`, []],
  ]
  for (const [why, lines, warned] of rows) {
    t.strictSame(
      rules(lower(`FROM scratch\n${lines}`, { platforms: ['linux/amd64', 'linux/arm64'] })),
      warned,
      why,
    )
  }
  const [warning] = lower('FROM scratch\nENV FOO=1\nENV A=$FOOO').warnings
  t.equal(warning?.message, "Usage of undefined variable '$FOOO' (did you mean $FOO?)")
})

t.test('each instruction is expanded or not as it should be', async (t) => {
  const rows: ReadonlyArray<readonly [line: string, expected: Record<string, unknown>]> = [
    ['LABEL l$V=$V', { Labels: { lv: 'v' } }],
    ['USER $V', { User: 'v' }],
    ['WORKDIR $V/x', { WorkingDir: '/v/x' }],
    ['VOLUME $V ["$V"]', { Volumes: { v: {}, '[v]': {} } }],
    ['VOLUME ["/$V"]', { Volumes: { '/v': {} } }],
    ['EXPOSE $P', { ExposedPorts: { '80/tcp': {}, '81/udp': {} } }],
    ['STOPSIGNAL $S', { StopSignal: 'SIGINT' }],
    ['CMD ["$V"]', { Cmd: ['$V'] }],
    ['ENTRYPOINT echo $V', { Entrypoint: ['/bin/sh', '-c', 'echo $V'] }],
    ['SHELL ["$V"]', { Shell: ['$V'] }],
    ['HEALTHCHECK CMD $V', { Healthcheck: { Test: ['CMD-SHELL', '$V'] } }],
    ['ONBUILD ENV A=$V', { OnBuild: ['ENV A=$V'] }],
  ]
  for (const [line, expected] of rows) {
    const { image } = lower(`FROM scratch\nARG V=v P="80 81/udp" S=SIGINT\n${line}`)
    t.strictSame(
      Object.fromEntries(Object.keys(expected).map((key) => [key, image.config[key as 'Cmd']])),
      expected,
      line,
    )
  }
})

t.test('the escape character of the file is that of its words', async (t) => {
  t.strictSame(environment('# escape=`\nFROM scratch\nENV A=c:\\x B=`$A `\n  C=a` b\nRUN true'), [
    'A=c:\\x',
    'B=$A',
    'C=a b',
  ])
})

t.test('bad words are errors with a place', async (t) => {
  for (const [line, message] of [
    ['ENV A=${X', /^Dockerfile:2: /],
    ['ENV A="${X:?no X}"', /^Dockerfile:2: X: no X/],
    ['ENV "$X"=1', /^Dockerfile:2: The name "\\"\$X\\"" comes out empty/],
    ['LABEL $X=1', /^Dockerfile:2: The name "\$X" comes out empty/],
    ['VOLUME $X', /^Dockerfile:2: A VOLUME path must not be empty/],
    ['COPY <<E /\n${\nE', /^Dockerfile:2: /],
  ] as const) {
    const error = { code: 'ERR_BUILDER_DOCKERFILE', message, location: { file: 'Dockerfile', line: 2 } }
    t.throws(() => lower(`FROM scratch\n${line}`), error, line)
  }
  t.throws(() => lower('ARG A=1\nARG B=${A\nFROM scratch'), {
    code: 'ERR_BUILDER_DOCKERFILE',
    message: /^Dockerfile:2: /,
  })
})

t.test('checks of the file decide about warnings', async (t) => {
  const text = 'FROM scratch\nENV A=$X\nMAINTAINER me'
  t.strictSame(rules(lower(`# check=skip=UndefinedVar\n${text}`)), ['4 MaintainerDeprecated'])
  t.strictSame(rules(lower(`# check=skip=all\n${text}`)), [])
  t.throws(() => lower(`# check=error=true\n${text}`), {
    code: 'ERR_BUILDER_DOCKERFILE',
    message: 'Dockerfile:3: Lint violation found for rules: UndefinedVar, MaintainerDeprecated',
    hint: "Usage of undefined variable '$X'",
  })
  t.strictSame(rules(lower('# check=error=true\nFROM scratch')), [])
})
