/** Requests on connections: which are kept, and what happens when one side stops. */
import { bytesSource, type ByteSource, readAll, streamSource } from '@varve/digest'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { createClock } from '../src/http/clock.ts'
import { createTransport, type TransportOptions, type TransportRequest } from '../src/http/transport.ts'
import { startRaw, type Teardown } from './fixtures.ts'
import { startProxy, startSocket } from './http-fixtures.ts'

function openTransport(t: Teardown, options: TransportOptions = {}) {
  const transport = createTransport(options)
  t.teardown(() => transport.close())
  return transport
}

const get = (url: string, more: Partial<TransportRequest> = {}): TransportRequest => ({
  method: 'GET',
  url,
  headers: {},
  ...more,
})

/** Chunks that never end, and whether anybody still wants them. */
function endless(): { readonly source: ByteSource; readonly state: { isOpen: boolean } } {
  const state = { isOpen: false }
  async function* open(): AsyncGenerator<Uint8Array, void, void> {
    state.isOpen = true
    try {
      for (;;) yield new Uint8Array(64 * 1024)
    } finally {
      state.isOpen = false
    }
  }
  return { source: { size: 2 ** 40, open }, state }
}

t.test('one connection serves request after request, a HEAD no less', async (t) => {
  const connections = new Set<Socket>()
  const name = await startRaw(t, (request, response) => {
    connections.add(request.socket)
    // Of a HEAD without a length Node thinks that the end of the connection is that of the body.
    response.setHeader('content-length', 5)
    request.resume().once('end', () => response.end('hello'))
  })
  const transport = openTransport(t)
  for (const method of ['HEAD', 'GET', 'HEAD', 'POST', 'HEAD', 'PUT']) {
    const body = method === 'PUT' ? { body: bytesSource(new Uint8Array(1000)) } : {}
    const response = await transport.send(get(`http://${name}/`, { method, ...body }))
    t.equal(response.status, 200, method)
    await response.discard()
  }
  t.equal(connections.size, 1)
})

t.test('a connection that the server has closed meanwhile is an error that passes', async (t) => {
  const sockets: Socket[] = []
  const name = await startRaw(t, (request, response) => {
    sockets.push(request.socket)
    response.end('hello')
  })
  const transport = openTransport(t)
  await (await transport.send(get(`http://${name}/`))).discard()
  sockets[0]?.destroy()
  await new Promise((resolve) => setTimeout(resolve, 20))
  const response = await transport.send(get(`http://${name}/`))
  t.equal(response.status, 200)
  await response.discard()
  t.equal(new Set(sockets).size, 2)
})

t.test('whoever answers before the body is sent is heard, and is sent no more', async (t) => {
  const name = await startRaw(t, (request, response) => {
    response.writeHead(413, { 'content-type': 'text/plain' }).end('too much')
  })
  const { source, state } = endless()
  const transport = openTransport(t)
  const response = await transport.send(get(`http://${name}/`, { method: 'PUT', body: source }))
  t.equal(response.status, 413)
  t.equal(Buffer.from(await readAll(response.body, 100)).toString(), 'too much')
  t.equal(state.isOpen, false, 'the source is closed')
})

t.test('whoever takes nothing of a body is given up', async (t) => {
  const name = await startSocket(t, (socket) => socket.pause())
  const { source, state } = endless()
  const transport = openTransport(t, { headersTimeoutMs: 100 })
  const sending = transport.send(get(`http://${name}/`, { method: 'PUT', body: source }))
  await t.rejects(sending, { code: 'ETIMEDOUT' })
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(state.isOpen, false, 'the source is closed')
})

t.test('whoever never answers is given up, counted from the last byte', async (t) => {
  const name = await startSocket(t, () => undefined)
  const transport = openTransport(t, { headersTimeoutMs: 100 })
  for (const body of [undefined, bytesSource(new Uint8Array(10))]) {
    const request = get(`http://${name}/`, body === undefined ? {} : { method: 'PUT', body })
    await t.rejects(transport.send(request), { code: 'ETIMEDOUT' })
  }
})

t.test('an error of the source is the error of the request', async (t) => {
  const name = await startRaw(t, (request, response) => {
    request.once('error', () => undefined).resume()
    response.once('error', () => undefined)
  })
  const broken = new Error('the disk is gone')
  async function* failing(): AsyncGenerator<Uint8Array, void, void> {
    yield new Uint8Array(10)
    throw broken
  }
  const sending = openTransport(t).send(
    get(`http://${name}/`, { method: 'PUT', body: streamSource(() => failing(), 20) }),
  )
  await t.rejects(sending, broken)
})

t.test('a reply that ends with an error in the packet of its head is an error of its body', async (t) => {
  const name = await startSocket(t, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'))
  })
  const transport = openTransport(t)
  const response = await transport.send(get(`http://${name}/`))
  await t.rejects(readAll(response.body, 100), { code: 'ECONNRESET' })
  const odd = await startSocket(t, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot hex\r\n'))
  })
  await t.rejects(async () => readAll((await transport.send(get(`http://${odd}/`))).body, 100), {
    code: 'ECONNRESET',
  })
})

