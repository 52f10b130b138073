import t, { type Test } from 'tap'
import type { RuntimeConfig } from '@varve/oci-manifest'
import type { CopyStep } from '../src/plan/plan.ts'
import { history, lastRun, lower, type Lowering, rules } from './frontend-support.ts'

/** The configuration that some lines make of nothing. */
function config(lines: string, given?: Lowering): RuntimeConfig {
  return lower(`FROM scratch\n${lines}`, given).image.config
}

function lastCopy(lines: string, given?: Lowering): CopyStep {
  return lower(`FROM scratch\n${lines}`, given).chain.findLast((step) => step.op === 'copy')!
}

function throws(t: Test, line: string, code: string, message: RegExp | string, given?: Lowering): void {
  t.throws(
    () => lower(`FROM scratch\n\n${line}`, given),
    {
      name: 'BuilderError',
      code,
      message,
      location: { file: 'Dockerfile', line: 3 },
      instruction: line.split('\n')[0],
    },
    line,
  )
}

t.test('WORKDIR joins what was before', async (t) => {
  const rows: ReadonlyArray<readonly [lines: string, path: string, layers: string[]]> = [
    ['WORKDIR /a', '/a', ['/a']],
    ['WORKDIR a', '/a', ['/a']],
    ['WORKDIR /a\nWORKDIR b\nWORKDIR c', '/a/b/c', ['/a', '/a/b', '/a/b/c']],
    ['WORKDIR /a/x/../b/./', '/a/b', ['/a/b']],
    ['WORKDIR ../../a', '/a', ['/a']],
    ['WORKDIR /', '/', []],
    ['WORKDIR /a\nWORKDIR ..', '/', ['/a']],
    ['ENV D=/e/f\nWORKDIR $D/g', '/e/f/g', ['/e/f/g']],
    ['WORKDIR /with space', '/with space', ['/with space']],
  ]
  for (const [lines, path, layers] of rows) {
    const { image, chain } = lower(`FROM scratch\n${lines}`)
    t.equal(image.config.WorkingDir, path, lines)
    t.strictSame(
      chain.map((step) => step.op === 'workdir' && step.path),
      layers,
      lines,
    )
  }
  t.match(lower('FROM scratch\nUSER 5:6\nWORKDIR /a').chain, [{ op: 'workdir', user: '5:6', parent: null }])
})

t.test('CMD and ENTRYPOINT', async (t) => {
  const bases = { base: { Cmd: ['base'], Entrypoint: ['entry'] } }
  const rows: ReadonlyArray<
    readonly [lines: string, entrypoint: string[] | undefined, command: string[] | undefined]
  > = [
    ['CMD ["a"]\nCMD ["b"]', ['entry'], ['b']],
    ['CMD a b', ['entry'], ['/bin/sh', '-c', 'a b']],
    [`CMD ['a']`, ['entry'], ['/bin/sh', '-c', "['a']"]],
    ['CMD []', ['entry'], undefined],
    ['ENTRYPOINT ["e"]', ['e'], undefined],
    ['CMD ["c"]\nENTRYPOINT ["e"]', ['e'], ['c']],
    ['ENTRYPOINT ["e"]\nCMD ["c"]', ['e'], ['c']],
    ['ENTRYPOINT []', undefined, undefined],
    [
      'SHELL ["bash", "-o", "pipefail", "-c"]\nENTRYPOINT x',
      ['bash', '-o', 'pipefail', '-c', 'x'],
      undefined,
    ],
  ]
  for (const [lines, entrypoint, command] of rows) {
    const { Entrypoint, Cmd } = lower(`FROM base\n${lines}`, { bases }).image.config
    t.strictSame([Entrypoint, Cmd], [entrypoint, command], lines)
  }
  t.equal('ArgsEscaped' in config('CMD ["a"]'), false)
})

t.test('SHELL is kept and used by later shell forms only', async (t) => {
  const text = 'FROM scratch\nRUN a\nSHELL ["bash", "-c"]\nRUN b\nRUN ["c"]'
  const { chain, image } = lower(text)
  t.strictSame(
    chain.map((step) => step.op === 'exec' && step.args),
    [['/bin/sh', '-c', 'a'], ['bash', '-c', 'b'], ['c']],
  )
  t.strictSame(image.config.Shell, ['bash', '-c'])
  t.strictSame(lower(`${text.replace('FROM scratch', 'FROM scratch AS a')}\nFROM a`).image.config.Shell, [
    'bash',
    '-c',
  ])
})

