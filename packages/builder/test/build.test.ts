import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  linkSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { chaos, createMemoryStore } from '@varve/cache-store'
import { createLocalStore } from '@varve/cache-store/local'
import type { Digest } from '@varve/digest'
import { parsePlatform, readImage } from '@varve/oci-manifest'
import { readArchive } from '@varve/oci-manifest/archive'
import { openLayout } from '@varve/oci-manifest/layout'
import { createRegistryHandler, listen } from '@varve/registry/server'
import { build, type BuildEvent, type BuildOptions, type BuildResult } from '../src/index.ts'
import { listImage, makeBase, textEntry, writeFiles } from './support.ts'

interface Bench {
  readonly directory: string
  readonly events: BuildEvent[]
  /** Writes the Dockerfile and builds. */
  build(dockerfile: string, options?: Partial<BuildOptions>): Promise<BuildResult>
  /** `H` or `M` for each step, in order of the Dockerfile. */
  outcomes(result: BuildResult): string
  files(result: BuildResult): Promise<string[]>
}

function bench(t: Test, files: Readonly<Record<string, string>> = { 'a.txt': 'a', 'src/b.txt': 'b' }): Bench {
  const directory = t.testdir()
  const context = writeFiles(join(directory, 'context'), files)
  const events: BuildEvent[] = []
  return {
    directory,
    events,
    build: async (dockerfile, options = {}) => {
      writeFileSync(join(directory, 'Dockerfile'), dockerfile)
      return build({
        context,
        dockerfile: join(directory, 'Dockerfile'),
        cacheDirectory: join(directory, 'store'),
        platforms: [parsePlatform('linux/amd64')],
        onEvent: (event) => void events.push(event),
        ...options,
      })
    },
    outcomes: ({ plan, steps }) => {
      const order = [...plan.steps.keys()]
      const sorted = steps.toSorted((a, b) => order.indexOf(a.step) - order.indexOf(b.step))
      return sorted.map(({ cache }) => (cache === 'hit' ? 'H' : 'M')).join('')
    },
    files: async ({ images }) => {
      const [image] = images
      if (image === undefined) throw new Error('No image')
      return listImage(await openLayout(join(directory, 'store')), image.descriptor)
    },
  }
}

const COPY_ALL = 'FROM scratch\nCOPY . /app/\n'

t.test(
  'a build from scratch has the files of its context, and a layer for each file-system instruction',
  async (t) => {
    const it = bench(t)
    const result = await it.build(`${COPY_ALL}ENV A=1\nWORKDIR /work\nCMD ["x"]\n`)
    t.strictSame(await it.files(result), [
      'app directory 755 0:0',
      'app/a.txt file 644 0:0 a',
      'app/src directory 755 0:0',
      'app/src/b.txt file 644 0:0 b',
      'work directory 755 0:0',
    ])
    const image = await readImage(await openLayout(join(it.directory, 'store')), result.descriptor)
    const { history = [], config, rootfs } = image.config.value
    t.equal(rootfs.diff_ids.length, 2)
    t.strictSame(
      history.map(({ empty_layer }) => empty_layer === true),
      [false, true, false, true],
    )
    t.strictSame(config?.Cmd, ['x'])
  },
)

t.test(
  'a second build is all from cache and gives the same digest, and so does a build without the cache',
  async (t) => {
    const it = bench(t)
    const dockerfile = `FROM scratch AS one\nCOPY . /app/\nFROM scratch\nCOPY --from=one /app/src /src\nWORKDIR /w\n`
    const first = await it.build(dockerfile)
    const second = await it.build(dockerfile)
    const third = await it.build(dockerfile, { noCache: true })
    t.equal(it.outcomes(first), 'MMM')
    t.equal(it.outcomes(second), 'HHH')
    t.equal(it.outcomes(third), 'MMM')
    t.equal(second.descriptor.digest, first.descriptor.digest)
    t.equal(third.descriptor.digest, first.descriptor.digest)
    t.equal(it.events.filter(({ type }) => type === 'warning').length, 0, 'nothing was found to be random')
  },
)

