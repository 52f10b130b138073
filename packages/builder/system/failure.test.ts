import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { execute, varve } from './support/command.ts'
import { archive, type Lies, listen, sha256, startLyingRegistry } from './support/lying-registry.ts'
import { needsOrdinaryUser, ordinaryUser } from './support/ordinary-user.ts'
import { needs } from '@varve/testing/peers'
import { createWorkbench, type Files } from './support/workbench.ts'

t.setTimeout(1_200_000)

const bench = createWorkbench()

interface Failure {
  readonly dockerfile: string
  readonly files?: Files
  readonly flags?: readonly string[]
  readonly code: number
  readonly says: RegExp
}

/** Builds that cannot be, by what is wrong with them. */
const FAILURES: Readonly<Record<string, Failure>> = {
  'an unknown instruction': {
    dockerfile: 'FROM scratch\n\nCOPPY a /\n',
    code: 2,
    says: /^varve: Dockerfile:3: .*unknown instruction: "COPPY"/,
  },
  'an empty Dockerfile': { dockerfile: '# nothing\n', code: 2, says: /^varve: .*Dockerfile/ },
  'an unknown flag of an instruction': {
    dockerfile: 'FROM scratch\nCOPY --chwon=1 a /\n',
    code: 2,
    says: /^varve: Dockerfile:2: .*chwon/,
  },
  'an unterminated heredoc': {
    dockerfile: 'FROM scratch\nCOPY <<END /x\ntext\n',
    code: 2,
    says: /^varve: Dockerfile:2: /,
  },
  'a bad substitution': { dockerfile: 'FROM scratch\nENV A=${B\n', code: 2, says: /^varve: Dockerfile:2: / },
  'a file that is not there': {
    dockerfile: 'FROM scratch\nCOPY \\\n  nothing /\n',
    code: 1,
    says: /^varve: Dockerfile:2: .*"\/?nothing".*not found/m,
  },
  'an unknown target': {
    dockerfile: 'FROM scratch AS one\n',
    flags: ['--target', 'two'],
    code: 2,
    says: /two/,
  },
  'an unknown owner': {
    dockerfile: 'FROM scratch\nCOPY --chown=nobody Dockerfile /\n',
    code: 1,
    says: /^varve: Dockerfile:2: .*nobody/m,
  },
  'a malformed .dockerignore': {
    dockerfile: 'FROM scratch\nCOPY . /\n',
    files: { '.dockerignore': 'good\n[z-a\n' },
    code: 2,
    says: /\.dockerignore.*\[z-a/,
  },
  'a malformed digest': { dockerfile: 'FROM x@sha256:zz\n', code: 2, says: /Dockerfile:1: .*sha256:zz/ },
  'a malformed name': { dockerfile: 'FROM UPPER/Case\n', code: 2, says: /Dockerfile:1: .*UPPER/ },
  'a truncated archive': {
    dockerfile: 'FROM scratch\nADD broken.tar.gz /\n',
    files: { 'broken.tar.gz': gzipSync(archive()).subarray(0, 100) },
    code: 1,
    says: /Dockerfile:2: .*/,
  },
  'an archive that lies': {
    dockerfile: 'FROM scratch\nADD broken.tar /\n',
    files: { 'broken.tar': archive().subarray(0, 1000) },
    code: 1,
    says: /Dockerfile:2: .*/,
  },
  'a bad platform': {
    dockerfile: 'FROM scratch\n',
    flags: ['--platform', 'linux/a/b/c/d'],
    code: 2,
    says: /linux\/a\/b\/c\/d/,
  },
  'a bad tag': { dockerfile: 'FROM scratch\n', flags: ['-t', 'Not A Name'], code: 2, says: /Not A Name/ },
  'a bad epoch': { dockerfile: 'FROM scratch\n', code: 2, says: /SOURCE_DATE_EPOCH.*soon/ },
  'a context that is no directory': {
    dockerfile: 'FROM scratch\n',
    flags: ['--build-context', 'other=/nowhere'],
    code: 2,
    says: /\/nowhere/,
  },
}

for (const [what, { dockerfile, files, flags = [], code, says }] of Object.entries(FAILURES)) {
  void t.test(`${what} fails with ${code}`, async (t) => {
    const [layout, file] = [bench.path(`out/${what}`), bench.path(`out/${what}.tar`)]
    const context = bench.context(
      what === 'a context that is no directory' ? `${dockerfile}COPY --from=other . /\n` : dockerfile,
      files,
    )
    const failed = await bench.attempt(context, {
      flags: ['--progress', 'quiet', '-o', layout, '-o', file, ...flags],
      env: what === 'a bad epoch' ? { SOURCE_DATE_EPOCH: 'soon' } : {},
    })
    t.strictSame([failed.code, failed.stdout], [code, ''], failed.stderr)
    t.match(failed.stderr, says)
    t.notMatch(failed.stderr, /\n +at /, 'shows no stack')
    t.notOk(existsSync(layout) || existsSync(file), 'writes no output')
    tidy(t, bench.cache)
  })
}

/** Nothing half-written is in a store, or beside an output. */
function tidy(t: Test, store: string): void {
  for (const directory of ['ingest', 'runs', 'tmp']) {
    const path = join(store, directory)
    t.strictSame(existsSync(path) ? readdirSync(path) : [], [], `${directory} is empty`)
  }
}

void t.test('what is wrong with the command line fails with 2', async (t) => {
  const context = bench.context('FROM scratch\n')
  const cases: ReadonlyArray<readonly [args: readonly string[], says: RegExp]> = [
    [['build', '--nonsense', context], /unknown option '--nonsense'/],
    [['bild'], /unknown command 'bild'/],
    [['build', context, context], /too many arguments/],
    [['build', '--runner', 'docker', context], /Allowed choices/],
    [['build', '-o', 'type=tarball,dest=x', context], /tarball/],
    [['build', '-o', 'type=oci', context], /dest=/],
    [['build', '-o', 'type=oci,dest=x,size=3', context], /"size"/],
    [['build', '--push', context], /without a name.*\n +hint: .*-t/],
    [['build', '-o', '-', '--json', context], /exclude each other/],
    [['build', '--build-arg', '=x', context], /NAME=value/],
    [['build', bench.path('missing')], /context.*missing/],
    [
      ['build', bench.context('FROM scratch\n'), '-f', bench.path('no/Dockerfile')],
      /Dockerfile.*no\/Dockerfile/,
    ],
    [['build', join(context, 'Dockerfile')], /not a directory/],
    [['serve', '--port', '99999'], /Not a port/],
    [['push', 'nothing:here'], /no image "nothing:here"/],
    [['inspect', './nothing'], /no file or directory/],
    [['pull', 'Bad Name'], /Bad Name/],
  ]
  for (const [args, says] of cases) {
    const cache = args[0] === 'serve' ? [] : ['--cache-dir', bench.cache]
    const { code, stdout, stderr } = await varve(args[0] === 'bild' ? args : [...args, ...cache])
    t.strictSame([code, stdout], [2, ''], args.join(' '))
    t.match(stderr, says)
    t.notMatch(stderr, /\n +at /, 'shows no stack')
  }
  rmSync(join(context, 'Dockerfile'))
  t.match(await bench.attempt(context), { code: 2, stderr: /Cannot read the Dockerfile .*\n +hint: .*-f/ })
  for (const args of [['--help'], ['build', '--help'], ['--version']])
    t.match(await varve(args), { code: 0, stderr: '' })
})

void t.test('an archive is not written to a terminal', needs('script'), async (t) => {
  const context = bench.context('FROM scratch\nCOPY Dockerfile /\n')
  const command = `${process.execPath} ${new URL('../dist/cli.js', import.meta.url).pathname} build --cache-dir ${bench.cache} -o - ${context}`
  const { code, stdout } = await execute('script', ['-qec', command, '/dev/null'])
  t.match({ code, stdout }, { code: 2, stdout: /Refusing to write an archive to a terminal/ })
  const piped = await execute('sh', ['-c', `${command} 2>/dev/null | tar -t`])
  t.match(piped, { code: 0, stdout: /^oci-layout$/m })
  const closed = await execute('sh', ['-c', `${command} 2>&1 >/dev/full`])
  t.equal(closed.code, 1)
  t.notMatch(closed.stdout, /\n +at /)
})

void t.test('a port in use fails with 4', async (t) => {
  const server = await listen(createServer())
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const { code, stderr } = await varve(['serve', '--port', String(port), '--store', bench.cache])
  t.equal(code, 4)
  t.match(stderr, new RegExp(`^varve: .*${port}`))
  t.notMatch(stderr, /\n +at /)
})

void t.test('what a registry gets wrong fails with 4', async (t) => {
  const good = gzipSync(archive())
  const changed = Buffer.from(good)
  changed.writeUInt8(changed.readUInt8(100) ^ 1, 100)
  const cases: ReadonlyArray<readonly [what: string, lies: Lies, code: number, says: RegExp]> = [
    ['another manifest', { manifest: Buffer.from('{"schemaVersion":2}') }, 4, /sha256:/],
    ['another blob of the same size', { blob: changed }, 4, /sha256:/],
    ['a truncated blob', { blob: good.subarray(0, 50) }, 4, /sha256:|bytes/],
    ['a longer blob', { blob: Buffer.concat([good, good]) }, 4, /sha256:|bytes/],
    [
      'no image',
      { status: 404, manifest: Buffer.from('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}') },
      4,
      /base:1|MANIFEST_UNKNOWN/,
    ],
    ['no entry', { status: 403, manifest: Buffer.from('{"errors":[{"code":"DENIED"}]}') }, 4, /DENIED|403/],
  ]
  for (const [what, lies, code, says] of cases) {
    const server = await startLyingRegistry(lies)
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const context = bench.context(`# nothing\nFROM ${host}/base:1\nCOPY Dockerfile /\n`)
    const layout = bench.path(`lied/${what}`)
    const failed = await bench.attempt(context, { flags: ['--progress', 'quiet', '-o', layout] })
    t.strictSame([failed.code, failed.stdout], [code, ''], `${what}: ${failed.stderr}`)
    t.match(failed.stderr, says)
    t.notMatch(failed.stderr, /\n +at /, 'shows no stack')
    t.notOk(existsSync(layout), 'writes no output')
    tidy(t, bench.cache)
    server.closeAllConnections()
    server.close()
  }
  const server = await startLyingRegistry({})
  t.teardown(() => server.close())
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const layout = bench.path('told')
  await bench.build(bench.context(`FROM ${host}/base:1\nCOPY Dockerfile /\n`), { flags: ['-o', layout] })
  server.closeAllConnections()
  const gone = await bench.attempt(bench.context('FROM 127.0.0.1:1/base:1\n'))
  t.match(gone, { code: 4, stderr: /Dockerfile:1: .*127\.0\.0\.1:1/ })
})

void t.test('a damaged base image fails, and says which blob', async (t) => {
  const layout = bench.path('damaged')
  const built = await bench.build(bench.context('FROM scratch\nCOPY Dockerfile /\n'), {
    flags: ['-o', layout],
  })
  const digest = built.result.images[0]?.layers[0]?.descriptor.digest ?? ''
  const file = bench.blob(digest, layout)
  chmodSync(file, 0o644)
  truncateSync(file, 20)
  const context = bench.context('FROM damaged\nCOPY Dockerfile /copy\n')
  const failed = await bench.attempt(context, {
    cache: bench.path('cache-damaged'),
    flags: [
      '--progress',
      'quiet',
      '--build-context',
      `damaged=oci-layout://${layout}`,
      '-o',
      bench.path('undamaged'),
    ],
  })
  t.equal(failed.code, 1, failed.stderr)
  t.match(failed.stderr, digest.slice(7, 19))
  t.notMatch(failed.stderr, /\n +at /)
  t.notOk(existsSync(bench.path('undamaged')))
})

void t.test('a context or store that an ordinary user may not touch', needsOrdinaryUser(), async (t) => {
  const user = ordinaryUser()
  chmodSync(bench.directory, 0o755)
  const [cache, context] = [
    bench.path('cache-of-user'),
    bench.context('FROM scratch\nCOPY . /\n', { 'secret/key': 'x', open: '' }),
  ]
  mkdirSync(cache)
  const unwritable = await bench.attempt(context, { cache, ...user })
  t.match(unwritable, {
    code: 1,
    stderr: /^varve: Cannot use .*cache-of-user.* as a store: .*\n +hint: .*--cache-dir/,
  })
  chownSync(cache, user.uid, user.gid)
  chmodSync(join(context, 'secret'), 0o700)
  const unreadable = await bench.attempt(context, { cache, ...user })
  t.match(unreadable, { code: 2, stderr: /secret/ })
  chmodSync(join(context, 'secret'), 0o755)
  chmodSync(join(context, 'secret/key'), 0o600)
  const unreadableFile = await bench.attempt(context, { cache, ...user })
  t.match(unreadableFile, { code: 2, stderr: /secret\/key/ })
  appendFileSync(join(context, '.dockerignore'), 'secret\n')
  const built = await bench.attempt(context, { cache, ...user })
  t.equal(built.code, 0, 'what is ignored need not be readable')
  const output = await bench.attempt(context, {
    cache,
    ...user,
    flags: ['-o', bench.path('not-for-users/image.tar')],
  })
  t.match(output, { code: 1, stderr: /Cannot write .*not-for-users/ })
  for (const { stderr } of [unwritable, unreadable, unreadableFile, output]) t.notMatch(stderr, /\n +at /)
})

void t.test('a full disk fails with 1 and leaves nothing half', needs('root', 'mount'), async (t) => {
  const disk = bench.path('disk')
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk])
  t.teardown(() => execFileSync('umount', [disk]))
  const noise = Buffer.alloc(3 << 20)
  for (let at = 0; at < noise.byteLength; at += 32)
    createHash('sha256').update(String(at)).digest().copy(noise, at)
  const context = bench.context('FROM scratch\nCOPY big /\n', { big: noise })
  const store = join(disk, 'store')
  const full = await bench.attempt(context, { cache: store, flags: ['--progress', 'quiet'] })
  t.match(full, { code: 1, stdout: '', stderr: /^varve: (?:.*\n)*.*ENOSPC/ })
  tidy(t, store)
  for (const output of ['layout', 'image.tar']) {
    const failed = await bench.attempt(context, { flags: ['--progress', 'quiet', '-o', join(disk, output)] })
    t.match(failed, { code: 1, stdout: '', stderr: /^varve: (?:.*\n)*.*ENOSPC/ })
    t.notMatch(failed.stderr, /\n +at /)
    t.strictSame(half(disk), [], `${output}: nothing half`)
  }
  writeFileSync(join(context, 'big'), 'small\n')
  await bench.build(context, { cache: store, flags: ['-o', join(disk, 'image.tar')] })
  t.match(
    await execute('tar', ['-tf', join(disk, 'image.tar')]),
    { code: 0, stdout: /index\.json/ },
    'a smaller one fits',
  )
})

/** Files on a disk that are neither whole blobs nor documents of a layout or store. */
function half(disk: string): string[] {
  return readdirSync(disk, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.startsWith(join(disk, 'store')))
    .filter(({ name, parentPath }) => {
      if (name === 'oci-layout') return false
      const document = readFileSync(join(parentPath, name))
      if (name === 'index.json')
        return (JSON.parse(document.toString()) as { manifests: unknown[] }).manifests.length > 0
      return !/^[0-9a-f]{64}$/.test(name) || sha256(document) !== `sha256:${name}`
    })
    .map(({ name }) => name)
}
