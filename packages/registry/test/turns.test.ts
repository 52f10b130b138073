/** One after the other, and who does not wait. */
import { setImmediate as tick } from 'node:timers/promises'
import t from 'tap'
import { createTurns } from '../src/turns.ts'

/** Work that ends when it is told to. */
function held(log: string[], name: string) {
  let end = (): void => undefined
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const work = async (): Promise<string> => {
    log.push(`${name} begins`)
    await ended
    log.push(`${name} ends`)
    return name
  }
  return { work, end: () => end() }
}

t.test('work of one key takes turns, also after a failure; that of others does not wait', async (t) => {
  const inTurn = createTurns()
  const log: string[] = []
  const [first, second, other] = [held(log, 'first'), held(log, 'second'), held(log, 'other')]
  const all = [inTurn('a', first.work), inTurn('a', second.work), inTurn('b', other.work)]
  await tick()
  t.strictSame(log, ['first begins', 'other begins'])
  for (const { end } of [second, first, other]) end()
  t.strictSame(await Promise.all(all), ['first', 'second', 'other'])
  t.ok(log.indexOf('first ends') < log.indexOf('second begins'))
  const failing = inTurn('a', () => Promise.reject(new Error('broken')))
  const after = inTurn('a', async () => 'done')
  await t.rejects(failing, { message: 'broken' })
  t.equal(await after, 'done')
})

t.test('who gives up while waiting is let go at once, and does nothing', async (t) => {
  const inTurn = createTurns()
  const log: string[] = []
  const [first, second, third] = [held(log, 'first'), held(log, 'second'), held(log, 'third')]
  const reason = new Error('enough')
  const stop = new AbortController()
  const running = inTurn('a', first.work)
  const waiting = inTurn('a', second.work, stop.signal)
  const behind = inTurn('a', third.work)
  stop.abort(reason)
  await t.rejects(waiting, reason)
  await tick()
  t.strictSame(log, ['first begins'], 'those behind still wait for what has begun')
  for (const { end } of [first, third]) end()
  t.strictSame(await Promise.all([running, behind]), ['first', 'third'])
  t.strictSame(log, ['first begins', 'first ends', 'third begins', 'third ends'])
  await t.rejects(inTurn('a', second.work, stop.signal), reason)
})