t.test('EXPOSE', async (t) => {
  const rows: ReadonlyArray<readonly [line: string, ports: string[], warned: string[]]> = [
    ['EXPOSE 80', ['80/tcp'], []],
    ['EXPOSE 90/udp 80 80/tcp', ['80/tcp', '90/udp'], []],
    ['EXPOSE 100-102/sctp', ['100/sctp', '101/sctp', '102/sctp'], []],
    ['EXPOSE 8080:81', ['81/tcp'], ['2 ExposeInvalidFormat']],
    [
      'EXPOSE 127.0.0.1:8080-8081:80-81/UDP',
      ['80/udp', '81/udp'],
      ['2 ExposeInvalidFormat', '2 ExposeProtoCasing'],
    ],
    ['EXPOSE 65535 0', ['0/tcp', '65535/tcp'], []],
  ]
  for (const [line, ports, warned] of rows) {
    const lowered = lower(`FROM scratch\n${line}`)
    t.strictSame(Object.keys(lowered.image.config.ExposedPorts ?? {}), ports, line)
    t.strictSame(rules(lowered), warned, line)
  }
  t.strictSame(
    Object.keys(config('EXPOSE 9\nEXPOSE 80').ExposedPorts ?? {}),
    ['80/tcp', '9/tcp'],
    'written sorted',
  )
  t.strictSame(history(lower('FROM scratch\nEXPOSE 9 80')), ['- EXPOSE 9/tcp 80/tcp'])
  for (const port of ['http', '65536', '2-1', '80/icmp', '80/tcp/udp', '-1', '1-', '999999999999']) {
    throws(t, `EXPOSE ${port}`, 'ERR_BUILDER_DOCKERFILE', `Dockerfile:3: Invalid port "${port}"`)
  }
})

t.test('VOLUME, USER, LABEL, STOPSIGNAL', async (t) => {
  t.strictSame(config('VOLUME /b /a\nVOLUME ["/c d"]').Volumes, { '/a': {}, '/b': {}, '/c d': {} })
  t.strictSame(config('USER a\nUSER b:c').User, 'b:c')
  t.strictSame(config('LABEL b=1 a=2\nLABEL b=3\nLABEL old  style').Labels, { a: '2', b: '3', old: 'style' })
  for (const signal of ['SIGTERM', 'term', '9', '64', 'SIGRTMIN+15', 'RTMAX-14', 'rtmin']) {
    t.equal(config(`STOPSIGNAL ${signal}`).StopSignal, signal)
  }
  for (const signal of ['FOO', '0', '65', '-1', 'SIGRTMIN+16', 'RTMAX-15', 'SIG', '9x', 'constructor']) {
    throws(t, `STOPSIGNAL ${signal}`, 'ERR_BUILDER_DOCKERFILE', `Dockerfile:3: Invalid signal: "${signal}"`)
  }
})

t.test('HEALTHCHECK', async (t) => {
  t.strictSame(config('HEALTHCHECK NONE').Healthcheck, { Test: ['NONE'] })
  t.strictSame(
    config(
      'HEALTHCHECK --interval=1m --timeout=500ms --start-period=2s --start-interval=1s --retries=3 CMD ["a", "b"]',
    ).Healthcheck,
    {
      Test: ['CMD', 'a', 'b'],
      Interval: 60e9,
      Timeout: 500e6,
      StartPeriod: 2e9,
      StartInterval: 1e9,
      Retries: 3,
    },
  )
  t.strictSame(config('HEALTHCHECK CMD a b').Healthcheck, { Test: ['CMD-SHELL', 'a b'] })
})

t.test('each metadata instruction is one entry without a layer', async (t) => {
  const lines = [
    'ENV A=1 B="x y"',
    'LABEL l=1',
    'USER u',
    'CMD ["c"]',
    'ENTRYPOINT e',
    'SHELL ["s"]',
    'EXPOSE 80',
    'VOLUME /v',
    'STOPSIGNAL 9',
    'HEALTHCHECK NONE',
    'ONBUILD RUN x',
    'MAINTAINER me',
    'WORKDIR /',
  ]
  const { image, plan } = lower(`FROM scratch\n${lines.join('\n')}`)
  t.equal(plan.steps.size, 0)
  t.strictSame(
    image.history,
    [
      'ENV A=1 B=x y',
      'LABEL l=1',
      'USER u',
      'CMD ["c"]',
      'ENTRYPOINT ["/bin/sh","-c","e"]',
      'SHELL ["s"]',
      'EXPOSE 80/tcp',
      'VOLUME ["/v"]',
      'STOPSIGNAL 9',
      'HEALTHCHECK {"Test":["NONE"]}',
      'ONBUILD RUN x',
      'MAINTAINER me',
      'WORKDIR /',
    ].map((created_by) => ({ created_by, comment: 'buildkit.dockerfile.v0', empty_layer: true })),
  )
})

