import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { needs } from '@varve/testing/peers'
import { type Build, createWorkbench, type Files, writeFiles } from './support/workbench.ts'

t.setTimeout(1_200_000)

const bench = createWorkbench()

const DOCKERFILE = `FROM base
ARG FLAVOUR=plain
ENV COLOUR=red
LABEL version=1
COPY src /src/
RUN echo 1 > /one
# here
RUN echo 2 > /two
`
const FILES: Files = { 'src/a.txt': 'aaaa\n', 'src/sub/b.txt': 'bbbb\n', 'other.txt': 'other\n' }

/** A change to a context, by its path. */
type Change = (context: string) => void

const rewrite =
  (from: string, to: string): Change =>
  (context) => {
    const file = join(context, 'Dockerfile')
    writeFileSync(file, readFileSync(file, 'utf8').replace(from, to))
  }

/**
 * What changes, whether COPY and the two RUNs hit or miss (requirements of the builder, "Cache rules"), and what the
 * first miss says.
 */
const TABLE: ReadonlyArray<
  readonly [what: string, change: Change, outcome: string, why?: RegExp, flags?: readonly string[]]
> = [
  ['nothing', () => undefined, 'HHH'],
  ['the time of a file', (context) => utimesSync(join(context, 'src/a.txt'), 1, 1), 'HHH'],
  ['a file that is not copied', (context) => appendFileSync(join(context, 'other.txt'), 'more'), 'HHH'],
  ['a comment', rewrite('# here', '# there'), 'HHH'],
  ['the owner of a file', (context) => chownSync(join(context, 'src/a.txt'), 12, 34), 'HHH'],
  [
    'the mode of a file',
    (context) => chmodSync(join(context, 'src/a.txt'), 0o600),
    'MMM',
    /src\/a\.txt.*0600/,
  ],
  [
    'the bytes of a file',
    (context) => writeFileSync(join(context, 'src/a.txt'), 'new\n'),
    'MMM',
    /src\/a\.txt/,
  ],
  [
    'the bytes of a file, but not its size and time',
    (context) => {
      const file = join(context, 'src/a.txt')
      const { atime, mtime } = statSync(file)
      writeFileSync(file, 'AAAA\n')
      utimesSync(file, atime, mtime)
    },
    'MMM',
    /src\/a\.txt/,
  ],
  ['one more file', (context) => writeFileSync(join(context, 'src/new.txt'), ''), 'MMM', /src\/new\.txt/],
  ['one file less', (context) => rmSync(join(context, 'src/sub/b.txt')), 'MMM', /src\/sub\/b\.txt/],
  ['LABEL', rewrite('version=1', 'version=2'), 'HHH'],
  ['EXPOSE between the RUNs', rewrite('# here', 'EXPOSE 80'), 'HHH'],
  [
    'a build argument that no one uses',
    () => undefined,
    'HMM',
    /FLAVOUR.*sweet/,
    ['--build-arg', 'FLAVOUR=sweet'],
  ],
  ['the default of an ARG', rewrite('=plain', '=bitter'), 'HMM', /FLAVOUR.*bitter/],
  ['one more ARG', rewrite('# here', 'ARG EXTRA=1'), 'HHM', /EXTRA/],
  ['ENV', rewrite('COLOUR=red', 'COLOUR=blue'), 'HMM', /COLOUR.*blue/],
  ['blanks after RUN', rewrite('RUN echo 1', 'RUN   echo 1'), 'HHH'],
  ['a command', rewrite('echo 2', 'echo two'), 'HHM', /echo two/],
  ['USER', rewrite('# here', 'USER 0:0'), 'HHM', /user.*0:0/],
  [
    'the name of the source, but not that of the destination',
    (context) => {
      renameSync(join(context, 'src'), join(context, 'source'))
      rewrite('COPY src', 'COPY source')(context)
    },
    'HHH',
  ],
]

void t.test(
  'what changes decides what runs again, and the reason names it',
  needs('run', 'busybox'),
  async (t) => {
    const pristine = bench.context(DOCKERFILE, FILES)
    const context = bench.path('changing')
    const restore = (): void => {
      rmSync(context, { recursive: true, force: true })
      cpSync(pristine, context, { recursive: true, preserveTimestamps: true })
    }
    restore()
    const first = await bench.build(context)
    t.equal(letters(first), 'MMM')
    for (const [what, change, outcome, why, flags = []] of TABLE) {
      restore()
      change(context)
      const build = await bench.build(context, { flags })
      t.equal(letters(build), outcome, what)
      const missed = build.result.steps.find(({ cache }) => cache === 'miss')
      if (why !== undefined) t.match(missed?.why, why, `${what}: ${missed?.why}`)
    }
  },
)

function letters({ result }: Build): string {
  return result.steps.map(({ cache }) => (cache === 'hit' ? 'H' : 'M')).join('')
}

void t.test('the digest depends on nothing but the inputs', needs('run', 'busybox'), async (t) => {
  const here = bench.context(DOCKERFILE, FILES)
  const there = bench.path('elsewhere/deep')
  const reversed = Object.fromEntries(Object.entries({ Dockerfile: DOCKERFILE, ...FILES }).toReversed())
  writeFiles(there, reversed)
  utimesSync(join(there, 'src'), 1, 1)
  utimesSync(join(there, 'src/a.txt'), 1e9, 1e9)
  const first = await bench.build(here)
  const umask = process.umask(0o077)
  const second = await bench
    .build(there, { cache: bench.path('other-cache') })
    .finally(() => process.umask(umask))
  t.equal(letters(second), 'MMM', 'another store knows nothing')
  t.equal(second.result.digest, first.result.digest, 'other directory, umask, times, order and store')
  const third = await bench.build(there)
  t.equal(letters(third), 'HHH', 'another checkout hits')
  const fourth = await bench.build(here, { flags: ['--no-cache'] })
  t.equal(letters(fourth), 'MMM', '--no-cache runs everything')
  t.equal(fourth.result.digest, first.result.digest)
  t.notOk(fourth.events.some(({ rule }) => rule === 'NonDeterministic'))
})

