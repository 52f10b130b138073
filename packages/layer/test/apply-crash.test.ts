/**
 * Unpacking that is killed, aborted, or run twice at once.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { digestOf } from '@varve/digest'
import t, { type Test } from 'tap'
import { unpack, type UnpackLayer } from '../src/unpack.ts'
import { directory, file, inOrder, marker, pieces } from './archive.ts'
import { names } from './disk.ts'

function place(t: Test): string {
  const base = mkdtempSync(join(tmpdir(), 'layer-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  return base
}

function layerOf(bytes: Uint8Array): UnpackLayer {
  return { diffID: digestOf(bytes), open: () => [bytes] }
}

const LOWER = lazily(() => inOrder([directory('d'), file('d/a'), file('d/b')]))
const UPPER = lazily(() => inOrder([marker('d/.wh.a'), file('c')]))
const WHOLE = ['/ dir', '/c "c"', '/d dir', '/d/b "d/b"']

/** Made when it is first used: no module waits at its top. */
function lazily(make: () => Promise<Buffer>): () => Promise<Buffer> {
  let made: Promise<Buffer> | undefined
  return () => (made ??= make())
}

t.test('several layers become one directory', async (t) => {
  const base = place(t)
  const layers = [layerOf(await LOWER()), layerOf(await UPPER())]
  const reports = await unpack(`${base}/root`, layers)
  t.strictSame(
    reports.map(({ diffID }) => diffID),
    layers.map(({ diffID }) => diffID),
  )
  t.strictSame(names(`${base}/root`), WHOLE)
  mkdirSync(`${base}/empty`)
  await unpack(`${base}/empty`, layers)
  t.strictSame(names(`${base}/empty`), WHOLE, 'over an empty directory')
  await unpack(`${base}/none`, [])
  t.strictSame(names(`${base}/none`), ['/ dir'], 'of no layers')
  t.strictSame(readdirSync(base).toSorted(), ['empty', 'none', 'root'], 'nothing else is left')
})

t.test('what is there is replaced only on request', async (t) => {
  const base = place(t)
  const layers = [layerOf(await LOWER()), layerOf(await UPPER())]
  mkdirSync(`${base}/full/sub`, { recursive: true })
  writeFileSync(`${base}/file`, '')
  symlinkSync('full', `${base}/link`)
  for (const name of ['full', 'file', 'link']) {
    await t.rejects(unpack(`${base}/${name}`, layers), { name: 'LayerError', code: 'ERR_LAYER_EXISTS' }, name)
    await unpack(`${base}/${name}`, layers, { replace: true })
    t.strictSame(names(`${base}/${name}`), WHOLE, name)
  }
  await t.rejects(unpack(`${base}/missing/root`, layers), { code: 'ERR_LAYER_APPLY' })
  t.strictSame(readdirSync(base).toSorted(), ['file', 'full', 'link'])
})

t.test('a failure leaves what was there, and nothing else', async (t) => {
  const base = place(t)
  const good = layerOf(await LOWER())
  mkdirSync(`${base}/old/sub`, { recursive: true })
  const bad = { diffID: digestOf(Buffer.from('other')), open: () => [Buffer.alloc(1024)] }
  await t.rejects(unpack(`${base}/root`, [good, bad]), { code: 'ERR_DIGEST_MISMATCH' })
  await t.rejects(unpack(`${base}/old`, [good, bad], { replace: true }), { code: 'ERR_DIGEST_MISMATCH' })
  t.strictSame(readdirSync(base), ['old'])
  t.strictSame(names(`${base}/old`), ['/ dir', '/sub dir'])
  const reason = new Error('enough')
  await t.rejects(unpack(`${base}/root`, [good], { signal: AbortSignal.abort(reason) }), reason)
  const controller = new AbortController()
  const aborting: UnpackLayer = {
    ...good,
    open: function* () {
      for (const piece of pieces(Buffer.alloc(1024), 512)) {
        yield piece
        controller.abort(reason)
      }
    },
  }
  await t.rejects(unpack(`${base}/root`, [good, aborting], { signal: controller.signal }), reason)
  t.strictSame(readdirSync(base), ['old'])
})