t.test('what changes a key, and the reason given', async (t) => {
  const dockerfile = 'FROM scratch\nCOPY a.txt /a\nCOPY src /src/\n'
  const changes: ReadonlyArray<readonly [string, (it: Bench) => Promise<BuildResult>, string, RegExp]> = [
    ['nothing', (it) => it.build(dockerfile), 'HH', /^$/],
    [
      'a new time',
      (it) => {
        utimesSync(join(it.directory, 'context/a.txt'), 5, 5)
        return it.build(dockerfile)
      },
      'HH',
      /^$/,
    ],
    [
      'a file that is not copied',
      (it) => {
        writeFiles(join(it.directory, 'context'), { 'other.txt': 'x' })
        return it.build(dockerfile)
      },
      'HH',
      /^$/,
    ],
    ['a comment and a label', (it) => it.build(`# x\n${dockerfile}LABEL a=b\n`), 'HH', /^$/],
    [
      'content, same size and time',
      (it) => {
        writeFiles(join(it.directory, 'context'), { 'src/b.txt': 'B' })
        return it.build(dockerfile)
      },
      'HM',
      /files\.src\/b\.txt: /,
    ],
    [
      'a mode',
      (it) => {
        chmodSync(join(it.directory, 'context/a.txt'), 0o600)
        return it.build(dockerfile)
      },
      'MM',
      /files\.a\.txt: .*0644.*0600/,
    ],
    [
      'another file',
      (it) => {
        writeFiles(join(it.directory, 'context'), { 'src/new.txt': 'n' })
        return it.build(dockerfile)
      },
      'HM',
      /files\.src\/new\.txt: added/,
    ],
    [
      'a destination',
      (it) => it.build('FROM scratch\nCOPY a.txt /a\nCOPY src /dest/\n'),
      'HM',
      /destination: .*\/dest\//,
    ],
    [
      'the name of a source, same bytes and destination',
      (it) => {
        renameSync(join(it.directory, 'context/a.txt'), join(it.directory, 'context/z.txt'))
        return it.build(dockerfile.replace('a.txt', 'z.txt'))
      },
      'HH',
      /^$/,
    ],
    ['the epoch', (it) => it.build(dockerfile, { epoch: 7 }), 'MM', /epoch: "?0"? → "?7"?/],
  ]
  for (const [what, change, outcomes, why] of changes) {
    await t.test(what, async (t) => {
      const it = bench(t)
      await it.build(dockerfile)
      it.events.length = 0
      t.equal(it.outcomes(await change(it)), outcomes)
      const reasons = it.events.flatMap((event) => (event.type === 'step-miss' ? [event.why] : []))
      t.match(reasons.join('\n'), why)
    })
  }
})

t.test('another machine with the same cache builds nothing, and fetches what it needs', async (t) => {
  const it = bench(t)
  const shared = await createLocalStore({ directory: join(it.directory, 'shared') })
  const cache = { name: 'shared', tier: shared, read: true, write: true }
  const first = await it.build(COPY_ALL, { caches: [cache] })
  t.equal(it.outcomes(first), 'M')
  const layers = first.images[0]!.layers.map(({ descriptor }) => descriptor.digest)
  t.equal((await shared.blobs.missing(layers)).size, 0, 'the layers are there')
  t.equal((await shared.blobs.missing([first.descriptor.digest])).size, 1, 'the image is not')

  const elsewhere = join(it.directory, 'other-store')
  const second = await it.build(COPY_ALL, { caches: [cache], cacheDirectory: elsewhere })
  t.equal(it.outcomes(second), 'H')
  t.equal(second.descriptor.digest, first.descriptor.digest)
  const local = await createLocalStore({ directory: elsewhere })
  t.equal((await local.blobs.missing(layers)).size, layers.length, 'nobody needed a layer')
  const named = { caches: [cache], cacheDirectory: elsewhere, tags: ['localhost/app:1'] }
  t.equal(it.outcomes(await it.build(COPY_ALL, named)), 'H')
  t.equal((await local.blobs.missing(layers)).size, 0, 'an image with a name is whole')
})