t.test('headers beyond all measure, and words that are not HTTP, are errors', async (t) => {
  const transport = openTransport(t)
  const long = await startSocket(t, (socket) => {
    socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}\r\n\r\n`))
  })
  await t.rejects(transport.send(get(`http://${long}/`)), { code: 'HPE_HEADER_OVERFLOW' })
  const odd = await startSocket(t, (socket) => {
    socket.once('data', () => socket.write('SSH-2.0-OpenSSH\r\n'))
  })
  await t.rejects(transport.send(get(`http://${odd}/`)), { code: /^HPE_/ })
})

t.test('what cannot be written on a line is not sent', async (t) => {
  const transport = openTransport(t)
  for (const request of [
    get('http://127.0.0.1:1/a b'),
    get('http://127.0.0.1:1/\u{1f600}'),
    get('http://127.0.0.1:1/', { headers: { x: 'a\r\nb: c' } }),
  ]) {
    await t.rejects(transport.send(request), { code: 'ERR_INVALID_REQUEST' }, request.url)
  }
})

t.test('paths are sent as they are written', async (t) => {
  const urls: (string | undefined)[] = []
  const name = await startRaw(t, (request, response) => {
    urls.push(request.url)
    response.end()
  })
  const transport = openTransport(t)
  const paths = ['/a/../b', '/%7e?q=%2F&x=|', '/?', '?q', '']
  for (const path of paths) await (await transport.send(get(`http://${name}${path}#part`))).discard()
  t.strictSame(urls, ['/a/../b', '/%7e?q=%2F&x=|', '/?', '/?q', '/'])
})

t.test('a tunnel opens for 200 alone, and with nothing in front of the handshake', async (t) => {
  const words: readonly (readonly [
    reply: string,
    error: { readonly code: string | RegExp; readonly status?: number },
  ])[] = [
    ['HTTP/1.1 407 No\r\n\r\n', { code: 'ERR_TUNNEL_REFUSED', status: 407 }],
    ['HTTP/1.1 204 Odd\r\n\r\n', { code: 'ERR_TUNNEL_REFUSED', status: 204 }],
    ['HTTP/1.1 200 OK\r\n\r\nwelcome', { code: 'ERR_TUNNEL_REFUSED', status: 200 }],
    ['SSH-2.0-OpenSSH\r\n', { code: /^HPE_/ }],
  ]
  for (const [reply, error] of words) {
    const proxy = await startSocket(t, (socket) => socket.once('data', () => socket.write(reply)))
    const transport = openTransport(t, { proxy: { https: `http://${proxy}` } })
    await t.rejects(transport.send(get('https://reg.example.com/')), error, JSON.stringify(reply))
  }
})

t.test('a tunnel to an address of IPv6 is asked for in brackets', async (t) => {
  const proxy = await startProxy(t, () => 403)
  const transport = openTransport(t, { proxy: { https: proxy.origin } })
  await t.rejects(transport.send(get('https://[2001:db8::1]/')), { code: 'ERR_TUNNEL_REFUSED' })
  t.strictSame(proxy.requests, ['CONNECT [2001:db8::1]:443'])
})

t.test('a transport that is closed breaks off a tunnel that is not open', async (t) => {
  let hangUp: (() => void) | undefined
  const hungUp = new Promise<void>((resolve) => (hangUp = resolve))
  const silent = await startSocket(t, (socket) => socket.resume().once('close', () => hangUp?.()))
  const transport = createTransport({ proxy: { https: `http://${silent}` } })
  const sending = transport.send(get('https://reg.example.com/'))
  setTimeout(() => void transport.close(), 50)
  await t.rejects(sending, { code: 'ERR_TRANSPORT_CLOSED' })
  await hungUp
})

t.test('a clock runs for the other side only', async (t) => {
  const late: Error[] = []
  const clock = createClock((error) => late.push(error))
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  clock.start(40)
  clock.stop()
  await wait(80)
  t.equal(late.length, 0, 'stopped')
  clock.start(40)
  clock.start(10_000)
  await wait(80)
  t.equal(late.length, 0, 'another step')
  clock.start(40)
  await wait(80)
  t.match(late, [{ code: 'ETIMEDOUT' }], 'late')
  clock.start(40)
  clock.finish()
  clock.start(40)
  await wait(80)
  t.equal(late.length, 1, 'finished')
})

t.test('a process that stood still itself first reads what has come meanwhile', async (t) => {
  const late: Error[] = []
  const clock = createClock((error) => late.push(error))
  const name = await startSocket(t, (socket) => {
    clock.start(20)
    socket.write('here')
    const until = performance.now() + 60
    while (performance.now() < until);
  })
  const [host = '', port] = name.split(':')
  const socket = connect(Number(port), host)
  t.teardown(() => socket.destroy())
  await once(socket, 'data')
  clock.stop()
  await new Promise((resolve) => setTimeout(resolve, 40))
  t.strictSame(late, [])
})
