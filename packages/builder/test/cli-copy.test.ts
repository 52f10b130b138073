/** `varve copy`, run in this process, with a registry of our own. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createMemoryStore } from '@varve/cache-store'
import { formatPlatform, hostPlatform } from '@varve/oci-manifest'
import { readArchive } from '@varve/oci-manifest/archive'
import { openLayout } from '@varve/oci-manifest/layout'
import { createRegistryHandler, listen } from '@varve/registry/server'
import t, { type Test } from 'tap'
import { commands } from './cli-support.ts'
import { makeBase, textEntry } from './support.ts'

/** A registry that ends with the test; its host and port. */
async function startRegistry(t: Test): Promise<string> {
  const { blobs, refs } = createMemoryStore()
  const server = await listen(createRegistryHandler({ blobs, refs }))
  t.teardown(() => server.close())
  return `127.0.0.1:${server.port}`
}

/** An image of one layer in a layout. */
async function makeLayout(directory: string): Promise<{ readonly layout: string; readonly digest: string }> {
  const layout = join(directory, 'made')
  const { digest } = await makeBase(layout, [textEntry('a', 'hello')])
  return { layout, digest }
}

t.test('a registry, a layout and an archive get the same image from each other', async (t) => {
  const { directory, varve } = commands(t)
  const host = await startRegistry(t)
  const { layout, digest } = await makeLayout(directory)
  const places = [
    `${layout}:latest`,
    `${host}/a/app:1`,
    join(directory, 'copy:2'),
    join(directory, 'copy.tar:x/y-3'),
    `${await startRegistry(t)}/b/app:4`,
  ]
  for (const [index, to] of places.slice(1).entries()) {
    const { code, out, err } = await varve('copy', places[index] as string, to)
    t.equal(code, 0, err)
    t.equal(out, `${digest}\n`, to)
    t.match(err, /^3 copied \(\d+ bytes\), 0 mounted, 0 were there\n$/)
  }
  t.equal((await (await openLayout(join(directory, 'copy'))).resolve('2')).digest, digest)
  const archive = await readArchive(join(directory, 'copy.tar'))
  t.strictSame([archive.format, archive.names], ['oci', ['x/y-3']])
})

t.test('what is there is not moved again, and one object tells about it', async (t) => {
  const { directory, varve } = commands(t)
  const host = await startRegistry(t)
  const { layout, digest } = await makeLayout(directory)
  const first = JSON.parse((await varve('copy', '--json', layout, `${host}/a/app:1`)).out) as object
  t.match(first, { digest, copied: 3, existed: 0, mounted: 0, referrers: [] })
  const again = await varve('copy', '--json', layout, `${host}/a/app:1`)
  t.match(JSON.parse(again.out), { digest, copied: 0, bytes: 0 })
  t.equal(again.err, '')
  const neighbour = await varve('copy', '--json', `${host}/a/app:1`, `${host}/b/app:1`)
  t.match(JSON.parse(neighbour.out), { digest, copied: 1, mounted: 2 })
})

t.test('--format docker writes what docker load takes', async (t) => {
  const { directory, varve } = commands(t)
  const host = await startRegistry(t)
  const { layout } = await makeLayout(directory)
  t.equal((await varve('copy', layout, `${host}/a/app:1`)).code, 0)
  const platform = formatPlatform(hostPlatform())
  const file = join(directory, 'app.tar')
  const images = (): unknown =>
    JSON.parse(execFileSync('tar', ['-xOf', file, 'manifest.json'], { encoding: 'utf8' }))
  for (const [to, name] of [
    [file, `${host}/a/app:1`],
    [`${file}:app`, 'app:latest'],
    [`${file}:reg.example:5000/x/app:2.0`, 'reg.example:5000/x/app:2.0'],
  ] as const) {
    const args = ['copy', '--format=docker', `--platform=${platform}`, `${host}/a/app:1`, to]
    const { code, err } = await varve(...args)
    t.equal(code, 0, err)
    t.match(images(), [{ RepoTags: [name] }])
  }
  const { digest } = (await readArchive(file)).resolve()
  const back = await varve('copy', `${file}:reg.example:5000/x/app:2.0`, `${host}/c/app:1`)
  t.equal(back.code, 0, back.err)
  t.equal(back.out, `${digest}\n`, 'and what it takes itself')
})

t.test('copies that cannot be meant end with 2, and write nothing', async (t) => {
  const { directory, varve } = commands(t)
  const { layout } = await makeLayout(directory)
  writeFileSync(join(directory, 'kept.tar'), 'kept')
  const tar = join(directory, 'out.tar')
  const cases: ReadonlyArray<readonly [why: string, args: readonly string[], message: RegExp]> = [
    ['nowhere', [layout], /missing required argument/],
    ['no such path', ['./no-such-layout', tar], /no file or directory/],
    ['no reference', ['x/UPPER', tar], /lower case/],
    ['no reference to write to', [layout, 'x/UPPER'], /lower case/],
    ['no format', ['--format=zip', layout, tar], /zip/],
    ['a layout for Docker', ['--format=docker', layout, join(directory, 'out')], /is for archives/],
    ['a registry for Docker', ['--format=docker', layout, '127.0.0.1:9/app'], /is for archives/],
    ['two platforms', ['--format=docker', '--platform=linux/amd64,linux/arm64', layout, tar], /one platform/],
    ['referrers', ['--format=docker', '--referrers', layout, tar], /no referrers/],
    ['no platform', ['--platform=linux/', layout, tar], /platform/i],
    ['no name for Docker', ['--format=docker', layout, `${tar}:UPPER`], /lower case/],
  ]
  for (const [why, args, message] of cases) {
    const { code, out, err } = await varve('copy', ...args)
    t.equal(code, 2, `${why}: ${err}`)
    t.equal(out, '')
    t.match(err, message)
    t.notMatch(err, /\n\s+at /, 'no stack')
    t.notOk(existsSync(tar) || existsSync(join(directory, 'out')), 'nothing is written')
  }
  const missing = await varve('copy', `${layout}:gone`, join(directory, 'kept.tar'))
  t.equal(missing.code, 1)
  t.match(missing.err, /gone/)
  t.equal(readFileSync(join(directory, 'kept.tar'), 'utf8'), 'kept', 'what is there stays')
  await varve('copy', `${layout}:gone`, join(directory, 'out'))
  t.notOk(existsSync(join(directory, 'out')), 'no layout is made for an image that is not there')
})
