import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url))

t.test('a layer that is being packed when the process is killed is not there, or whole', async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'varve-crash-'))
  t.teardown(() => rmSync(base, { recursive: true, force: true }))
  const tree = join(base, 'tree')
  mkdirSync(tree)
  for (let index = 0; index < 40; index++)
    writeFileSync(join(tree, String(index)), Buffer.alloc(1_000_000, index))
  const pack = (file: string): ReturnType<typeof spawn> =>
    spawn(process.execPath, [CLI, 'layer', 'pack', tree, '-c', 'gzip', '-o', file], { stdio: 'ignore' })

  const whole = join(base, 'whole')
  const started = performance.now()
  t.strictSame(await once(pack(whole), 'exit'), [0, null])
  const duration = performance.now() - started
  const expected = readFileSync(whole)

  const file = join(base, 'layer')
  let killed = 0
  for (let round = 0; round < 12; round++) {
    const child = pack(file)
    const exit = once(child, 'exit')
    await setTimeout((duration * (round + 1)) / 12)
    child.kill('SIGKILL')
    const [, signal] = (await exit) as [number | null, string | null]
    if (signal === 'SIGKILL') killed++
    if (existsSync(file)) t.ok(readFileSync(file).equals(expected), 'it is whole')
    rmSync(file, { force: true })
  }
  t.ok(killed > 0, 'at least one was killed')
  t.strictSame(await once(pack(file), 'exit'), [0, null])
  t.ok(readFileSync(file).equals(expected), 'the next one is not disturbed')
})
