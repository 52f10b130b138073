import fc from 'fast-check'
import t from 'tap'
import { hostPlatform } from '@varve/oci-manifest'
import { parseDockerfile } from '../src/dockerfile/parse.ts'
import { factKey } from '../src/frontend/facts.ts'
import { lowerDockerfile } from '../src/frontend/lower.ts'
import {
  baseImage,
  chainOf,
  history,
  lastRun,
  lower,
  type Lowering,
  lowerOptions,
  rules,
} from './frontend-support.ts'

/** The names of the images asked for. */
function needs(text: string, given?: Lowering): string[] {
  return lower(text, given).needs.map(({ name }) => name)
}

/** The RUN commands of the result, from the bottom up. */
function commands(text: string, given?: Lowering): string[] {
  return lower(text, given).chain.flatMap((step) => (step.op === 'exec' ? step.args.slice(-1) : []))
}

t.test('FROM scratch alone is an empty image', async (t) => {
  const { plan, image, needs: asked } = lower('FROM scratch')
  t.strictSame(image, {
    platform: { os: 'linux', architecture: 'amd64' },
    root: null,
    config: {
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      WorkingDir: '/',
    },
    history: [],
  })
  t.equal(plan.steps.size, 0)
  t.strictSame(asked, [])
})

t.test('FROM an image continues its configuration', async (t) => {
  const config = {
    User: 'u',
    ExposedPorts: { '9/udp': {}, '80/tcp': {} },
    Env: ['PATH=/bin'],
    Entrypoint: ['e'],
    Cmd: ['c'],
    Volumes: { '/v': {} },
    WorkingDir: '/w',
    Labels: { b: '2', a: '1' },
    StopSignal: 'SIGQUIT',
    Healthcheck: { Test: ['NONE'] },
    Shell: ['sh'],
  }
  const { image, chain } = lower('FROM base', { bases: { base: config } })
  t.strictSame(image.config, config)
  t.strictSame(Object.keys(image.config.Labels ?? {}), ['a', 'b'], 'names are sorted')
  t.strictSame(chain, [
    { op: 'image', reference: 'registry.test/base', manifest: baseImage('base', image.platform).manifest },
  ])
  t.equal(image.base, image.root)
  t.strictSame(image.history, [], 'its history is not repeated')
  const empty = lower('FROM base', { bases: { base: { Shell: [], WorkingDir: '', Entrypoint: [] } } }).image
    .config
  t.strictSame(Object.keys(empty), ['Env', 'WorkingDir'], 'what is empty is as good as absent')
})

t.test('which stages are lowered', async (t) => {
  const text = `FROM one AS first
RUN first
FROM two AS second
COPY --from=later /x /
FROM three
COPY --from=First /a /
COPY --from=0 /b /
RUN last
FROM four AS Fourth
RUN fourth`
  const rows: ReadonlyArray<
    readonly [why: string, target: string | undefined, asked: string[], ran: string[]]
  > = [
    ['the last one by default', undefined, ['four'], ['fourth']],
    ['an empty target is none', '', ['four'], ['fourth']],
    ['by name', 'first', ['one'], ['first']],
    ['by name in any case', 'FOURTH', ['four'], ['fourth']],
    ['by index, with what it copies from', '2', ['one', 'three'], ['last']],
    ['by padded index', '00', ['one'], ['first']],
  ]
  for (const [why, target, asked, ran] of rows) {
    const given = target === undefined ? {} : { target }
    t.strictSame(needs(text, given), asked, why)
    t.strictSame(commands(text, given), ran, why)
  }
  t.equal(lower(text, { target: 'first' }).plan.steps.size, 2, 'and no other stage leaves a step')
})

t.test('a target that does not exist is a usage error', async (t) => {
  const text = 'FROM scratch AS build\nFROM scratch AS release'
  t.throws(() => lower(text, { target: 'biuld' }), {
    code: 'ERR_BUILDER_USAGE',
    message: 'Target stage "biuld" could not be found (did you mean build?)',
    hint: 'The stages are: build, release',
  })
  t.throws(() => lower('FROM scratch', { target: '1' }), {
    code: 'ERR_BUILDER_USAGE',
    message: 'Target stage "1" could not be found',
    hint: undefined,
  })
})