t.test('R11: what a cache has lost after it was found is made again', async (t) => {
  const it = bench(t)
  const shared = createMemoryStore()
  const cache = { name: 'shared', tier: shared, read: true, write: true }
  const first = await it.build(COPY_ALL, { caches: [cache] })
  const [layer] = first.images[0]!.layers.map(({ descriptor }) => descriptor.digest)
  const losing = {
    name: 'losing',
    // It has everything until one asks for it.
    tier: {
      actions: shared.actions,
      blobs: {
        ...shared.blobs,
        get: async (digest: Digest, options: object) => {
          if (digest === layer) await shared.blobs.delete(digest)
          return shared.blobs.get(digest, options)
        },
      },
    },
    read: true,
    write: true,
  }
  const options = {
    caches: [losing],
    cacheDirectory: join(it.directory, 'other-store'),
    tags: ['localhost/app:1'],
  }
  const second = await it.build(COPY_ALL, options)
  t.equal(second.descriptor.digest, first.descriptor.digest)
  t.equal(it.outcomes(second), 'M')
  t.match(
    it.events.find((event) => event.type === 'warning'),
    { rule: 'LostBlob', message: /nowhere to be found/ },
  )
})

t.test('D11: a cache that is ill costs a warning and no build', async (t) => {
  const it = bench(t)
  const failing = chaos(createMemoryStore(), { seed: 1, failing: 1 })
  const cache = { name: 'ill', tier: failing, read: true, write: true }
  const result = await it.build(COPY_ALL, { caches: [cache] })
  t.equal(it.outcomes(result), 'M')
  t.match(
    it.events.find((event) => event.type === 'warning'),
    { rule: 'CacheFailed', message: /The cache ill/ },
  )
  t.equal((await it.build(COPY_ALL)).descriptor.digest, result.descriptor.digest)
})

t.test(
  'R5: owner and umask of whoever made the context do not matter, with the modes that git keeps',
  async (t) => {
    const it = bench(t)
    const context = join(it.directory, 'context')
    writeFiles(context, { 'tool.sh': '#!/bin/sh' })
    chmodSync(join(context, 'tool.sh'), 0o755)
    const first = await it.build(COPY_ALL, { contextModes: 'git' })
    for (const [name, mode] of [
      ['a.txt', 0o600],
      ['src/b.txt', 0o660],
      ['src', 0o700],
      ['tool.sh', 0o700],
    ] as const)
      chmodSync(join(context, name), mode)
    const second = await it.build(COPY_ALL, { contextModes: 'git' })
    t.equal(it.outcomes(second), 'H')
    t.equal(second.descriptor.digest, first.descriptor.digest)
    t.strictSame(await it.files(second), [
      'app directory 755 0:0',
      'app/a.txt file 644 0:0 a',
      'app/src directory 755 0:0',
      'app/src/b.txt file 644 0:0 b',
      'app/tool.sh file 755 0:0 #!/bin/sh',
    ])
    t.equal(it.outcomes(await it.build(COPY_ALL)), 'M', 'exact modes are told apart by default')
  },
)

t.test('what a source brings along by a link or as a parent is part of the key', async (t) => {
  const it = bench(t, { a: 'one', 'p/q/f': 'x' })
  const context = join(it.directory, 'context')
  linkSync(join(context, 'a'), join(context, 'b'))
  const dockerfile = 'FROM scratch\nCOPY b /\nCOPY --parents p/q/f /\n'
  await it.build(dockerfile)
  writeFileSync(join(context, 'a'), 'two')
  t.equal(it.outcomes(await it.build(dockerfile)), 'MM', 'content of a hard link')
  chmodSync(join(context, 'p'), 0o700)
  t.equal(it.outcomes(await it.build(dockerfile)), 'HM', 'mode of a kept parent')
})

