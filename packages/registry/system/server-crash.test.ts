/** A server that is killed by `kill -9`. That no point is left out is shown by `test/server-crash.test.ts`. */
import { prepareWorker } from '@varve/testing/workers'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { countOpen, findWrong, newKnowledge, newThings, type Send, work } from '../test/crash-scenario.ts'

const SERVER = fileURLToPath(new URL('support/mortal-server.ts', import.meta.url))
const run = await prepareWorker(SERVER, t.testdir())

interface Running {
  readonly send: Send
  readonly child: ChildProcess
}

/** Starts a server as a process of its own. */
async function start(t: Test, directory: string): Promise<Running> {
  const child = run(directory)
  t.teardown(() => child.kill('SIGKILL'))
  const [url] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error('The server does not start'))),
  ])) as [string]
  const send: Send = async (method, path, body, headers = {}) => {
    const response = await fetch(url + path, { method, headers, ...(body === undefined ? {} : { body }) })
    const bytes = await response.arrayBuffer()
    return new Response(response.status === 204 ? null : bytes, response)
  }
  return { send, child }
}

t.test('D9: killed by kill -9 in the middle of pushes, a server goes on where it stood', async (t) => {
  const directory = t.testdir({})
  let server = await start(t, directory)
  let [killed, open] = [0, 0]
  for (let round = 1; round <= 6; round += 1) {
    const [things, knowledge] = [newThings(), newKnowledge()]
    const { child, send } = server
    const ended = once(child, 'exit')
    let left = 3 * round - 1
    const doomed: Send = (...request) => {
      left -= 1
      // While the server is at it.
      if (left === 0) setTimeout(() => child.kill('SIGKILL'), round % 3)
      return send(...request)
    }
    const pushed = work(doomed, knowledge, things).then(
      () => false,
      () => true,
    )
    await ended
    if (await pushed) killed += 1
    server = await start(t, directory)
    t.strictSame(await findWrong(server.send, knowledge, things), [], `round ${round}`)
    open += await countOpen(server.send, knowledge)
    await work(server.send, knowledge, things)
    t.strictSame(await findWrong(server.send, knowledge, things), [], 'and all is done in the end')
  }
  t.ok(killed > 3, `${killed} times in the middle`)
  t.comment(`${open} uploads were gone on with`)
})