t.test('FROM a stage goes on where it ended', async (t) => {
  const text = `FROM base AS a
MAINTAINER me
ARG A=1
ENV E=2
WORKDIR /w
CMD ["c"]
ONBUILD RUN never
FROM A
RUN here
ENTRYPOINT ["e"]`
  const lowered = lower(text)
  const { image, chain } = lowered
  t.strictSame(
    chain.map(({ op }) => op),
    ['image', 'workdir', 'exec'],
  )
  t.match(chain[2], { cwd: '/w', env: [/PATH=/, 'A=1', 'E=2'] })
  t.strictSame(image.config.Entrypoint, ['e'])
  t.equal(image.config.Cmd, undefined, 'CMD of another stage is cleared by ENTRYPOINT')
  t.equal(image.config.OnBuild, undefined, 'ONBUILD is not carried')
  t.equal(image.author, 'me')
  t.equal(image.base, [...lowered.plan.steps.keys()][0])
  t.strictSame(history(lowered), [
    '- MAINTAINER me',
    '- ARG A=1',
    '- ENV E=2',
    'WORKDIR /w',
    '- CMD ["c"]',
    '- ONBUILD RUN never',
    'RUN |1 A=1 /bin/sh -c here # buildkit',
    '- ENTRYPOINT ["e"]',
  ])
})

t.test('a stage does not change the one it is built on', async (t) => {
  const text = 'FROM scratch AS a\nENV A=1\nFROM a AS b\nENV A=2\nLABEL l=b\nFROM a AS c\nCOPY --from=b / /'
  const { image } = lower(text)
  t.match(image.config.Env, [/PATH=/, 'A=1'])
  t.equal(image.config.Labels, undefined)
})

t.test('the latest of equal names counts', async (t) => {
  t.strictSame(commands('FROM scratch AS a\nRUN one\nFROM scratch AS a\nRUN two\nFROM a'), ['two'])
})

t.test('a name that only a later stage has is an image', async (t) => {
  t.strictSame(needs('FROM later\nFROM scratch AS later\nFROM scratch', { target: '0' }), ['later'])
})

t.test('COPY --from', async (t) => {
  const text = (from: string): string =>
    `FROM one AS a\nRUN a\nFROM scratch AS b\nFROM scratch AS c\nCOPY --from=${from} /x /\n`
  const source = (from: string, given?: Lowering): unknown => {
    const { plan, chain } = lower(text(from), given)
    const [copy] = chain
    return copy?.op === 'copy' ? plan.steps.get(copy.sources[0]!.from) : undefined
  }
  t.match(source('a'), { op: 'exec', args: ['/bin/sh', '-c', 'a'] }, 'a stage')
  t.match(source('0'), { op: 'exec' }, 'an index')
  t.strictSame(source('b'), { op: 'inline', files: [] }, 'a stage without files')
  t.strictSame(source('scratch'), { op: 'inline', files: [] }, 'nothing')
  t.match(source('busybox'), { op: 'image', reference: 'registry.test/busybox' }, 'an image')
  const contexts = new Map([
    ['dir', 'directory'],
    ['img', 'image'],
    ['a', 'directory'],
  ] as const)
  t.strictSame(source('dir', { contexts }), { op: 'context', name: 'dir' }, 'a directory')
  t.match(source('img', { contexts }), { op: 'image', reference: 'registry.test/img' }, 'a named image')
  t.strictSame(source('a', { contexts }), { op: 'context', name: 'a' }, 'a directory in place of a stage')
  t.strictSame(source('0', { contexts }), { op: 'context', name: 'a' }, 'whatever the stage is called')
  t.match(
    source('c', { contexts: new Map([['c', 'image']]) }),
    { op: 'image' },
    'an image named as this stage',
  )
  for (const [from, why] of [
    ['c', 'this stage'],
    ['C', 'this stage in capitals'],
    ['d', 'a later stage'],
    ['2', 'its own index'],
    ['9', 'an index out of reach'],
  ] as const) {
    t.throws(
      () => lower(`${text(from)}FROM scratch AS d`, { target: 'c' }),
      {
        code: 'ERR_BUILDER_DOCKERFILE',
        message: `Dockerfile:5: Cannot copy from stage "${from}", it needs to be defined before the current stage`,
        location: { file: 'Dockerfile', line: 5 },
        instruction: `COPY --from=${from} /x /`,
      },
      why,
    )
  }
})

t.test('named contexts stand in for what FROM names', async (t) => {
  const image = new Map([['node', 'image']] as const)
  t.strictSame(needs('FROM node', { contexts: image }), ['node'])
  t.strictSame(needs('FROM one AS node\nRUN x\nFROM 0', { contexts: image }), ['node'], 'a stage as well')
  t.strictSame(
    needs('FROM scratch', { contexts: new Map([['scratch', 'image']]) }),
    [],
    'but not for scratch',
  )
  t.throws(() => lower('FROM scratch\nFROM node', { contexts: new Map([['node', 'directory']]) }), {
    code: 'ERR_BUILDER_UNSUPPORTED',
    message: 'Dockerfile:2: FROM cannot use the directory context "node"',
    location: { file: 'Dockerfile', line: 2 },
    instruction: 'FROM node',
  })
})

