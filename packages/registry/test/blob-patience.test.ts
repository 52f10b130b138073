/** How often a transfer that breaks is taken up again. */
import t from 'tap'
import { createPatience } from '../src/blob/patience.ts'
import { retryable } from '../src/http/retry.ts'

const POLICY = { retries: 2 }
const MEBIBYTE = 1024 * 1024
const failure = (): Error => retryable(new Error('broken'), 0)

t.test('who does not get on has as many tries as any request', async (t) => {
  const patience = createPatience(POLICY, 0)
  await patience.after(failure(), 0, undefined)
  await patience.after(failure(), MEBIBYTE - 1, undefined)
  await t.rejects(patience.after(failure(), MEBIBYTE - 1, undefined), { message: 'broken' })
})

t.test('a mebibyte of progress earns a clean slate, and the same mebibyte only once', async (t) => {
  const patience = createPatience(POLICY, 10)
  for (let position = 10; position <= 10 + 20 * MEBIBYTE; position += MEBIBYTE) {
    await patience.after(failure(), position, undefined)
  }
  await patience.after(failure(), 0, undefined)
  await t.rejects(patience.after(failure(), 20 * MEBIBYTE, undefined), { message: 'broken' })
})

t.test('a minute with a little progress earns it, too; with none it does not', async (t) => {
  let now = 0
  t.intercept(performance, 'now', { value: () => now })
  for (const [bytes, isForgiven] of [
    [64 * 1024, true],
    [64 * 1024 - 1, false],
  ] as const) {
    const patience = createPatience(POLICY, 0)
    const fail = async (): Promise<void> => {
      for (let time = 1; time <= 5; time += 1) {
        now += 60_000
        await patience.after(failure(), time * bytes, undefined)
      }
    }
    if (isForgiven) await fail()
    else await t.rejects(fail(), { message: 'broken' })
  }
})

t.test('what does not pass is not waited for, nor is who was called away', async (t) => {
  const patience = createPatience(POLICY, 0)
  await t.rejects(patience.after(new Error('for good'), 10 * MEBIBYTE, undefined), { message: 'for good' })
  const reason = new Error('Enough')
  await t.rejects(patience.after(failure(), 10 * MEBIBYTE, AbortSignal.abort(reason)), reason)
})