void t.test(
  'R23: a RUN is run again when its result is older than --max-age',
  needs('run', 'busybox'),
  async (t) => {
    const context = bench.context('FROM base\nCOPY a /a\nRUN cat /dev/null > /made\nRUN echo > /next\n', {
      a: 'a',
    })
    const cache = bench.path('aging')
    t.equal(letters(await bench.build(context, { cache })), 'MMM')
    t.equal(letters(await bench.build(context, { cache, flags: ['--max-age', '7d'] })), 'HHH', 'young enough')
    await new Promise((resolve) => setTimeout(resolve, 1100))
    const aged = await bench.build(context, { cache, flags: ['--max-age', '1s'] })
    t.equal(letters(aged), 'HMM', 'COPY is known by its content, whatever its age')
    t.match(aged.result.steps.find(({ cache: outcome }) => outcome === 'miss')?.why, /too old/)
    t.equal(
      letters(await bench.build(context, { cache, flags: ['--max-age', '1m'] })),
      'HHH',
      'its record is new again',
    )
  },
)

void t.test('SOURCE_DATE_EPOCH is an input', async (t) => {
  const context = bench.context('FROM scratch\nCOPY src /src\n', FILES)
  const build = async (epoch: string): Promise<Build> =>
    bench.build(context, { env: { SOURCE_DATE_EPOCH: epoch } })
  const [zero, later, again] = [await build('0'), await build('86400'), await build('86400')]
  t.not(later.result.digest, zero.result.digest)
  t.equal(again.result.digest, later.result.digest)
  t.match(later.result.steps, [{ cache: 'miss', why: /epoch.*86400/ }])
  t.match(again.result.steps, [{ cache: 'hit' }])
  t.strictSame(await bench.members(later), [
    'drwxr-xr-x 0/0 0 1970-01-02 00:00:00 src/',
    '-rw-r--r-- 0/0 5 1970-01-02 00:00:00 src/a.txt',
    'drwxr-xr-x 0/0 0 1970-01-02 00:00:00 src/sub/',
    '-rw-r--r-- 0/0 5 1970-01-02 00:00:00 src/sub/b.txt',
  ])
})

/** What may happen to a blob on disk. */
const DAMAGES: ReadonlyArray<readonly [what: string, damage: (file: string) => void]> = [
  [
    'changed',
    (file) => {
      const bytes = readFileSync(file)
      const middle = bytes.byteLength >> 1
      bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
      replace(file, bytes)
    },
  ],
  ['truncated', (file) => replace(file, readFileSync(file).subarray(0, 20))],
  ['gone', (file) => rmSync(file)],
]

for (const [what, damage] of DAMAGES) {
  void t.test(`a layer that is ${what} is made again`, needs('run', 'busybox'), async (t) => {
    const cache = bench.path(`cache-${what}`)
    const context = bench.context(DOCKERFILE, FILES)
    const first = await bench.build(context, { cache })
    for (const index of [-3, -2]) {
      damage(bench.blob(first.result.images[0]?.layers.at(index)?.descriptor.digest ?? '', cache))
      const layout = bench.path(`layout-${what}-${index}`)
      const build = await bench.build(context, { cache, flags: ['-o', layout] })
      t.equal(build.result.digest, first.result.digest, `layer ${index}`)
      t.equal(letters(await bench.build(context, { cache })), 'HHH', 'the store is whole again')
      for (const { descriptor } of build.result.images[0]?.layers ?? []) {
        t.ok(
          readFileSync(bench.blob(descriptor.digest, layout)).equals(
            readFileSync(bench.blob(descriptor.digest, cache)),
          ),
        )
      }
    }
  })
}

function replace(file: string, bytes: Uint8Array): void {
  chmodSync(file, 0o644)
  writeFileSync(file, bytes)
}

void t.test('records that are cut off are misses', async (t) => {
  const cache = bench.path('cache-records')
  const context = bench.context('FROM scratch\nCOPY src /src\n', FILES)
  const first = await bench.build(context, { cache })
  let cut = 0
  for (const entry of readdirSync(join(cache, 'ac'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath, entry.name)
    chmodSync(file, 0o644)
    truncateSync(file, statSync(file).size >> 1)
    cut += 1
  }
  t.not(cut, 0)
  const build = await bench.build(context, { cache })
  t.match(build.result, { digest: first.result.digest, steps: [{ cache: 'miss' }] })
  t.match((await bench.build(context, { cache })).result.steps, [{ cache: 'hit' }])
})

void t.test('a context that changes during the build is refused', needs('run', 'busybox'), async (t) => {
  const context = bench.path('edited')
  const server = createServer((_, response) => {
    // The first COPY is done, so the context has been read; the second one waits for this answer.
    writeFileSync(join(context, 'src/a.txt'), 'quite another text\n')
    response.end('edited\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  writeFiles(context, {
    ...FILES,
    Dockerfile: `FROM base\nCOPY other.txt /\nRUN wget -q -O /answer http://127.0.0.1:${port}/\nCOPY src /src\n`,
  })
  const refused = await bench.attempt(context)
  t.match(refused, { code: 2, stderr: /Dockerfile:4: .*src\/a\.txt.*\n +hint: Build again/ })
  await bench.build(context)
})
