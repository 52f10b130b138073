/** `varve layer` and `varve digest`. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { run } from '../src/cli/run.ts'
import { Capture, commands } from './cli-support.ts'
import { writeFiles } from './support.ts'

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

t.test('pack, ls and apply: through pipes, and through files', async (t) => {
  const { directory, varve, varveWith } = commands(t)
  const tree = writeFiles(join(directory, 'tree'), { 'bin/app': 'app', 'etc/app.conf': 'a=1' })
  chmodSync(join(tree, 'bin/app'), 0o755)
  const owner = ['--owner', '0:0']

  const packed = await varve('layer', 'pack', tree, ...owner)
  t.equal(packed.code, 0)
  t.match(packed.err, /^digest sha256:[0-9a-f]{64}\ndiffID sha256:[0-9a-f]{64}\n$/)
  t.equal(packed.out.length % 512, 0, 'a tar on standard output')

  const listed = await varveWith(bytes(packed.out), 'layer', 'ls')
  t.match(lines(listed.out), [
    /^directory 0[0-7]{3} 0:0 0 \/$/,
    /^directory 0[0-7]{3} 0:0 0 \/bin$/,
    'file      0755 0:0 3 /bin/app',
    /^directory .* \/etc$/,
    'file      0644 0:0 3 /etc/app.conf',
  ])

  for (const compression of ['none', 'gzip', 'zstd', 'estargz', 'zstd:chunked']) {
    const file = join(directory, `${compression}.layer`)
    const written = await varve('layer', 'pack', tree, ...owner, '-c', compression, '-o', file, '--json')
    t.equal(written.code, 0, written.err)
    const { digest, diffID, size } = JSON.parse(written.out) as Record<string, string>
    t.equal(readFileSync(file).length, size)
    const hashed = await varve('digest', file)
    t.equal(hashed.out, `${digest}  ${file}\n`)
    const names = lines((await varve('layer', 'ls', '--json', file)).out).map(
      (line) => (JSON.parse(line) as { path: string }).path,
    )
    t.ok(names.includes('bin/app'), `${compression} can be listed`)
    const root = join(directory, `root-${compression}`)
    const applied = await varve('layer', 'apply', root, file, '--diff-id', diffID ?? '', '--owner', 'ignore')
    t.equal(applied.code, 0, applied.err)
    t.equal(applied.out, `${diffID}\n`)
    t.equal(readFileSync(join(root, 'bin/app'), 'utf8'), 'app')
  }
})

t.test('packing the same tree twice gives the same bytes, bounded by SOURCE_DATE_EPOCH', async (t) => {
  const { directory, varve } = commands(t)
  const tree = writeFiles(join(directory, 'tree'), { a: '1', 'b/c.log': '2' })
  const first = await varve('layer', 'pack', tree)
  t.equal((await varve('layer', 'pack', tree)).out, first.out)
  const without = await varve('layer', 'pack', tree, '--exclude', '**/*.log')
  t.notMatch(without.out, 'c.log')
  t.match(without.out, 'b/')
})

t.test('diff: lists changes, makes the layer, which applied gives the upper tree', async (t) => {
  const { directory, varve } = commands(t)
  const lower = writeFiles(join(directory, 'lower'), { keep: '1', change: '1', gone: '1' })
  const upper = writeFiles(join(directory, 'upper'), { keep: '1', change: '22', 'new/file': '1' })
  const listed = await varve('layer', 'diff', lower, upper, '--list')
  t.strictSame(lines(listed.out), ['M /change', 'D /gone', 'A /new', 'A /new/file'])
  const objects = lines((await varve('layer', 'diff', lower, upper, '--list', '--json')).out)
  t.match(JSON.parse(objects[0] ?? ''), { kind: 'modify', path: 'change', entry: { size: 2 } })

  const [base, layer] = [join(directory, 'base.tar'), join(directory, 'layer.tar.gz')]
  t.equal((await varve('layer', 'pack', lower, '-o', base)).code, 0)
  t.equal((await varve('layer', 'diff', base, upper, '-c', 'gzip', '-o', layer)).code, 0)
  const root = join(directory, 'root')
  t.equal((await varve('layer', 'apply', root, base, layer)).code, 0)
  t.strictSame(readdirSync(root).toSorted(), ['change', 'keep', 'new'])

  const flat = join(directory, 'flat.tar')
  t.equal((await varve('layer', 'flatten', base, layer, '-o', flat)).code, 0)
  const names = lines((await varve('layer', 'ls', flat)).out).map((line) => line.split(' ').at(-1))
  t.strictSame(names, ['/', '/change', '/keep', '/new', '/new/file'], 'no whiteouts are left')

  const wasted = await varve('layer', 'efficiency', base, layer)
  t.equal(wasted.code, 0, wasted.err)
  t.match(wasted.out, '/gone')
  t.match(JSON.parse((await varve('layer', 'efficiency', '--json', base, layer)).out), { wasted: Number })
})