t.test('a damaged blob is noticed, made again, and the image is the same', async (t) => {
  const it = bench(t)
  const first = await it.build(COPY_ALL)
  const [layer] = first.images[0]?.layers ?? []
  const blob = join(it.directory, 'store/blobs', (layer?.descriptor.digest ?? '').replace(':', '/'))
  const bytes = readFileSync(blob)
  chmodSync(blob, 0o644)
  writeFileSync(blob, bytes.subarray(0, bytes.length - 1))
  const second = await it.build(COPY_ALL, {
    outputs: [{ type: 'layout', directory: join(it.directory, 'out') }],
  })
  t.equal(second.descriptor.digest, first.descriptor.digest)
  t.ok(it.events.some((event) => event.type === 'warning' && event.rule === 'LostBlob'))
  t.equal((await listImage(await openLayout(join(it.directory, 'out')), second.descriptor)).length, 4)
})

t.test('a base image gives its files, its configuration and its accounts', async (t) => {
  const it = bench(t)
  const base = join(it.directory, 'base')
  await makeBase(
    base,
    [
      { path: 'etc', type: 'directory' },
      textEntry('etc/passwd', 'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n'),
      { path: 'data', type: 'symlink', linkname: 'var/data' },
      { path: 'var', type: 'directory' },
      { path: 'var/data', type: 'directory', mode: 0o700, uid: 9, gid: 9 },
    ],
    { config: { Env: ['PATH=/bin', 'FROM_BASE=1'], OnBuild: ['COPY a.txt /onbuild'] } },
  )
  const contexts = new Map([['base', { type: 'layout', directory: base } as const]])
  const dockerfile = 'FROM base\nUSER app\nWORKDIR /srv/$FROM_BASE\nCOPY --chown=app a.txt /data/\n'
  const result = await it.build(dockerfile, { contexts })
  const files = await it.files(result)
  t.match(files, [
    /^data symlink/,
    /^etc directory/,
    /^etc\/passwd/,
    'onbuild file 644 0:0 a',
    'srv directory 755 1000:1001',
    'srv/1 directory 755 1000:1001',
    'var directory 755 0:0',
    'var/data directory 700 9:9',
    'var/data/a.txt file 644 1000:1001 a',
  ])
  const again = await it.build(dockerfile, { contexts })
  t.equal(it.outcomes(again), 'HHH')
})

t.test('several platforms give an index; layers that do not depend on them are made once', async (t) => {
  const it = bench(t)
  const platforms = ['linux/amd64', 'linux/arm64'].map((text) => parsePlatform(text))
  const result = await it.build('FROM scratch\nARG TARGETARCH\nENV ARCH=$TARGETARCH\nCOPY . /\n', {
    platforms,
  })
  t.equal(result.images.length, 2)
  t.equal(result.steps.length, 1)
  const store = await openLayout(join(it.directory, 'store'))
  for (const platform of platforms) {
    const { config } = await readImage(store, result.descriptor, { platform })
    t.equal(config.value.architecture, platform.architecture)
    t.ok(config.value.config?.Env?.includes(`ARCH=${platform.architecture}`))
  }
})

t.test('outputs: a layout, an archive, a registry, all with the same image', async (t) => {
  const it = bench(t)
  const server = await listen(
    createRegistryHandler(await createLocalStore({ directory: join(it.directory, 'reg') })),
  )
  t.teardown(() => server.close())
  const name = `${new URL(server.url).host}/team/app:1`
  const layout = join(it.directory, 'layout')
  const file = join(it.directory, 'deep/app.tar')
  const result = await it.build(COPY_ALL, {
    tags: [name],
    outputs: [{ type: 'layout', directory: layout }, { type: 'archive', file }, { type: 'registry' }],
  })
  t.equal((await (await openLayout(layout)).resolve('1')).digest, result.descriptor.digest)
  t.equal((await readArchive(file)).resolve('1').digest, result.descriptor.digest)
  const used = await it.build(`FROM ${name}\nCOPY a.txt /more\n`, {
    cacheDirectory: join(it.directory, 'other-store'),
  })
  t.equal(used.images[0]?.layers.length, 2, 'what was pushed can be built upon elsewhere')
  const local = await it.build(`FROM ${name}\nCOPY a.txt /more\n`)
  t.equal(local.descriptor.digest, used.descriptor.digest, 'and here, from the store')
})

