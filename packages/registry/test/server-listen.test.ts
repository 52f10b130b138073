import { once } from 'node:events'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import { digestOf } from '@varve/digest'
import { makeCertificates } from '@varve/testing/certificates'
import { needs } from '@varve/testing/peers'
import t from 'tap'
import { parseWarnings } from '../src/http/warning.ts'
import { type Access, listen } from '../src/server.ts'
import { chunksOf, streamOf } from '../src/server/body.ts'
import {
  caller,
  content,
  memoryHandler,
  noise,
  OCI_MANIFEST,
  startRegistry,
  utf8,
} from './server-fixtures.ts'

t.test('says when a port is taken, and when keys are none', async (t) => {
  const { port } = await startRegistry(t)
  const refused = { name: 'RegistryError', code: 'ERR_REGISTRY_LISTEN' }
  await t.rejects(listen(memoryHandler(), { port }), refused)
  await t.rejects(listen(memoryHandler(), { tls: { cert: 'none', key: 'none' } }), refused)
})

t.test('streams both ways and closes twice', async (t) => {
  const server = await startRegistry(t)
  const { bytes, descriptor } = content(noise(3_000_000))
  const post = await fetch(`${server.url}/v2/r/blobs/uploads/?digest=${descriptor.digest}`, {
    method: 'POST',
    body: bytes,
  })
  t.equal(post.status, 201)
  t.equal(post.headers.get('docker-distribution-api-version'), 'registry/2.0')
  const got = await fetch(new URL(post.headers.get('location') ?? '', server.url))
  t.equal(digestOf(new Uint8Array(await got.arrayBuffer())), descriptor.digest)
  await server.close()
  await server.close()
})

t.test('S17: connections beyond the bound are closed, and make room again', async (t) => {
  const { port, url } = await startRegistry(t, memoryHandler(), { maxConnections: 2 })
  const sockets = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  const third = connect(port, '127.0.0.1').resume()
  await once(third, 'close')
  t.pass('closed without a word')
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal((await fetch(`${url}/v2/`)).status, 200)
})

t.test('answers an endless body and then ends it', async (t) => {
  const server = await startRegistry(t)
  const request = httpRequest(`${server.url}/v2/r/manifests/x`, {
    method: 'PUT',
    headers: { 'content-type': OCI_MANIFEST },
  })
  const closed = new Promise((resolve) => request.once('close', resolve))
  const status = new Promise<number | undefined>((resolve) => {
    request.once('response', (response) => {
      response.resume().on('error', () => undefined)
      resolve(response.statusCode)
    })
  })
  request.on('error', () => undefined)
  const timer = setInterval(() => request.write(noise(500_000)), 5)
  t.teardown(async () => request.destroy())
  t.equal(await status, 413)
  await closed
  clearInterval(timer)
  t.ok(request.destroyed)
})

t.test('a slow sender does not stay, and its upload can be resumed', async (t) => {
  const server = await listen(memoryHandler(), { idleTimeoutMs: 150 })
  t.teardown(() => server.close())
  const begun = await fetch(`${server.url}/v2/r/blobs/uploads/`, { method: 'POST' })
  const where = new URL(begun.headers.get('location') ?? '', server.url)
  await new Promise((resolve) => {
    const socket = connect(server.port, '127.0.0.1')
    socket.on('close', resolve).on('error', () => undefined)
    socket.write(`PATCH ${where.pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc`)
  })
  t.equal((await fetch(where)).headers.get('range'), '0-2')
})

t.test('refuses what is no path', async (t) => {
  const { port } = await startRegistry(t)
  const reply = await new Promise<string>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('data', (data) => resolve(String(data)))
    socket.end('GET http://elsewhere/v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  })
  t.match(reply, /^HTTP\/1\.1 400/)
})

t.test('S17: a path that would be read as another one is refused', async (t) => {
  const asked: (string | undefined)[] = []
  const authorize = async ({ repository }: Access): Promise<undefined> => void asked.push(repository)
  const { port } = await startRegistry(t, memoryHandler({ authorize }))
  const statusOf = async (path: string): Promise<number | undefined> => {
    const [response] = (await once(httpRequest({ port, path, agent: false }).end(), 'response')) as [
      IncomingMessage,
    ]
    response.resume()
    return response.statusCode
  }
  for (const path of [
    '/v2/open/../secret/tags/list',
    '/v2/open/%2e%2e/secret/tags/list',
    '/v2/open/.%2E/secret/tags/list',
    '/v2/./secret/tags/list',
    '/v2\\secret\\tags\\list',
    '/v2/secret/tags/list#/v2/open/tags/list',
  ]) {
    t.equal(await statusOf(path), 400, path)
  }
  t.equal(await statusOf('/v2/open%2fsecret/tags/list'), 400)
  t.strictSame(asked, [])
  t.equal(await statusOf('/v2/open/tags/list?n=%2e%2e'), 404, 'a query is only a query')
  t.strictSame(asked, ['open'])
})

t.test('V16: an error says its own length, also where the endpoint has headers of its own', async (t) => {
  const { call } = caller(memoryHandler())
  const begun = await call('POST', '/v2/r/blobs/uploads/')
  const where = begun.headers.get('location') ?? ''
  const early = await call('PATCH', where, { body: utf8('x'), headers: { 'content-range': '5-5' } })
  t.equal(early.status, 416)
  t.equal(early.headers.get('content-length'), String((await early.arrayBuffer()).byteLength))
})

t.test(
  'an answer of another length than it says breaks the connection, and is not read as the next answer',
  async (t) => {
    const lying = async (): Promise<Response> =>
      new Response('HTTP/1.1 200 OK', { status: 416, headers: { 'Content-Length': '0' } })
    const server = await startRegistry(t, lying)
    await t.rejects(fetch(`${server.url}/v2/`).then((response) => response.text()))
  },
)

t.test('speaks TLS, and asks for a certificate of its authority', needs('openssl'), async (t) => {
  const { authority, server: keys, client } = makeCertificates(t.testdir({}))
  const ask = (url: string, options: object): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const request = httpsRequest(
        `${url}/v2/`,
        { ca: authority.cert, agent: false, ...options },
        (response) => {
          response.resume().once('end', () => resolve(response.statusCode))
        },
      )
      request.once('error', reject).end()
    })
  const open = await listen(memoryHandler(), { tls: { cert: keys.cert, key: keys.key } })
  t.teardown(() => open.close())
  t.match(open.url, /^https:/)
  t.equal(await ask(open.url, {}), 200)
  const mutual = await listen(memoryHandler(), {
    tls: { cert: keys.cert, key: keys.key, ca: authority.cert },
  })
  t.teardown(() => mutual.close())
  await t.rejects(ask(mutual.url, {}), 'a client without a certificate')
  t.equal(await ask(mutual.url, { cert: client.cert, key: client.key }), 200)
})