t.test('digest --check finds what changed, and what is missing', async (t) => {
  const { directory, varve, varveWith } = commands(t)
  writeFiles(directory, { a: 'abc', b: '' })
  const [a, b] = [join(directory, 'a'), join(directory, 'b')]
  // FIPS 180-4, "abc".
  const known = 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  t.equal((await varveWith('abc', 'digest')).out, `${known}  -\n`)
  const { out: list } = await varve('digest', a, b)
  t.equal(lines(list)[0], `${known}  ${a}`)
  t.match(await varveWith(list, 'digest', '--check'), { code: 0, out: `${a}: OK\n${b}: OK\n` })
  writeFileSync(a, 'abd')
  t.match(await varveWith(list, 'digest', '--check'), {
    code: 1,
    out: `${a}: FAILED\n${b}: OK\n`,
    err: /1 of 2 files/,
  })
  t.match(await varveWith(`${known}  ${a}-gone\n`, 'digest', '--check'), { code: 1, err: /Cannot read/ })
  t.match(await varveWith('nonsense\n', 'digest', '--check'), { code: 2, err: /nonsense/ })
  t.match(await varveWith('', 'digest', '--check'), { code: 2, err: /no digest to check/ })
  t.match(await varve('digest', '--json', '--algorithm', 'sha512', b), { code: 0, out: /"digest":"sha512:/ })
})

t.test('what cannot be done ends with a message and leaves nothing behind', async (t) => {
  const { directory, varve, varveWith } = commands(t)
  const tree = writeFiles(join(directory, 'tree'), { a: '1' })
  const file = join(directory, 'out.tar')
  const root = join(directory, 'root')
  const cases: ReadonlyArray<readonly [readonly string[], number, RegExp]> = [
    [['layer', 'pack', join(directory, 'nothing')], 2, /Cannot read .*nothing/],
    [['layer', 'pack', tree, '-c', 'lzma'], 2, /lzma/],
    [['layer', 'pack', tree, '--level', 'high'], 2, /whole number/],
    [['layer', 'pack', tree, '-c', 'gzip', '--level', '99', '-o', file], 2, /level/],
    [['layer', 'pack', tree, '--owner', 'root'], 2, /UID:GID/],
    [['layer', 'pack', tree, '--json'], 2, /exclude each other/],
    [['layer', 'ls', join(directory, 'nothing')], 2, /Cannot read/],
    [['layer', 'ls', join(tree, 'a')], 1, /truncated|Malformed/i],
    [['layer', 'apply', root, join(tree, 'a')], 1, /truncated|Malformed/i],
    [['layer', 'apply', root, '-', '-'], 2, /one layer only/],
    [['layer', 'apply', root, '--diff-id', 'sha256:0', '-'], 1, /digest/i],
    [['layer', 'flatten'], 2, /missing required argument/],
    [['layer', 'nope'], 2, /unknown command/],
    [['digest', join(directory, 'nothing')], 2, /Cannot read/],
  ]
  for (const [args, code, message] of cases) {
    const outcome = await varve(...args)
    t.equal(outcome.code, code, `${args.join(' ')}: ${outcome.err}`)
    t.match(outcome.err, message)
    t.equal(outcome.out, '', 'nothing on standard output')
  }
  t.notOk(existsSync(file))
  t.notOk(existsSync(root), 'a root that was not there does not appear half')
  t.strictSame(readdirSync(directory).toSorted(), ['tree'])

  const [stdout, stderr] = [new Capture(true), new Capture()]
  const world = { stdin: Readable.from([]), stdout, stderr, environment: {} }
  t.equal(await run(['layer', 'pack', tree], world), 2)
  t.match(stderr.text, /terminal/)

  mkdirSync(root)
  const { out: layer } = await varve('layer', 'pack', tree)
  t.equal((await varveWith(bytes(layer), 'layer', 'apply', root)).code, 0, 'a root that is there is used')
})