t.test('FROM is expanded with global arguments', async (t) => {
  t.strictSame(needs('ARG V=1\nFROM base:$V'), ['base:1'])
  t.strictSame(needs('ARG V=1\nFROM base:${V}-${X:-slim}', { args: { V: '2' } }), ['base:2-slim'])
  t.strictSame(needs('FROM $TARGETARCH/base'), ['amd64/base'])
  t.strictSame(needs('ARG B=a\nFROM scratch AS a\nFROM $B'), [], 'also where a stage is meant')
  const undeclared = lower('FROM base$TARGETARH\nENV A=1')
  t.strictSame(rules(undeclared), ['1 UndefinedArgInFrom'])
  t.equal(
    undeclared.warnings[0]?.message,
    "FROM argument 'TARGETARH' is not declared (did you mean TARGETARCH?)",
  )
  t.throws(() => lower('FROM scratch\nFROM $X'), {
    code: 'ERR_BUILDER_DOCKERFILE',
    message: 'Dockerfile:2: The base name "$X" comes out empty',
    location: { file: 'Dockerfile', line: 2 },
  })
  t.throws(() => lower('FROM ${X'), { message: /^Dockerfile:1: / })
})

t.test('FROM --platform', async (t) => {
  const text = 'ARG P=linux/arm64\nFROM --platform=$P base AS a\nRUN x\nFROM a AS b\nFROM base'
  const one = lower(text, { target: 'b', platforms: ['linux/s390x'] })
  t.match(one.needs, [{ name: 'base', platform: { architecture: 'arm64' } }])
  t.match(one.chain[1], { op: 'exec', platform: 'linux/arm64' })
  t.match(one.image.platform, { architecture: 'arm64' }, 'a stage built on it has it too')
  const two = lower(text, { args: { P: 'linux/arm' }, target: 'a' })
  t.match(two.needs, [{ platform: { architecture: 'arm', variant: 'v7' } }], 'is normalised')
  for (const platform of ['$X', 'linux/', 'a/b/c/d']) {
    t.throws(() => lower(`FROM --platform=${platform} base`), {
      code: 'ERR_BUILDER_DOCKERFILE',
      message: /^Dockerfile:1: Invalid platform "/,
      location: { file: 'Dockerfile', line: 1 },
      cause: { code: 'ERR_OCI_MANIFEST_PLATFORM' },
    })
  }
})

t.test('ONBUILD triggers of a base image run first and are gone', async (t) => {
  const bases = {
    base: { OnBuild: ['ARG A=1', 'COPY --from=tool /t /', 'RUN <<E\nhi $A\nE\n'], Env: ['PATH=/bin'] },
  }
  const lowered = lower('FROM one AS tool\nFROM base\nONBUILD USER $A\nRUN $A', { bases })
  t.strictSame(history(lowered), [
    '- ARG A=1',
    'COPY --from=tool /t / # buildkit',
    'RUN |1 A=1 /bin/sh -c hi $A\n # buildkit',
    '- ONBUILD USER $A',
    'RUN |1 A=1 /bin/sh -c $A # buildkit',
  ])
  t.strictSame(lowered.image.config.OnBuild, ['USER $A'])
  t.strictSame(needs('FROM one AS tool\nFROM base', { bases }), ['base', 'one'], 'they decide what is needed')
  t.throws(() => lower('FROM base', { bases: { base: { OnBuild: ['ADD x'] } } }), {
    code: 'ERR_BUILDER_DOCKERFILE',
    location: { file: 'ONBUILD of registry.test/base', line: 1 },
  })
  t.throws(() => lower('FROM base', { bases: { base: { OnBuild: ['FROM x'] } } }), {
    code: 'ERR_BUILDER_DOCKERFILE',
  })
})

t.test('what is not known is asked for, one image for each platform at a time', async (t) => {
  const dockerfile = parseDockerfile(
    'FROM --platform=$BUILDPLATFORM tool AS t\n\nFROM base\nCOPY --from=t / /',
  )
  const options = lowerOptions({ platforms: ['linux/amd64', 'linux/arm64'] })
  const first = lowerDockerfile(dockerfile, options, new Map())
  t.match(first, { needs: [{ name: 'tool' }] }, 'in the order of the file, and equal needs are one')
  t.equal('needs' in first && first.needs.length, 1)
  const build = hostPlatform()
  const facts = new Map([[factKey('tool', build), baseImage('tool', build)]])
  t.strictSame(lowerDockerfile(dockerfile, options, facts), {
    needs: options.platforms.map((platform) => ({
      name: 'base',
      platform,
      location: { file: 'Dockerfile', line: 3 },
    })),
  })
  t.equal(facts.size, 1, 'nothing given is changed')
})