t.test(
  'closes gracefully: what has begun ends, nothing begins, and what takes too long is cut',
  async (t) => {
    const begun: (() => void)[] = []
    const slow = async (): Promise<Response> => {
      await new Promise<void>((resolve) => begun.push(resolve))
      return new Response('done')
    }
    const arrived = async (count: number): Promise<void> => {
      while (begun.length < count) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    const first = await listen(slow)
    const answer = fetch(first.url)
    await arrived(1)
    const closed = first.close({ graceMs: 60_000 })
    await t.rejects(fetch(first.url), 'nothing begins')
    begun[0]?.()
    const response = await answer
    t.equal(await response.text(), 'done')
    t.equal(response.headers.get('connection'), 'close')
    await closed

    const second = await listen(slow)
    const never = t.rejects(fetch(second.url), 'cut')
    await arrived(2)
    await second.close({ graceMs: 20 })
    await never
  },
)

t.test('a body is given on as it came, unless somebody has read from it', async (t) => {
  const chunks = [utf8('a'), utf8('b')]
  async function* source(): AsyncGenerator<Uint8Array, void, void> {
    yield* chunks
  }
  const textOf = async (parts: AsyncIterable<Uint8Array>): Promise<string> => {
    let text = ''
    for await (const part of parts) text += new TextDecoder().decode(part)
    return text
  }
  const whole = streamOf(source())
  const short = chunksOf(whole)
  t.not(short, whole)
  t.equal(await textOf(short), 'ab')

  const begun = streamOf(source())
  const reader = begun.getReader()
  await reader.read()
  t.equal(chunksOf(begun), begun, 'one that is being read is itself')
  reader.releaseLock()
  t.equal(await textOf(chunksOf(begun)), 'b', 'and so is the rest of it')

  const told: unknown[] = []
  const failure = new Error('lost')
  const broken = streamOf(
    (async function* () {
      yield utf8('a')
      throw failure
    })(),
    (error) => told.push(error),
  )
  await t.rejects(textOf(chunksOf(broken)), failure)
  t.strictSame(told, [failure])
})

t.test(
  'V16: warns where its owner says so, in headers of their own and no more than may be sent',
  async (t) => {
    const texts = ['Moved, 299 - "soon"', 'A \\ in it']
    const asked: Access[] = []
    const warn = (access: Access): readonly string[] | undefined => {
      asked.push(access)
      return access.repository === 'old' ? texts : undefined
    }
    const { url } = await startRegistry(t, memoryHandler({ warn }))
    const [response] = (await once(httpRequest(`${url}/v2/`).end(), 'response')) as [IncomingMessage]
    response.resume()
    t.equal(response.headers['warning'], undefined)
    const pushed = httpRequest(`${url}/v2/old/blobs/uploads/`, { method: 'POST' }).end()
    const [warned] = (await once(pushed, 'response')) as [IncomingMessage]
    warned.resume()
    const headers = warned.headersDistinct['warning'] ?? []
    t.strictSame(headers, ['299 - "Moved, 299 - \\"soon\\""', '299 - "A \\\\ in it"'])
    t.strictSame(parseWarnings(headers), texts, 'as our client reads them')
    t.strictSame(asked, [
      { repository: undefined, action: 'pull' },
      { repository: 'old', action: 'push' },
    ])

    const long = ['x'.repeat(4000), 'y'.repeat(200), 'z']
    const { call } = caller(memoryHandler({ warn: () => long }))
    t.equal(((await call('GET', '/v2/')).headers.get('warning') ?? '').length, 4008)
    const broken = caller(memoryHandler({ warn: () => ['two\nlines'] }))
    t.equal((await broken.call('GET', '/v2/')).status, 500, 'no text for a header')
  },
)