t.test('RUN', async (t) => {
  const { chain, image } = lower('FROM base\nUSER u:g\nWORKDIR /w\nRUN --network=none make  all', {
    bases: { base: { Env: ['PATH=/bin'] } },
  })
  const [, workdir, run] = chain
  t.equal(workdir?.op, 'workdir')
  t.match(run, {
    op: 'exec',
    platform: 'linux/amd64',
    args: ['/bin/sh', '-c', 'make  all'],
    env: ['PATH=/bin'],
    cwd: '/w',
    user: 'u:g',
    network: 'none',
    scripts: [],
  })
  t.strictSame(image.history.at(-1), {
    created_by: 'RUN /bin/sh -c make  all # buildkit',
    comment: 'buildkit.dockerfile.v0',
  })
  for (const flags of ['', '--network=default ', '--security=sandbox ']) {
    t.equal(lastRun(`FROM scratch\nRUN ${flags}x`).network, 'default', flags)
  }
})

t.test('RUN with heredocs', async (t) => {
  const rows: ReadonlyArray<
    readonly [why: string, text: string, args: string[], scripts: Record<string, string>]
  > = [
    ['alone: the body', 'RUN <<E\necho $A\nE', ['/bin/sh', '-c', 'echo $A\n'], {}],
    ['alone, quoted', `RUN <<'E F'\nx\nE F`, ['/bin/sh', '-c', 'x\n'], {}],
    ['alone, with a descriptor', 'RUN 3<<E\nx\nE', ['/bin/sh', '-c', 'x\n'], {}],
    ['alone, tabs removed', 'RUN <<-E\n\tx\n\t\ty\n\tE', ['/bin/sh', '-c', 'x\ny\n'], {}],
    ['alone, tabs kept', 'RUN <<E\n\tx\nE', ['/bin/sh', '-c', '\tx\n'], {}],
    ['alone and empty', 'RUN <<E\nE', ['/bin/sh', '-c', ''], {}],
    ['a script', 'RUN <<E\n#!/usr/bin/python\nx\nE', ['/dev/pipes/E'], { E: '#!/usr/bin/python\nx\n' }],
    ['a chomped script', 'RUN <<-E\n\t#!/a\n\tE', ['/dev/pipes/E'], { E: '#!/a\n' }],
    [
      'a script with an odd name',
      'RUN <<a/../b\n#!/a\na/../b',
      ['/dev/pipes/a_.._b'],
      { 'a_.._b': '#!/a\n' },
    ],
    ['a script with a dangerous name', 'RUN <<..\n#!/a\n..', ['/dev/pipes/_'], { _: '#!/a\n' }],
    ['for a command', 'RUN cat <<E\nx\nE', ['/bin/sh', '-c', 'cat <<E\nx\nE'], {}],
    [
      'for a command, chomped by the shell',
      'RUN cat <<-E\n\tx\n\tE',
      ['/bin/sh', '-c', 'cat <<-E\n\tx\nE'],
      {},
    ],
    ['several', `RUN cat <<A - <<'B'\na\nA\n$b\nB`, ['/bin/sh', '-c', `cat <<A - <<'B'\na\nA\n$b\nB`], {}],
    ['several without a command', 'RUN <<A <<B\na\nA\nb\nB', ['/bin/sh', '-c', '<<A <<B\na\nA\nb\nB'], {}],
    ['a script needs to be alone', 'RUN <<A cat\n#!/a\nA', ['/bin/sh', '-c', '<<A cat\n#!/a\nA'], {}],
    ['the shell of the stage', 'SHELL ["bash", "-c"]\nRUN <<E\nx\nE', ['bash', '-c', 'x\n'], {}],
  ]
  for (const [why, text, args, scripts] of rows) {
    const step = lastRun(`FROM scratch\n${text}`)
    t.strictSame(step.args, args, why)
    t.strictSame(Object.fromEntries(step.scripts.map(({ name, data }) => [name, data])), scripts, why)
  }
  t.strictSame(history(lower('FROM scratch\nRUN <<E\nx\nE')), ['RUN /bin/sh -c x\n # buildkit'])
})

t.test('COPY and ADD', async (t) => {
  const context = lower('FROM scratch\nCOPY a /').plan.steps.keys().next().value
  t.strictSame(lastCopy('COPY ["a", "b c", "/d/"]'), {
    op: 'copy',
    parent: null,
    sources: [{ from: context, paths: ['a', 'b c'] }],
    destination: '/d/',
    exclude: [],
    parents: false,
    link: false,
    unpack: false,
  })
  t.match(
    lastCopy(
      'ARG O=5 M=755 X=*.md\nCOPY --chown=$O:6 --chmod=$M --link --parents --exclude=$X --exclude=b a /d/',
    ),
    { chown: '5:6', chmod: '755', exclude: ['*.md', 'b'], link: true, parents: true },
  )
  t.strictSame(
    Object.keys(lastCopy('COPY --chown=$X --chmod=$X a /')).includes('chown'),
    false,
    'empty flags are none',
  )
  t.equal(lastCopy('ADD a /').unpack, true)
  t.equal(lastCopy('ADD --unpack=false a /').unpack, false)
  t.equal(lastCopy('USER u\nCOPY a /').chown, undefined, 'USER does not matter')
})

