import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { execute, succeed, varve } from './support/command.ts'
import { needs } from '@varve/testing/peers'
import { type Compared, describeFiles } from './support/root-file-system.ts'
import { startDockerRegistry, startVarveServe } from './support/services.ts'
import { type Build, createWorkbench, type Files } from './support/workbench.ts'

t.setTimeout(1_200_000)

const bench = createWorkbench()

/** An image with everything that programs may see differently. */
const DOCKERFILE = `FROM base
LABEL org.example.a=b
COPY --chown=1000:2000 src /src/
RUN mkdir -m 1777 /n && cd /n && echo 1 > a && ln a b && ln -s a c && chmod 4755 a && \\
  echo 2 > e && chown 7:8 e && chmod 600 e && mkfifo -m 640 p && echo 3 > "$(printf 'caf\\351')" && \\
  mkdir s && chmod 2750 s && chown 1000:2000 s && ln -s /nowhere o && chown -h 5:6 o && \\
  mkdir gone kept && echo 4 > gone/f && echo 5 > kept/f && echo 6 > kept/g
RUN cd /n && rm -rf gone kept/g /etc/group && rm -rf s && mkdir s && echo 7 > s/new && chmod 700 .
WORKDIR /home/app
USER 1000:1000
ENV GREETING="hello world"
ENTRYPOINT ["/bin/cat"]
CMD ["/src/a.txt"]
`
const FILES: Files = { 'src/a.txt': 'aaaa\n', 'src/sub/b.txt': 'bbbb\n' }

let image: Promise<{ readonly build: Build; readonly layout: string; readonly archive: string }> | undefined

/** The image in a layout and an archive, named `1`; built once. */
function makeImage(): NonNullable<typeof image> {
  image ??= (async () => {
    const [layout, archive] = [bench.path('image'), bench.path('image.tar')]
    const flags = ['-t', 'app:1', '-o', layout, '-o', archive]
    return { build: await bench.build(bench.context(DOCKERFILE, FILES), { flags }), layout, archive }
  })()
  return image
}

const skopeo = (...args: readonly string[]): Promise<string> =>
  succeed('skopeo', ['--insecure-policy', ...args])