t.test('platforms share the steps that are equal', async (t) => {
  const text = `FROM --platform=linux/amd64 tool AS build
RUN make
FROM scratch
COPY --from=build /out /
COPY . /src/
RUN --network=none check`
  const { plan } = lower(text, { platforms: ['linux/amd64', 'linux/arm64'] })
  const [amd, arm] = plan.images.map(({ root }) => chainOf(plan, root))
  t.strictSame(amd?.slice(0, 2), arm?.slice(0, 2), 'copies do not depend on the platform')
  t.match([amd?.[2], arm?.[2]], [{ platform: 'linux/amd64' }, { platform: 'linux/arm64' }])
  t.strictSame(
    [...plan.steps.values()].map(({ op }) => op),
    ['image', 'exec', 'copy', 'context', 'copy', 'exec', 'exec'],
  )
  t.strictSame([...plan.labels.keys()], [...plan.steps.keys()])
  t.strictSame(
    plan.images.map(({ platform }) => platform.architecture),
    ['amd64', 'arm64'],
  )
})

t.test('the same text gives the same steps, whatever stands around it', async (t) => {
  const ids = (text: string, given?: Lowering): string[] =>
    [...lower(text, given).plan.steps.keys()].toSorted()
  const text = 'FROM base\nWORKDIR /w\nRUN  make\nCOPY a b /d/\n'
  t.strictSame(ids(text), ids(text))
  for (const [why, other] of [
    ['comments, case and spaces', '# c\nfrom base\nWorkdir  /w\n\nrun make\n# c\nCOPY a   b /d/'],
    [
      'labels, ports and commands',
      'FROM base\nLABEL a=b\nWORKDIR /w\nEXPOSE 80\nRUN make\nCMD x\nCOPY a b /d/',
    ],
    ['stage names', 'FROM base AS x\nWORKDIR /w\nRUN make\nFROM x\nCOPY a b /d/'],
    ['variables', 'ARG B=base\nFROM $B\nWORKDIR w\nRUN make\nCOPY "a" b /d/e/..'],
  ] as const) {
    t.strictSame(ids(other), ids(text), why)
  }
  t.strictSame(ids(text, { epoch: 5, labels: new Map([['a', 'b']]), args: { X: '1' } }), ids(text), 'options')
  t.not(ids(text.replace('make', 'made')).join(), ids(text).join())
  t.equal(lower(text, { epoch: 5 }).plan.epoch, 5)
})

t.test('steps are named after their place', async (t) => {
  const labels = (text: string, given?: Lowering): string[] =>
    [...lower(text, given).plan.labels.values()].map(({ name }) => name)
  t.strictSame(labels('FROM base\nCOPY . .\nLABEL a=b\nRUN make \\\n  all'), [
    'FROM registry.test/base',
    'load build context',
    '[1/2] COPY . .',
    '[2/2] RUN make   all',
  ])
  const bases = { base: { OnBuild: ['RUN x'] } }
  t.strictSame(labels('FROM base AS b\nRUN y\nFROM b\nCOPY --link <<F /\nF', { bases }).slice(-3), [
    '[b 2/2] RUN y',
    'inline F',
    '[stage-1 1/1] COPY --link <<F /',
  ])
  const { plan, image } = lower('FROM scratch\n\nRUN x')
  t.strictSame(plan.labels.get(image.root!), {
    name: '[1/1] RUN x',
    slot: '',
    location: { file: 'Dockerfile', line: 3 },
  })
})

t.test('--label comes after all LABELs', async (t) => {
  const { image } = lower('FROM scratch\nLABEL a=1 b=1 __proto__=x', { labels: new Map([['a', '2']]) })
  t.strictSame(Object.entries(image.config.Labels ?? {}), [
    ['__proto__', 'x'],
    ['a', '2'],
    ['b', '1'],
  ])
})

t.test('a long chain of stages is built, an endless one refused', async (t) => {
  const stages = (count: number): string =>
    Array.from(
      { length: count },
      (_, index) => `FROM ${index === 0 ? 'scratch' : `s${index - 1}`} AS s${index}\n`,
    ).join('')
  t.equal(lastRun(`${stages(1000)}RUN x`).cwd, '/')
  t.throws(() => lower(stages(1001)), { code: 'ERR_BUILDER_DOCKERFILE', message: /more than 1000 stages/ })
})

t.test('lowering is pure: any order of facts, any number of times', async (t) => {
  const line = fc.constantFrom(
    'ENV A=$A-1',
    'ARG A=2',
    'RUN $A',
    'COPY $A /$A/',
    'WORKDIR d',
    'LABEL l=$A',
    'USER u',
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const text = `FROM base\n${lines.join('\n')}`
      const [one, two] = [lower(text), lower(text)]
      t.same(one.plan.images, two.plan.images)
      const layers = one.image.history.filter(({ empty_layer }) => empty_layer !== true).length
      // One layer for each entry that has one, on top of the image.
      return layers === one.chain.length - 1 && one.image.history.length === lines.length
    }),
    { numRuns: 50 },
  )
})