t.test('COPY destinations', async (t) => {
  for (const [written, destination] of [
    ['/', '/'],
    ['.', '/w/'],
    ['./', '/w/'],
    ['..', '/'],
    ['x', '/w/x'],
    ['x/', '/w/x/'],
    ['/x/.', '/x/'],
    ['/x/y/..', '/x/'],
    ['../../../x', '/x'],
    ['/x//y', '/x/y'],
    ['x.', '/w/x.'],
    ['/...', '/...'],
    ['$UNSET', '/w/'],
    ['$D/', '/v/w/'],
  ] as const) {
    t.equal(lastCopy(`ENV D=/v/w\nWORKDIR /w\nCOPY a ${written}`).destination, destination, written)
  }
})

t.test('COPY with heredocs', async (t) => {
  const { plan, chain } = lower(
    `FROM scratch\nENV V=v\nCOPY a <<one <<-'two' /d/\n"$V" \\$V\none\n\t$V\ntwo\n`,
  )
  const [copy] = chain as CopyStep[]
  const [first, second] = copy!.sources
  t.strictSame(plan.steps.get(first!.from), { op: 'context', name: '' })
  t.strictSame(second?.paths, ['one', 'two'])
  t.strictSame(plan.steps.get(second!.from), {
    op: 'inline',
    files: [
      { name: 'one', data: '"v" $V\n' },
      { name: 'two', data: '$V\n' },
    ],
  })
  const again = lower('FROM scratch\nCOPY <<E <<E /d/\na\nE\nb\nE')
  t.match(
    [...again.plan.steps.values()][0],
    { files: [{ name: 'E', data: 'b\n' }] },
    'the last of a name counts',
  )
  t.strictSame(history(again), ['COPY <<E <<E /d/ # buildkit'])
  for (const name of ['../x', 'a*', 'a[b]', '.', '..', 'a?']) {
    const message = `Dockerfile:3: A heredoc cannot become a file named "${name}"`
    throws(t, `COPY <<${name} /d/\n${name}`, 'ERR_BUILDER_DOCKERFILE', message)
  }
})

t.test('the history of COPY says what was resolved', async (t) => {
  t.strictSame(
    history(
      lower(
        `FROM scratch AS s
ENV V=v
COPY --from=s --chmod=644 --chown=$V --link --parents --exclude=b a$V ./
ADD --unpack=true ["a b", "d"]`,
        { target: 's', contexts: new Map([['s', 'directory']]) },
      ),
    ),
    [
      '- ENV V=v',
      'COPY --from=s --chown=v --chmod=644 --link --parents --exclude=b av ./ # buildkit',
      'ADD a b d # buildkit',
    ],
  )
})

t.test('mistakes are errors with a place', async (t) => {
  for (const [line, message] of [
    ['COPY https://example.test/x /', /URL for COPY/],
    ['COPY git@example.test:x /', /URL for COPY/],
    ['COPY --chmod=888 a /', /Invalid mode "888"/],
    ['COPY --exclude=[ a /', /Syntax error in pattern/],
    ['COPY --exclude=! a /', /names nothing/],
  ] as const) {
    throws(t, line, 'ERR_BUILDER_DOCKERFILE', message)
  }
})

t.test('what is valid but not implemented says so', async (t) => {
  for (const [line, message] of [
    ['RUN --mount=type=cache,target=/c x', 'RUN --mount is not implemented'],
    ['RUN --device=x x', 'RUN --device is not implemented'],
    ['RUN --network=host x', 'RUN --network=host is not implemented'],
    ['RUN --security=insecure x', 'RUN --security=insecure is not implemented'],
    ['ADD https://example.test/x /', 'ADD takes local files only'],
    ['ADD $U /', 'ADD takes local files only'],
    ['ADD git@example.test:x /', 'ADD takes local files only'],
    ['ADD --checksum=sha256:00 a /', 'ADD --checksum needs a remote source'],
    ['ADD --keep-git-dir a /', 'ADD --keep-git-dir needs a remote source'],
  ] as const) {
    const global = line.includes('$U') ? 'ENV U=HTTP://example.test' : ''
    t.throws(
      () => lower(`FROM scratch\n${global}\n${line}`),
      { code: 'ERR_BUILDER_UNSUPPORTED', message: `Dockerfile:3: ${message}`, instruction: line },
      line,
    )
  }
})