t.test('two runs at once: one wins, the other fails, and neither disturbs the other', async (t) => {
  const base = place(t)
  const layers = [layerOf(await LOWER()), layerOf(await UPPER())]
  const outcomes = await Promise.allSettled([unpack(`${base}/r`, layers), unpack(`${base}/r`, layers)])
  t.strictSame(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  t.match(failed?.reason, { code: 'ERR_LAYER_EXISTS' })
  t.strictSame(names(`${base}/r`), WHOLE)
  t.strictSame(readdirSync(base), ['r'])
})

const COUNT = 3000

function start(base: string, script: string): ChildProcess {
  writeFileSync(`${base}/script.mts`, script)
  return spawn(process.execPath, [...process.execArgv, `${base}/script.mts`], { stdio: 'ignore', cwd: '/' })
}

t.test('kill -9 at any moment leaves no half target, and the next run succeeds', async (t) => {
  const base = place(t)
  const work = `${base}/work`
  mkdirSync(work)
  const many = Array.from({ length: COUNT }, (_, index) => file(`d${index % 50}/f${index}`, 'x'.repeat(100)))
  const bytes = await inOrder(many)
  writeFileSync(`${base}/layer.tar`, bytes)
  const layer = layerOf(bytes)
  const script = `
    import { createReadStream } from 'node:fs'
    import { unpack } from ${JSON.stringify(new URL('../src/unpack.ts', import.meta.url).href)}
    for (;;) {
      const layer = { diffID: ${JSON.stringify(layer.diffID)}, open: () => createReadStream(${JSON.stringify(`${base}/layer.tar`)}) }
      await unpack(${JSON.stringify(`${work}/root`)}, [layer], { replace: true })
    }`
  let staged = 0
  for (let round = 0; round < 8; round++) {
    const child = start(base, script)
    const exit = once(child, 'exit')
    for (let waited = 0; readdirSync(work).length === 0 && waited < 60_000; waited += 20) await setTimeout(20)
    await setTimeout(37 * round)
    child.kill('SIGKILL')
    await exit
    const left = readdirSync(work).filter((name) => name !== 'root')
    staged += left.length
    t.ok(
      left.every((name) => /^\.unpack-[0-9a-f]{12}-/u.test(name)),
      'what is left has a recognisable name',
    )
    if (existsSync(`${work}/root`)) {
      t.equal(readdirSync(`${work}/root`).length, 50, 'the target is whole')
      t.equal(names(`${work}/root`).length, COUNT + 51)
    }
  }
  t.ok(staged > 0, 'some were killed in the middle')
  await unpack(`${work}/root`, [layer], { replace: true })
  t.strictSame(readdirSync(work), ['root'], 'the next run removes what the killed ones left')
  t.equal(names(`${work}/root`).length, COUNT + 51)
})

t.test('the staging directory of a living process is left alone', async (t) => {
  const base = place(t)
  const layer = layerOf(await LOWER())
  let seen: string[] = []
  const nested: UnpackLayer = {
    ...(layer.diffID !== undefined && { diffID: layer.diffID }),
    open: async function* () {
      await unpack(`${base}/root`, [layer])
      seen = readdirSync(base)
      yield* layer.open()
    },
  }
  await t.rejects(unpack(`${base}/root`, [nested]), { code: 'ERR_LAYER_EXISTS' })
  t.equal(seen.length, 2, 'the outer run was still there')
  const [own] = seen
  const foreign = own!.replace(/^(\.unpack-[0-9a-f]{12}-)[0-9a-f]{12}/u, '$1000000000000')
  const dead = own!.replace(/-\d+-(?=[0-9a-f]+$)/u, '-1-')
  for (const name of [foreign, dead]) mkdirSync(`${base}/${name}/old/kept`, { recursive: true })
  await unpack(`${base}/root`, [layer], { replace: true })
  t.strictSame(readdirSync(base).toSorted(), [foreign, 'root'], 'of another machine: nobody can tell')
  rmSync(`${base}/root`, { recursive: true })
  mkdirSync(`${base}/${dead}/old/kept`, { recursive: true })
  await t.rejects(unpack(`${base}/root`, [layer]), { code: 'ERR_LAYER_EXISTS' }, 'killed between two renames')
  t.strictSame(names(`${base}/root`), ['/ dir', '/kept dir'], 'the old target is back')
})
