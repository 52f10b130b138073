import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { createDisplay, type Progress } from '../src/cli/display/display.ts'
import { printable } from '../src/cli/display/lines.ts'
import {
  parseAssignments,
  parseContext,
  parseEpoch,
  parseOutput,
  parsePlatforms,
} from '../src/cli/options.ts'
import { run } from '../src/cli/run.ts'
import type { BuildEvent } from '../src/events.ts'
import { VERSION } from '../src/version.ts'
import { defaultCacheDirectory } from '../src/workspace.ts'
import { Capture, commands } from './cli-support.ts'
import { writeFiles } from './support.ts'

t.test('the version is that of the package', async (t) => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  t.equal(VERSION, version)
  t.strictSame(await commands(t).varve('--version'), { code: 0, out: `${version}\n`, err: '' })
})

t.test('usage errors end with 2 and a message, results are alone on standard output', async (t) => {
  const { directory, varve } = commands(t)
  writeFiles(directory, { 'context/Dockerfile': 'FROM scratch\nCOPY . /\n' })
  const context = join(directory, 'context')
  const cases: ReadonlyArray<readonly [readonly string[], RegExp]> = [
    [['nope'], /unknown command/],
    [['build', '--nope'], /unknown option/],
    [['build', '--progress', 'loud'], /loud/],
    [['build', '--push', context], /without a name/],
    [['build', '-o', 'type=zip,dest=x', context], /output type "zip"/],
    [['build', '-o', 'type=oci', context], /lacks dest=/],
    [['build', '--json', '-o', '-', context], /exclude each other/],
    [['build', '--platform', 'linux/', context], /platform/i],
    [['build', '-t', 'UPPER', context], /lower case/],
    [['build', '--target', 'x', context], /Target stage "x"/],
    [['build', join(directory, 'gone')], /build context/],
    [['inspect', 'nothing'], /no image "nothing"/],
    [['inspect', './no-such-directory'], /no file or directory/],
    [['serve', '--port', '99999'], /Not a port/],
  ]
  for (const [args, message] of cases) {
    const { code, out, err } = await varve(...args)
    t.equal(code, 2, args.join(' '))
    t.equal(out, '')
    t.match(err, message)
    t.notMatch(err, /\n\s+at /, 'no stack')
  }
})

t.test('build, inspect, push, pull: the digest on standard output is the same everywhere', async (t) => {
  const { directory, varve } = commands(t)
  writeFiles(directory, { 'context/Dockerfile': 'FROM scratch\nCOPY . /\nCMD ["x"]\n', 'context/a': 'hello' })
  const context = join(directory, 'context')
  const archive = join(directory, 'out.tar')
  const built = await varve('build', '-t', 'localhost/app:1', '-o', `type=oci,dest=${archive}`, context)
  t.equal(built.code, 0)
  t.match(built.out, /^sha256:[0-9a-f]{64}\n$/)
  t.match(built.err, /because nothing like it was built before/)
  const digest = built.out.trim()

  const again = await varve('build', '--json', '--progress', 'quiet', '-t', 'localhost/app:1', context)
  const result = JSON.parse(again.out) as { digest: string; steps: Array<{ cache: string }> }
  t.equal(again.err, '')
  t.equal(result.digest, digest)
  t.strictSame(
    result.steps.map(({ cache }) => cache),
    ['hit'],
  )

  for (const name of ['localhost/app:1', digest, digest.slice(7, 19), archive]) {
    const inspected = await varve('inspect', '--files', name)
    t.equal(inspected.code, 0, name)
    t.match(inspected.out, `digest    ${digest}`)
    t.match(inspected.out, '/a')
  }
  const { out } = await varve('inspect', '--json', 'localhost/app:1')
  t.match(JSON.parse(out), { digest, config: { config: { Cmd: ['x'] } } })

  const streamed = await varve('build', '-o', '-', context)
  t.equal(streamed.code, 0)
  t.match(streamed.out, /oci-layout/, 'an archive and nothing else')
  t.notMatch(streamed.out, new RegExp(`^${digest}`))
})

t.test('a registry that cannot be reached ends with 4', { timeout: 120_000 }, async (t) => {
  const { directory, varve } = commands(t)
  writeFiles(directory, { 'context/Dockerfile': 'FROM 127.0.0.1:9/a/b:1\n' })
  const { code, err } = await varve('build', join(directory, 'context'))
  t.equal(code, 4)
  t.match(err, /Dockerfile:1: /)
})

t.test('a mirror that is none is wrong also where no registry is needed', async (t) => {
  const { directory, varve } = commands(t)
  writeFiles(directory, { 'context/Dockerfile': 'FROM scratch\n' })
  const { code, err } = await varve('build', '--registry-mirror=docker.io', join(directory, 'context'))
  t.equal(code, 2)
  t.match(err, 'Not a mirror: "docker.io"')
})