t.test('ignored files are not seen; exceptions below ignored directories are', async (t) => {
  const it = bench(t, {
    '.dockerignore': 'logs\n!logs/keep/this\n**/*.tmp\nempty\n',
    'logs/a': 'a',
    'logs/keep/this': 'kept',
    'x.tmp': 'x',
    'sub/y.tmp': 'y',
    'empty/a': 'a',
  })
  t.strictSame(await it.files(await it.build('FROM scratch\nCOPY . /\n')), [
    '.dockerignore file 644 0:0 logs\n!logs/keep/this\n**/*.tmp\nempty',
    'logs directory 755 0:0',
    'logs/keep directory 755 0:0',
    'logs/keep/this file 644 0:0 kept',
    'sub directory 755 0:0',
  ])
})

t.test('ADD extracts archives by content and copies what only looks like one', async (t) => {
  const it = bench(t, { 'fake.tar.gz': 'not an archive' })
  const made = await it.build('FROM scratch\nCOPY <<EOF /dir/file\nhello\nEOF\n')
  const store = join(it.directory, 'store/blobs')
  const [layer] = made.images[0]?.layers ?? []
  for (const [name, digest] of [
    ['plain.tar', layer?.diffID],
    ['packed.bin', layer?.descriptor.digest],
  ] as const) {
    if (digest === layer?.diffID) {
      // The uncompressed bytes are in the store once a tree was looked at.
      await it.build(
        'FROM scratch AS a\nCOPY <<EOF /dir/file\nhello\nEOF\nFROM scratch\nCOPY --from=a /dir /x\n',
      )
    }
    writeFileSync(
      join(it.directory, 'context', name),
      readFileSync(join(store, (digest ?? '').replace(':', '/'))),
    )
  }
  const result = await it.build('FROM scratch\nADD fake.tar.gz /t/\nADD plain.tar /p\nADD packed.bin /q/\n')
  t.strictSame(await it.files(result), [
    'p directory 755 0:0',
    'p/dir directory 755 0:0',
    'p/dir/file file 644 0:0 hello',
    'q directory 755 0:0',
    'q/dir directory 755 0:0',
    'q/dir/file file 644 0:0 hello',
    't directory 755 0:0',
    't/fake.tar.gz file 644 0:0 not an archive',
  ])
})

