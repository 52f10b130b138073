/** Manifests in memory: how many at once. */
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { createMemory } from '../src/server/memory.ts'
import { caller, codeOf, memoryHandler } from './server-fixtures.ts'

/** A request whose body comes when it is told to. */
function slowRequest() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const body = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) })
  return {
    request: new Request('http://registry.test/', { method: 'PUT', body, duplex: 'half' }),
    send: (length: number) => controller?.enqueue(new Uint8Array(length)),
    end: () => controller?.close(),
    fail: (error: Error) => controller?.error(error),
  }
}

const lengthOf = async (bytes: Uint8Array): Promise<number> => bytes.byteLength

t.test('what is held counts until it has been used', async (t) => {
  const withBody = createMemory({ each: 100, all: 150 })
  let finish: () => void = () => undefined
  const used = new Promise<void>((resolve) => (finish = resolve))
  const first = slowRequest()
  const holding = withBody(first.request, async (bytes) => {
    await used
    return bytes.byteLength
  })
  first.send(100)
  first.end()
  await setImmediate()

  const second = slowRequest()
  const refused = withBody(second.request, lengthOf)
  second.send(51)
  await t.rejects(refused, { name: 'Error', message: 'Too much is being pushed at once' })

  const third = slowRequest()
  const fitting = withBody(third.request, lengthOf)
  third.send(50)
  third.end()
  t.equal(await fitting, 50, 'what was refused is held no more')

  finish()
  t.equal(await holding, 100)
  const fourth = slowRequest()
  const later = withBody(fourth.request, lengthOf)
  fourth.send(100)
  fourth.end()
  t.equal(await later, 100)
})

t.test('who sends nothing keeps nobody out, and who breaks off holds nothing', async (t) => {
  const withBody = createMemory({ each: 100, all: 100 })
  const silent = Array.from({ length: 50 }, slowRequest)
  const waiting = silent.map(({ request }) =>
    withBody(request, lengthOf).catch((error: Error) => error.message),
  )
  const [broken] = silent
  broken?.send(90)
  await setImmediate()
  broken?.fail(new Error('gone'))
  await setImmediate()
  const next = slowRequest()
  const answered = withBody(next.request, lengthOf)
  next.send(100)
  next.end()
  t.equal(await answered, 100)
  for (const { end } of silent.slice(1)) end()
  t.strictSame(await Promise.all(waiting), ['gone', ...Array.from({ length: 49 }, () => 0)])
})

t.test('a body that is allowed has room, whatever all may have', async (t) => {
  const withBody = createMemory({ each: 100, all: 10 })
  const { request, send, end } = slowRequest()
  const answered = withBody(request, lengthOf)
  send(100)
  end()
  t.equal(await answered, 100)
})

t.test('S17: manifests that come at the same time are bounded together', async (t) => {
  const limits = { manifestBytes: 1000, pendingManifestBytes: 1000 }
  const { call } = caller(memoryHandler({ limits }))
  const put = (body: ReadableStream<Uint8Array> | Uint8Array) =>
    call('PUT', '/v2/r/manifests/t', { body, headers: { 'content-type': 'application/json' } })
  const { request, send, end } = slowRequest()
  const slow = put(request.body as ReadableStream<Uint8Array>)
  send(900)
  await setImmediate()
  const refused = await put(new Uint8Array(101))
  t.equal(refused.status, 429)
  t.equal(refused.headers.get('retry-after'), '1')
  t.equal(await codeOf(refused), 'TOOMANYREQUESTS')
  t.equal((await put(new Uint8Array(100))).status, 400, 'there was room; it is no manifest')
  end()
  t.equal((await slow).status, 400)
  t.equal((await put(new Uint8Array(1000))).status, 400)
})