t.test('an archive is not written to a terminal', async (t) => {
  const directory = t.testdir({ Dockerfile: 'FROM scratch\nCOPY . /\n' })
  const [stdout, stderr] = [new Capture(true), new Capture()]
  const environment = { VARVE_CACHE_DIR: join(directory, 'store') }
  const stdin = Readable.from([])
  t.equal(await run(['build', '-o', '-', directory], { stdin, stdout, stderr, environment }), 2)
  t.match(stderr.text, /terminal/)
  t.notOk(existsSync(join(directory, 'store')))
})

t.test('values of options', async (t) => {
  t.strictSame(parseOutput('out'), { type: 'layout', directory: 'out' })
  t.strictSame(parseOutput('type=oci,dest=a.tar'), { type: 'archive', file: 'a.tar' })
  t.strictSame(parseOutput('-'), { type: 'archive', file: '-' })
  t.strictSame(parseOutput('type=registry'), { type: 'registry' })
  t.strictSame(parseContext('dir'), { type: 'directory', directory: 'dir' })
  t.strictSame(parseContext('oci-layout://a/b:1.0'), { type: 'layout', directory: 'a/b', name: '1.0' })
  t.strictSame(parseContext('oci-layout://a:b/c'), { type: 'layout', directory: 'a:b/c' })
  t.strictSame(parseContext(`oci-layout://a@sha256:${'0'.repeat(64)}`), {
    type: 'layout',
    directory: 'a',
    name: `sha256:${'0'.repeat(64)}`,
  })
  t.strictSame(
    [...parseAssignments(['A=1', 'B=x=y', 'C', 'D'], { C: 'env' })],
    [
      ['A', '1'],
      ['B', 'x=y'],
      ['C', 'env'],
    ],
  )
  t.throws(() => parseAssignments(['=x']), { code: 'ERR_BUILDER_USAGE' })
  t.strictSame(
    parsePlatforms(['linux/amd64,linux/arm64']).map(({ architecture }) => architecture),
    ['amd64', 'arm64'],
  )
  t.equal(parseEpoch(undefined), 0)
  t.equal(parseEpoch('1700000000'), 1_700_000_000)
  for (const text of ['-1', '1.5', 'now', '1e9'])
    t.throws(() => parseEpoch(text), { code: 'ERR_BUILDER_USAGE' })
})

t.test('where the store is', async (t) => {
  t.equal(defaultCacheDirectory({ VARVE_CACHE_DIR: '/a', XDG_CACHE_HOME: '/b' }), '/a')
  t.equal(defaultCacheDirectory({ XDG_CACHE_HOME: '/b' }), '/b/varve')
  t.match(
    defaultCacheDirectory({ XDG_CACHE_HOME: 'relative' }),
    /\.cache\/varve$/,
    'relative paths are invalid there',
  )
})

t.test('displays', async (t) => {
  const step = `sha256:${'1'.repeat(64)}` as Extract<BuildEvent, { step: unknown }>['step']
  const events: BuildEvent[] = [
    { type: 'step-start', step, name: 'RUN x' },
    { type: 'step-miss', step, name: 'RUN x', why: 'env.A: "1" → "2"' },
    { type: 'step-log', step, stream: 'stdout', text: 'one\ntw' },
    { type: 'step-log', step, stream: 'stderr', text: 'o\nrest\u001b[2J' },
    { type: 'step-end', step, name: 'RUN x', cache: 'miss', why: '', ms: 1500 },
    { type: 'step-end', step, name: 'COPY', cache: 'hit', why: 'same inputs', ms: 2 },
    { type: 'warning', rule: 'Rule', message: 'careful', location: { file: 'Dockerfile', line: 3 } },
    { type: 'output', message: 'layout /x' },
  ]
  const show = (progress: Progress, isTTY = false): string => {
    const stderr = new Capture(isTTY)
    const display = createDisplay(progress, {
      stdin: Readable.from([]),
      stdout: new Capture(),
      stderr,
      environment: {},
    })
    for (const event of events) display.onEvent(event)
    display.close()
    display.close()
    return Buffer.from(stderr.text, 'latin1').toString()
  }
  t.equal(
    show('auto'),
    [
      'run    RUN x',
      '       because env.A: "1" → "2"',
      '       | one',
      '       | two',
      '       | rest\uFFFD[2J',
      'done   RUN x (1.5 s)',
      'cached COPY (same inputs, 2 ms)',
      'warn   Dockerfile:3: careful [Rule]',
      'wrote  layout /x',
      '',
    ].join('\n'),
  )
  t.equal(show('json').trim().split('\n').length, events.length)
  t.equal(show('quiet'), '')
  t.match(show('auto', true), '\u001b[1A\u001b[2K', 'a terminal is redrawn')
  t.equal(printable('a\u0007b\u009b'), 'a\uFFFDb\uFFFD')
})
