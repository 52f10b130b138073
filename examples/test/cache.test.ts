/** The example of caching a command's outputs works, on one machine and between two. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createFlight, tiered } from '@varve/cache-store'
import { createLocalStore } from '@varve/cache-store/local'
import t from 'tap'
import { type Job, runCached } from '../src/cache/command.ts'

const COMMAND = `
  const { appendFileSync, readFileSync, writeFileSync } = require('node:fs')
  appendFileSync('runs', '.')
  writeFileSync('out/all.txt', readFileSync('src/a.txt', 'utf8') + readFileSync('src/b.txt', 'utf8'))
`

t.test('a command runs once for equal inputs, and its outputs come back', async (t) => {
  const directory = t.testdir({ src: { 'a.txt': 'one ', 'b.txt': 'two' } })
  const store = await createLocalStore({ directory: join(directory, 'cache') })
  const job = jobIn(directory)
  const outputs = (): string => readFileSync(join(directory, 'out/all.txt'), 'utf8')

  t.equal(await runCached(store, job), 'built: first')
  t.equal(outputs(), 'one two')
  writeFileSync(join(directory, 'out/all.txt'), 'spoiled')
  t.equal(await runCached(store, job), 'hit')
  t.equal(outputs(), 'one two')

  writeFileSync(join(directory, 'src/b.txt'), 'three')
  t.match(await runCached(store, job), /^built: b\.txt: "sha256:\w+" → "sha256:\w+"$/)
  t.equal(outputs(), 'one three')
  mkdirSync(join(directory, 'src/more'))
  writeFileSync(join(directory, 'src/more/c.txt'), '')
  t.equal(await runCached(store, job), 'built: more/c.txt: added')
  t.equal(await runCached(store, { ...job, command: [...job.command, 'fast'] }), 'built: command.3: added')
  t.equal(readFileSync(join(directory, 'runs'), 'utf8').length, 4, 'how often the command ran')
})

t.test('R26: a directory of outputs comes back on another machine that shares the cache', async (t) => {
  const sources = (): { src: Record<string, string> } => ({ src: { 'a.txt': 'one ', 'b.txt': 'two' } })
  const directory = t.testdir({ here: sources(), there: sources() })
  const shared = await createLocalStore({ directory: join(directory, 'shared') })
  const run = async (place: string): Promise<string> => {
    const local = await createLocalStore({ directory: join(directory, place, 'cache') })
    const store = tiered([local, shared], { write: 'through' })
    const how = await runCached(store, jobIn(join(directory, place)), createFlight(shared.flights))
    t.strictSame((await store.close()).lost, [])
    return how
  }
  const both = await Promise.all([run('here'), run('there')])
  t.strictSame(both.toSorted(), ['built: first', 'joined'], 'two at once do it once')
  for (const place of ['here', 'there'])
    t.equal(readFileSync(join(directory, place, 'out/all.txt'), 'utf8'), 'one two', place)
})

function jobIn(directory: string): Job {
  return { directory, command: [process.execPath, '-e', COMMAND], inputs: 'src', outputs: 'out' }
}
