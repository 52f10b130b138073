import { appendFileSync, chmodSync, readdirSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseAge, parseBytes, parseCache } from '../src/cli/options.ts'
import { commands } from './cli-support.ts'
import { writeFiles } from './support.ts'

t.test('du, prune and verify', async (t) => {
  const { directory, varve } = commands(t)
  writeFiles(directory, {
    'context/Dockerfile': 'FROM scratch\nCOPY . /\n',
    'context/a': 'a'.repeat(100_000),
  })
  const context = join(directory, 'context')
  t.equal((await varve('build', '--progress', 'quiet', '-t', 'localhost/app:1', context)).code, 0)
  const blobs = join(directory, 'store/blobs/sha256')

  const used = await varve('cache', 'du')
  t.match(used.out, /^blobs +\d+ {2}[\d.]+ KiB\nrecords +\d+ /)
  const { total } = JSON.parse((await varve('cache', 'du', '--json')).out) as { total: { bytes: number } }
  t.ok(total.bytes > 0)

  // As if it had been used long ago.
  for (const name of readdirSync(blobs)) utimesSync(join(blobs, name), 1, 1)
  const dry = await varve('cache', 'prune', '--max-bytes', '1', '--grace', '0s', '--dry-run', '--json')
  const planned = JSON.parse(dry.out) as {
    removed: { blobs: { count: number } }
    kept: { pins: { name: string }[] }
  }
  t.ok(planned.removed.blobs.count > 0)
  t.ok(
    planned.kept.pins.some(({ name }) => name === 'index.json'),
    'what has a name pins its image',
  )
  const before = readdirSync(blobs).length
  const pruned = await varve('cache', 'prune', '--max-bytes', '1', '--grace', '0s')
  t.match(pruned.out, /removed blobs +\d+ .*\n.*kept for a root .* index\.json\n/s)
  t.equal(readdirSync(blobs).length, before - planned.removed.blobs.count, 'a dry run tells the truth')
  t.equal((await varve('inspect', '--files', 'localhost/app:1')).code, 0, 'the image is whole')

  const whole = await varve('cache', 'verify')
  t.equal(whole.code, 0)
  t.match(whole.out, /^read \d+ blobs \(.*\), \d+ records\n/)
  const [damaged = ''] = readdirSync(blobs)
  chmodSync(join(blobs, damaged), 0o644)
  appendFileSync(join(blobs, damaged), 'x')
  const found = await varve('cache', 'verify')
  t.equal(found.code, 1)
  t.match(found.out, `damaged blob: sha256:${damaged}\n`)
  t.match(found.err, /1 things in the store were damaged\n {2}hint: /)
  t.equal((await varve('cache', 'verify', '--json')).code, 0, 'it is out of the way')
})

t.test('a cache that others share', async (t) => {
  const { directory, varve } = commands(t)
  writeFiles(directory, { 'context/Dockerfile': 'FROM scratch\nCOPY . /\n', 'context/a': 'a' })
  const spec = `type=local,dir=${join(directory, 'shared')}`
  const build = (store: string, ...flags: string[]): ReturnType<typeof varve> =>
    varve(
      'build',
      '--json',
      '--progress',
      'plain',
      '--cache-dir',
      join(directory, store),
      ...flags,
      join(directory, 'context'),
    )
  const outcomes = ({ out }: { out: string }): string[] =>
    (JSON.parse(out) as { steps: { cache: string }[] }).steps.map(({ cache }) => cache)

  t.strictSame(outcomes(await build('one', '--cache-to', spec)), ['miss'])
  t.strictSame(outcomes(await build('two', '--cache-to', spec)), ['miss'], 'it was not to be read')
  t.strictSame(outcomes(await build('three', '--cache-from', spec)), ['hit'])
  const ill = await build('four', '--cache-from', 'type=http,url=http://127.0.0.1:1/')
  t.equal(ill.code, 0)
  t.strictSame(outcomes(ill), ['miss'])
  t.match(ill.err, /warn {3}The cache .*CacheFailed/)
  const broken = await build('five', '--cache-from', 'type=http,url=nonsense')
  t.equal(broken.code, 0, 'a cache never fails a build')
  t.match(broken.err, /warn .*CacheFailed/)
})

t.test('specifications', async (t) => {
  t.strictSame(parseCache('type=s3,bucket=b,prefix=p/q,endpoint=http://h:1'), {
    type: 's3',
    bucket: 'b',
    prefix: 'p/q',
    endpoint: 'http://h:1',
  })
  t.strictSame(parseCache('type=http,url=https://h/c'), { type: 'http', url: 'https://h/c' })
  t.strictSame(parseCache('type=local,dir=/c'), { type: 'local', directory: '/c' })
  for (const [text, message] of [
    ['bucket=b', /Unknown type of cache ""/],
    ['type=gha', /Unknown type of cache "gha"/],
    ['type=s3', /lacks bucket=/],
    ['type=http,url=', /lacks url=/],
    ['type=local,dir=/c,mode=max', /Unknown field "mode"/],
  ] as const) {
    t.throws(() => parseCache(text), { code: 'ERR_BUILDER_USAGE', message }, text)
  }
  t.strictSame(
    ['7d', '12h', '30m', '45s', '0s'].map(parseAge),
    [604_800_000, 43_200_000, 1_800_000, 45_000, 0],
  )
  for (const text of ['', '7', 'd', '-1d', '1w', '1.5h', '1h30m']) {
    t.throws(() => parseAge(text), { code: 'ERR_BUILDER_USAGE' }, text)
  }
  t.strictSame(['1000', '500MB', '20GiB', '1.5k', '2b'].map(parseBytes), [1000, 5e8, 20 * 1024 ** 3, 1500, 2])
  for (const text of ['', 'MB', '-1', '1x', '1ib', '1 MB', 'Infinity']) {
    t.throws(() => parseBytes(text), { code: 'ERR_BUILDER_USAGE' }, text)
  }
})
