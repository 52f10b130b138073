import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { createWatch } from '../src/http/watch.ts'

t.test('patience ends with each step, or with all of them', async (t) => {
  const late: Error[] = []
  const watches = (['each', 'all'] as const).map((per) =>
    createWatch({ ms: 40, per }, (error) => late.push(error)),
  )
  for (const watch of watches) {
    watch.start()
    watch.stop()
  }
  await wait(80)
  t.match(late, [{ code: 'ETIMEDOUT' }], 'all of it took too long')
  for (const watch of watches) {
    watch.start()
    watch.finish()
    watch.start()
  }
  await wait(80)
  t.equal(late.length, 1, 'nothing comes after the end')
})

t.test('a process that stood still itself first reads what has come meanwhile', async (t) => {
  const late: Error[] = []
  const watch = createWatch({ ms: 20 }, (error) => late.push(error))
  const server = createServer((socket) => {
    watch.start()
    socket.end('here')
    const until = performance.now() + 60
    while (performance.now() < until);
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await once(connect((server.address() as AddressInfo).port, '127.0.0.1'), 'data')
  watch.stop()
  await wait(40)
  t.strictSame(late, [])
})