t.test('failures are typed, say where, and leave nothing behind', async (t) => {
  const out = { outputs: [{ type: 'layout', directory: 'set below' } as const] }
  const cases: ReadonlyArray<
    readonly [string, string, Partial<BuildOptions>, { code: string; message?: RegExp }]
  > = [
    [
      'unknown instruction',
      'FROM scratch\nCOPPY a b\n',
      {},
      { code: 'ERR_BUILDER_DOCKERFILE', message: /Dockerfile:2: / },
    ],
    [
      'missing file',
      'FROM scratch\nCOPY nope /\n',
      {},
      { code: 'ERR_BUILDER_COPY', message: /Dockerfile:2: .*nope/ },
    ],
    ['missing context', COPY_ALL, { context: '/no/such/place' }, { code: 'ERR_BUILDER_CONTEXT' }],
    ['missing Dockerfile', COPY_ALL, { dockerfile: '/no/such/file' }, { code: 'ERR_BUILDER_DOCKERFILE' }],
    ['malformed digest', 'FROM x@sha256:zz\n', {}, { code: 'ERR_BUILDER_BASE', message: /Dockerfile:1: / }],
    [
      'unknown user',
      'FROM scratch\nCOPY --chown=nobody a.txt /\n',
      {},
      { code: 'ERR_BUILDER_COPY', message: /nobody/ },
    ],
    ['unknown target', COPY_ALL, { target: 'nope' }, { code: 'ERR_BUILDER_USAGE' }],
    [
      'no runner',
      'FROM scratch\nRUN ["x"]\n',
      { runner: 'none' },
      { code: 'ERR_BUILDER_RUNNER', message: /Dockerfile:2: / },
    ],
    ['a registry that is not there', 'FROM 127.0.0.1:9/x:1\n', {}, { code: 'ERR_BUILDER_BASE' }],
    ['a store that is a file', COPY_ALL, { cacheDirectory: '/dev/null/x' }, { code: 'ERR_BUILDER_OUTPUT' }],
  ]
  for (const [what, dockerfile, options, expected] of cases) {
    await t.test(what, { timeout: 120_000 }, async (t) => {
      const it = bench(t)
      const directory = join(it.directory, 'out')
      await t.rejects(
        it.build(dockerfile, { ...out, outputs: [{ type: 'layout', directory }], ...options }),
        expected,
      )
      t.notOk(existsSync(directory))
      const ingest = join(it.directory, 'store/ingest')
      t.strictSame(existsSync(ingest) ? readdirSync(ingest) : [], [])
      rmSync(join(it.directory, 'store'), { recursive: true, force: true })
      await it.build(COPY_ALL)
    })
  }
})

t.test(
  'an archive makes its directory, and one that cannot be put in its place leaves nothing',
  async (t) => {
    const it = bench(t)
    const directory = join(it.directory, 'archives/new')
    await it.build(COPY_ALL, { outputs: [{ type: 'archive', file: join(directory, 'a.tar') }] })
    mkdirSync(join(directory, 'taken.tar/full'), { recursive: true })
    const outputs = [{ type: 'archive', file: join(directory, 'taken.tar') }] as const
    await t.rejects(it.build(COPY_ALL, { outputs }), {
      code: 'ERR_BUILDER_OUTPUT',
      message: /taken\.tar.*EISDIR/,
    })
    t.strictSame(readdirSync(directory), ['a.tar', 'taken.tar'])
  },
)

t.test('an abort ends the build with its reason', async (t) => {
  const it = bench(t)
  const reason = new Error('enough')
  await t.rejects(it.build(COPY_ALL, { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const building = it.build(COPY_ALL, {
    signal: controller.signal,
    onEvent: (event) => {
      if (event.type === 'step-start') controller.abort(reason)
    },
  })
  await t.rejects(building, reason)
})

t.test('a warning does not stop a build', async (t) => {
  const it = bench(t)
  await it.build('FROM scratch\nENV A=$NOPE\nCOPY a.txt /\n', { buildArgs: new Map([['UNUSED', '1']]) })
  const rules = it.events.flatMap((event) => (event.type === 'warning' ? [event.rule] : []))
  t.strictSame(rules.toSorted(), ['UndefinedVar', 'UnusedBuildArg'])
})

t.test('builds side by side share one store', async (t) => {
  const it = bench(t)
  appendFileSync(join(it.directory, 'context/a.txt'), 'more')
  writeFileSync(join(it.directory, 'Dockerfile'), COPY_ALL)
  const results = await Promise.all(
    Array.from({ length: 4 }, (_, index) =>
      build({
        context: join(it.directory, 'context'),
        dockerfile: join(it.directory, 'Dockerfile'),
        cacheDirectory: join(it.directory, 'store'),
        tags: [`localhost/app:${index}`],
      }),
    ),
  )
  t.equal(new Set(results.map(({ descriptor }) => descriptor.digest)).size, 1)
  t.equal((await (await openLayout(join(it.directory, 'store'))).tags()).size, 4)
})