/** Storage of podman and buildah in a directory of its own, and a policy that trusts everyone. */
function storage(name: string): string[] {
  writeFileSync(bench.path('policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}')
  return ['--root', bench.path(name, 'root'), '--runroot', bench.path(name, 'run'), '--storage-driver', 'vfs']
}

const trusting = (): string[] => ['--signature-policy', bench.path('policy.json')]

/** The root file system of an image as umoci unpacks it. */
async function unpack(source: string, name: string, compared?: Compared): Promise<Map<string, string>> {
  const bundle = bench.path(name)
  await succeed('umoci', [
    'unpack',
    ...(compared?.owners === false ? ['--rootless'] : []),
    '--image',
    source,
    bundle,
  ])
  return describeFiles(`${bundle}/rootfs`, compared)
}

void t.test('skopeo reads our layout and our archive', needs('run', 'busybox', 'skopeo'), async (t) => {
  const { build, layout, archive } = await makeImage()
  const digests = build.result.images[0]?.layers.map(({ descriptor }) => descriptor.digest)
  for (const source of [`oci:${layout}:1`, `oci-archive:${archive}:1`]) {
    const seen = JSON.parse(await skopeo('inspect', source)) as Record<string, unknown>
    t.match(seen, {
      Digest: build.result.digest,
      Layers: digests,
      Os: 'linux',
      Labels: { 'org.example.a': 'b' },
    })
    const config = JSON.parse(await skopeo('inspect', '--config', source)) as Record<string, unknown>
    t.match(config, { config: { User: '1000:1000', WorkingDir: '/home/app', Entrypoint: ['/bin/cat'] } })
    const copy = bench.path(`copy-${source.length}`)
    await skopeo('copy', source, `oci:${copy}:x`)
    t.match(
      JSON.parse(await skopeo('inspect', `oci:${copy}:x`)),
      { Digest: build.result.digest },
      'copied byte for byte',
    )
    await skopeo('copy', source, `dir:${copy}-dir`)
    t.equal(JSON.parse(readFileSync(`${copy}-dir/manifest.json`, 'utf8')).layers.length, digests?.length)
    await skopeo('copy', source, `docker-archive:${copy}.tar:app:1`)
    const [entry] = JSON.parse(await succeed('tar', ['-xOf', `${copy}.tar`, 'manifest.json'])) as [
      Record<string, unknown>,
    ]
    t.match(entry, {
      RepoTags: [/app:1$/],
      Config: new RegExp(build.result.images[0]?.config.digest.slice(7) ?? ''),
    })
  }
})

void t.test(
  'images go through the reference registry both ways',
  needs('run', 'busybox', 'skopeo', 'docker-registry'),
  async (t) => {
    const { build, layout, archive } = await makeImage()
    const registry = await startDockerRegistry(bench.path('registry'))
    t.teardown(() => registry.stop())
    const { host } = registry
    const cache = bench.path('cache-of-registry')
    for (const [source, tag] of [
      ['app:1', 'store'],
      [`${layout}:1`, 'layout'],
      [archive, 'archive'],
    ] as const) {
      const name = `${host}/team/app:${tag}`
      const pushed = await varve(['push', '--cache-dir', bench.cache, source, name])
      t.strictSame(
        [pushed.code, pushed.stdout.trim()],
        [0, build.result.digest],
        `push from ${tag}: ${pushed.stderr}`,
      )
      t.match(JSON.parse(await skopeo('inspect', '--tls-verify=false', `docker://${name}`)), {
        Digest: build.result.digest,
      })
    }
    await skopeo(
      'copy',
      '--src-tls-verify=false',
      `docker://${host}/team/app:store`,
      `oci:${bench.path('pulled')}:x`,
    )
    t.strictSame(
      await unpackOrEmpty('pulled', 'x'),
      await unpackOrEmpty('image', '1'),
      'skopeo pulls the same files',
    )
    const pulled = await varve(['pull', '--cache-dir', cache, `${host}/team/app:store`])
    t.strictSame([pulled.code, pulled.stdout.trim()], [0, build.result.digest], pulled.stderr)
    const direct = await bench.attempt(bench.context(DOCKERFILE, FILES), {
      flags: ['-t', `${host}/team/app:built`, '--push'],
    })
    t.strictSame([direct.code, direct.stdout.trim()], [0, build.result.digest], direct.stderr)
    t.match(JSON.parse(await skopeo('inspect', '--tls-verify=false', `docker://${host}/team/app:built`)), {
      Digest: build.result.digest,
    })

    await skopeo('copy', '--dest-tls-verify=false', `oci:${bench.path('base')}`, `docker://${host}/base:1`)
    const based = bench.context(DOCKERFILE.replace('FROM base', `FROM ${host}/base:1`), FILES)
    const rebuilt = await bench.build(based, { cache })
    t.equal(
      rebuilt.result.digest,
      build.result.digest,
      'a base image from the registry is as good as one on disk',
    )
  },
)

async function unpackOrEmpty(layout: string, tag: string): Promise<Map<string, string>> {
  if ((await execute('umoci', ['--version'])).code !== 0) return new Map()
  return unpack(`${bench.path(layout)}:${tag}`, `unpacked-${layout}`)
}

void t.test('skopeo copies to and from varve serve', needs('run', 'busybox', 'skopeo'), async (t) => {
  const { build, layout } = await makeImage()
  const registry = await startVarveServe(bench.path('served'))
  t.teardown(() => registry.stop())
  const name = `docker://${registry.host}/team/app:1`
  await skopeo('copy', '--dest-tls-verify=false', `oci:${layout}:1`, name)
  t.match(JSON.parse(await skopeo('inspect', '--tls-verify=false', name)), {
    Digest: build.result.digest,
    RepoTags: ['1'],
  })
  await skopeo('copy', '--src-tls-verify=false', name, `oci:${bench.path('from-serve')}:x`)
  const back = JSON.parse(await skopeo('inspect', `oci:${bench.path('from-serve')}:x`)) as Record<
    string,
    unknown
  >
  t.match(back, { Digest: build.result.digest })
  await skopeo('copy', '--dest-tls-verify=false', '--format', 'v2s2', `oci:${layout}:1`, `${name}-docker`)
  const raw = JSON.parse(await skopeo('inspect', '--raw', '--tls-verify=false', `${name}-docker`)) as Record<
    string,
    unknown
  >
  t.match(raw, { mediaType: 'application/vnd.docker.distribution.manifest.v2+json' })
})

void t.test(
  'umoci, podman and buildah unpack the same files',
  needs('run', 'busybox', 'umoci', 'podman', 'buildah'),
  async (t) => {
    const { build, layout, archive } = await makeImage()
    const files = await unpack(`${layout}:1`, 'as-root')
    t.match(Object.fromEntries(files), {
      '/n': /^4 0700 0:0 0/,
      '/n/a': /^10 4755 0:0 0 x2/,
      '/n/c': /-> a/,
      '/n/caf\u00e9': /^10 0644/,
      '/n/e': /^10 0600 7:8 0 x1/,
      '/n/p': /^1 0640/,
      '/n/o': /^12 {2}5:6 0 x1 -> \/nowhere/,
      '/n/s': /^4 0755 0:0/,
      '/src': /^4 0755 1000:2000/,
      '/src/sub/b.txt': /^10 0644 1000:2000 0/,
      '/home/app': /^4 0755 0:0/,
    })
    t.strictSame(
      [...files.keys()].filter((path) => path === '/etc/group' || path.startsWith('/n/gone')),
      [],
    )

    const rootless = await unpack(`${layout}:1`, 'as-user', { owners: false })
    t.strictSame(rootless, describeFiles(bench.path('as-root/rootfs'), { owners: false }), 'umoci --rootless')

    const podman = storage('podman')
    await succeed('podman', [...podman, 'load', '--quiet', ...trusting(), '--input', archive])
    const id = (await succeed('podman', [...podman, 'images', '--quiet'])).trim()
    t.match(build.result.images[0]?.config.digest, id, 'podman agrees on the image id')
    const mounted = (await succeed('podman', [...podman, 'image', 'mount', id])).trim()
    t.strictSame(describeFiles(mounted), files, 'podman image mount')
    await succeed('podman', [...podman, 'image', 'umount', '--all'])

    const buildah = storage('buildah')
    const container = (
      await succeed('buildah', [...buildah, 'from', '--pull', ...trusting(), `oci:${layout}:1`])
    ).trim()
    const root = (await succeed('buildah', [...buildah, 'mount', container])).trim()
    t.strictSame(describeFiles(root), files, 'buildah mount')
    const run = [...buildah, 'run', '--isolation', 'chroot', container, '--']
    t.equal(
      await succeed('buildah', [...run, 'sh', '-c', 'id -u; pwd; echo $GREETING']),
      '1000\n/home/app\nhello world\n',
    )
    await succeed('buildah', [...buildah, 'umount', container])
  },
)

/** Instructions on which the builders agree (requirements of the builder, "Dockerfile semantics checklist"). */
const SHARED = `FROM scratch
COPY base/ /
RUN ["/bin/busybox", "--install", "-s", "/bin"]
ARG WHO=world
ENV GREETING="hello $WHO" LIST="a b"
COPY src/a.txt /copied
COPY src/a.txt /into/
COPY src /contents
COPY src/a.txt src/sub /several/
COPY src/*.txt /wild/
COPY --chown=1000:2000 src /owned/deep
COPY --chown=app:extra src/a.txt /named
COPY src/link /links/
COPY ["src/with blank.txt", "/blank/"]
WORKDIR /work
WORKDIR dir
COPY src/sub .
RUN pwd > where && echo "$GREETING" > greeting && id -u > /who && umask > /umask
ADD files.tar /added/
RUN mkdir /tree /tree/again && echo 1 > /tree/old && echo 1 > /tree/again/x
RUN rm -rf /tree/again && mkdir /tree/again && rm /tree/old && ln -s copied /soft && mkfifo /pipe
RUN chown -R app:extra /contents && chmod 4711 /copied && ln /copied /linked && chmod -R go-rwx /several
USER app:extra
RUN id -u > /tmp/uid; id -g > /tmp/gid; echo $HOME > /tmp/home
`

void t.test(
  'an image is what buildah makes of the same Dockerfile',
  needs('run', 'busybox', 'umoci', 'buildah'),
  async (t) => {
    const context = bench.context(SHARED, {
      'src/a.txt': 'aaaa\n',
      'src/c.txt': 'cccc\n',
      'src/with blank.txt': '',
      'src/sub/b.txt': 'bbbb\n',
      'src/sub/deep/d.txt': 'dddd\n',
      'base/tmp': null,
    })
    await succeed(
      'sh',
      [
        '-c',
        `cp -a ${JSON.stringify(`${bench.baseContext()}/.`)} base && rm base/Dockerfile base/.dockerignore`,
      ],
      {
        cwd: context,
      },
    )
    await succeed(
      'sh',
      [
        '-c',
        'chmod 1777 base/tmp; chmod 750 src/sub/deep; chmod 755 src/c.txt; ln -s a.txt src/link; ln -s sub src/way',
      ],
      {
        cwd: context,
      },
    )
    await succeed('tar', ['-cf', 'files.tar', '--owner=3', '--group=4', '--mtime=@1000', 'src'], {
      cwd: context,
    })
    const ours = bench.path('ours')
    await bench.build(context, { flags: ['-t', 'x:1', '-o', ours] })
    const theirs = bench.path('theirs')
    const buildah = storage('bud')
    const flags = ['--isolation', 'chroot', '--timestamp', '0', '--format', 'oci', ...trusting()]
    await succeed('buildah', [...buildah, 'bud', ...flags, '--tag', `oci:${theirs}:1`, context])
    const [made, expected] = [await unpack(`${ours}:1`, 'made'), await unpack(`${theirs}:1`, 'expected')]
    // Mount points that buildah leaves behind, and those of its own.
    const stubs = /^\/(?:dev|proc|sys|run)(?:\/|$)|^\/etc\/(?:hosts|hostname|resolv\.conf)$/
    for (const path of expected.keys()) if (stubs.test(path)) expected.delete(path)
    t.strictSame(made, expected)
  },
)
