/** What every request has: slots, retries, notices, typed errors without secrets. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readAll, streamSource } from '@varve/digest'
import type { LookupFunction } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { createHostPolicy } from '../src/hosts/policy.ts'
import type { RequestDiagnostic } from '../src/http/diagnostics.ts'
import { connectionFailure } from '../src/http/failure.ts'
import { createLimiter } from '../src/http/limiter.ts'
import { createPublicLookup } from '../src/http/public-lookup.ts'
import { createNotices } from '../src/http/notices.ts'
import { parseRateLimit } from '../src/http/rate-limit.ts'
import { parseWithoutSecrets } from '../src/http/redact.ts'
import { createTransport, type TransportOptions } from '../src/http/transport.ts'
import { parseWarnings } from '../src/http/warning.ts'
import { createRegistryClient, type ProgressEvent } from '../src/index.ts'
import { json, startRaw, type Teardown, utf8 } from './fixtures.ts'
import { exchangeOver, fakeNetwork, getFrom, type Reply, startSocket } from './http-fixtures.ts'

type LookupCallback = Parameters<LookupFunction>[2]

const hosts = createHostPolicy()
const host = hosts.hostOf('reg.example.com')

/** An exchange whose waits are told and not waited for. */
function impatient(answer: (attempt: number) => Reply, retries = 5) {
  let attempt = 0
  const waits: number[] = []
  const { transport, sent } = fakeNetwork(() => answer(attempt++))
  const controller = new AbortController()
  const retry = {
    retries,
    onRetry: (_: number, delayMs: number) => {
      waits.push(delayMs)
      if (delayMs > 2000) controller.abort(new Error('waits'))
    },
  }
  const exchange = exchangeOver(transport, { retry })
  return { waits, sent, send: () => exchange.send({ ...getFrom(host), signal: controller.signal }) }
}

t.test('what may pass is tried again, and Retry-After is obeyed in both forms on 429 and 503', async (t) => {
  const soon = new Date(Date.now() + 30_000).toUTCString()
  const obeyed: readonly (readonly [status: number, value: string, least: number, most: number])[] = [
    [429, '7', 7000, 7000],
    [503, '7', 7000, 7000],
    [429, soon, 25_000, 30_000],
    [503, '86400', 60_000, 60_000],
    [429, '99999999999999999999', 60_000, 60_000],
  ]
  for (const [status, value, least, most] of obeyed) {
    const { waits, send } = impatient(() => ({ status, headers: { 'retry-after': value } }))
    await t.rejects(send(), /waits/)
    t.ok(waits[0]! >= least && waits[0]! <= most, `${status} ${value}: ${waits[0]}`)
  }
  const ignored = impatient((attempt) => ({
    status: attempt === 0 ? 500 : 200,
    headers: { 'retry-after': '30' },
  }))
  t.equal((await ignored.send()).status, 200)
  t.ok(ignored.waits[0]! <= 250, 'a broken server does not know when it will be well')
  for (const status of [408, 429, 499, 500, 502, 503, 504, 522]) {
    const { send, sent } = impatient((attempt) => ({ status: attempt === 0 ? status : 200 }))
    t.equal((await send()).status, 200, String(status))
    t.equal(sent.length, 2)
  }
  for (const status of [400, 401, 403, 404, 405, 409, 416, 451, 501, 505]) {
    const { send, sent } = impatient(() => ({ status }))
    await t.rejects(send(), { name: 'RegistryError', status })
    t.equal(sent.length, 1, String(status))
  }
})

t.test('a host in trouble is left alone by all requests, and other hosts are not', async (t) => {
  const { transport, sent } = fakeNetwork(({ url }) => {
    if (url.includes('broken')) return { status: 500 }
    return url.includes('overloaded') ? { status: 503, headers: { 'retry-after': '60' } } : { status: 200 }
  })
  const limiter = createLimiter(4)
  const pauses: (readonly [origin: string, milliseconds: number])[] = []
  const pause = (origin: string, milliseconds: number): void => {
    pauses.push([origin, milliseconds])
    limiter.pause(origin, milliseconds)
  }
  const waits: number[] = []
  const retry = { retries: 1, onRetry: (_: number, delayMs: number) => void waits.push(delayMs) }
  const exchange = exchangeOver(transport, { limiter: { ...limiter, pause }, retry })
  await t.rejects(exchange.send(getFrom(host, '/broken')), { code: 'ERR_REGISTRY_SERVER' })
  t.strictSame(pauses, [[host.origin, waits[0]]], 'its back-off is one for all')
  exchange.retryAt('https://storage.example').onRetry?.(1, 5, new Error('broken'))
  t.strictSame(pauses.at(-1), ['https://storage.example', 5], 'also that of transfers')
  t.equal(waits.at(-1), 5)

  const overloaded = exchange.send({ ...getFrom(host, '/overloaded'), retry: false })
  await t.rejects(overloaded, { code: 'ERR_REGISTRY_SERVER' })
  sent.length = 0
  const controller = new AbortController()
  const waiting = exchange.send({ ...getFrom(host, '/fine'), signal: controller.signal })
  const elsewhere = hosts.hostOf('other.example.com')
  t.equal((await exchange.send(getFrom(elsewhere))).status, 200)
  controller.abort(new Error('enough'))
  await t.rejects(waiting, /enough/)
  t.strictSame(
    sent.map(({ url }) => url),
    ['https://other.example.com/v2/'],
  )
})

t.test(
  'a host gets as many requests at once as its settings say, and small ones do not wait for blobs',
  async (t) => {
    const busy = new Map<string, number>()
    const most = new Map<string, number>()
    const finish: (() => void)[] = []
    const { transport } = fakeNetwork(({ url }) => {
      const key = new URL(url).host + new URL(url).pathname
      const count = (busy.get(key) ?? 0) + 1
      busy.set(key, count)
      most.set(key, Math.max(most.get(key) ?? 0, count))
      if (url.includes('document')) return { status: 200 }
      return new Promise((resolve) => {
        finish.push(() => {
          busy.set(key, (busy.get(key) ?? 0) - 1)
          resolve({ status: 200 })
        })
      })
    })
    const narrow = createHostPolicy([], { 'narrow.example': { concurrency: 1 } })
    const limiter = createLimiter(3, (origin) => narrow.settingsAt(origin).concurrency)
    const exchange = exchangeOver(transport, { limiter })
    const blobs = ['narrow.example', 'wide.example'].flatMap((name) =>
      Array.from({ length: 6 }, async () => {
        const request = { ...getFrom(narrow.hostOf(name), '/blob'), lane: 'blob' as const }
        await (await exchange.send(request)).discard()
      }),
    )
    while (finish.length < 4) await new Promise((resolve) => setImmediate(resolve))
    const document = await exchange.send(getFrom(narrow.hostOf('narrow.example'), '/document'))
    t.equal(document.status, 200)
    const state = { isOver: false }
    const all = Promise.all(blobs).then(() => (state.isOver = true))
    while (!state.isOver) {
      finish.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await all
    t.equal(most.get('narrow.example/blob'), 1)
    t.equal(most.get('wide.example/blob'), 3)
  },
)

t.test('C19: warnings are unescaped, and told once for their host and text', async (t) => {
  const table: readonly (readonly [header: string, texts: readonly string[]])[] = [
    ['299 - "Your token expires soon."', ['Your token expires soon.']],
    ['299 - "a \\"quoted\\" \\\\ word"', ['a "quoted" \\ word']],
    ['299 - "one", 299 - "two"', ['one', 'two']],
    ['299 - "dated" "Wed, 21 Oct 2026 07:28:00 GMT"', ['dated']],
    ['299 - "an escape \u001b[31m red"', ['an escape  [31m red']],
    ['199 - "other code"', []],
    ['299 registry.example "other agent"', []],
    ['299 - unquoted', []],
    ['299 - "open', []],
    ['299 - ""', []],
    [`299 - "${'x'.repeat(4088)}"`, ['x'.repeat(4088)]],
    [`299 - "${'x'.repeat(4089)}"`, []],
    ['', []],
  ]
  for (const [header, texts] of table) t.strictSame(parseWarnings([header]), texts, header.slice(0, 60))
  fc.assert(
    fc.property(fc.stringMatching(/^[!-~][ -~]{0,40}$/), (text) => {
      const [read] = parseWarnings([`299 - "${text.replace(/["\\]/g, '\\$&')}"`])
      return read === text
    }),
  )
  fc.assert(fc.property(fc.string(), (header) => Array.isArray(parseWarnings([header]))))

  const events: ProgressEvent[] = []
  const { transport } = fakeNetwork(({ url }) => {
    if (url.includes('away')) return { status: 307, headers: { location: 'https://cdn.example.net/' } }
    return { status: url.includes('bad') ? 400 : 200, headers: { warning: ['299 - "one"', '299 - "two"'] } }
  })
  const exchange = exchangeOver(transport, { notices: createNotices((event) => events.push(event)) })
  await exchange.send(getFrom(host, '/away'))
  t.strictSame(events, [], "those of another host are not the registry's")
  await t.rejects(exchange.send(getFrom(host, '/bad')), { code: 'ERR_REGISTRY_REJECTED' })
  await exchange.send(getFrom(host))
  await exchange.send(getFrom(hosts.hostOf('other.example')))
  t.strictSame(
    events.map((event) => event.kind === 'warning' && [event.host, event.text]),
    [
      ['reg.example.com', 'one'],
      ['reg.example.com', 'two'],
      ['other.example', 'one'],
      ['other.example', 'two'],
    ],
  )
  events.length = 0
  const flood = createNotices((event) => events.push(event))
  for (let at = 0; at < 3000; at++) flood.read('h', new Map([['warning', [`299 - "${at}"`]]]))
  t.equal(events.length, 1000, 'S10: warnings without end')
})

t.test('rate limits are read with their window, and told when they change', async (t) => {
  const table: readonly (readonly [
    limit: string | undefined,
    remaining: string | undefined,
    expected: unknown,
  ])[] = [
    ['100;w=21600', '76;w=21600', { limit: 100, remaining: 76, windowSeconds: 21_600 }],
    ['100;w=21600', '0', { limit: 100, remaining: 0, windowSeconds: 21_600 }],
    ['100', '76', { limit: 100, remaining: 76, windowSeconds: undefined }],
    [undefined, '76', { limit: undefined, remaining: 76, windowSeconds: undefined }],
    ['100, 100;w=60;comment="x"', ' 5 ; q=1 ; W = 60 ', { limit: 100, remaining: 5, windowSeconds: 60 }],
    ['100;w=21600', undefined, undefined],
    ['100', 'many', undefined],
    ['100', '-1', undefined],
    ['100', '1e3', undefined],
    ['x', '5;w=x', { limit: undefined, remaining: 5, windowSeconds: undefined }],
    ['100', '9'.repeat(16), undefined],
  ]
  for (const [limit, remaining, expected] of table) {
    const headers = new Map<string, readonly string[]>()
    if (limit !== undefined) headers.set('ratelimit-limit', [limit])
    if (remaining !== undefined) headers.set('ratelimit-remaining', [remaining])
    t.strictSame(parseRateLimit(headers), expected, `${limit} ${remaining}`)
  }
  fc.assert(
    fc.property(fc.string(), fc.string(), (limit, remaining) => {
      const headers = new Map([['ratelimit-limit', [limit]]])
      const read = parseRateLimit(headers.set('ratelimit-remaining', [remaining]))
      return read === undefined || Number.isSafeInteger(read.remaining)
    }),
  )
  const events: ProgressEvent[] = []
  const counts = [5, 5, 4]
  const { transport } = fakeNetwork(() => ({
    status: 200,
    headers: { 'ratelimit-limit': '9;w=60', 'ratelimit-remaining': `${counts.shift()};w=60` },
  }))
  const exchange = exchangeOver(transport, { notices: createNotices((event) => events.push(event)) })
  for (let at = 0; at < 3; at++) await exchange.send(getFrom(host))
  t.strictSame(events, [
    { kind: 'rate-limit', host: 'reg.example.com', limit: 9, remaining: 5, windowSeconds: 60 },
    { kind: 'rate-limit', host: 'reg.example.com', limit: 9, remaining: 4, windowSeconds: 60 },
  ])
})

t.test('the diagnostics channel hears of each hop and each try, and of no secret', async (t) => {
  const messages: RequestDiagnostic[] = []
  const listen = (message: unknown): void => void messages.push(message as RequestDiagnostic)
  const { transport } = fakeNetwork(({ url }) => {
    if (url.includes('broken'))
      throw Object.assign(new Error('Authorization: secret'), { code: 'ECONNRESET' })
    if (url.includes('reg.'))
      return { status: 307, headers: { location: 'https://cdn.example.net/a?sig=secret' } }
    return { status: 200 }
  })
  const exchange = exchangeOver(transport)
  await exchange.send(getFrom(host))
  subscribe('varve:registry:request', listen)
  t.teardown(() => unsubscribe('varve:registry:request', listen))
  await exchange.send(getFrom(host, '/v2/?a=secret'))
  await t.rejects(exchange.send(getFrom(host, '/broken')), { code: 'ERR_REGISTRY_CONNECTION' })
  t.match(messages, [
    { method: 'GET', url: 'https://reg.example.com/v2/?…', status: 307, error: undefined },
    { method: 'GET', url: 'https://cdn.example.net/a?…', status: 200 },
    { url: 'https://reg.example.com/broken', status: undefined, error: 'ECONNRESET' },
  ])
  t.equal(messages.length, 3)
  t.ok(messages.every(({ startedAt, durationMs }) => startedAt > 1e12 && durationMs >= 0))
  t.notMatch(JSON.stringify(messages), /secret/)
})

t.test('S15: an answer that quotes the credential is told without it', async (t) => {
  const basic = `Basic ${Buffer.from('me:pa55word').toString('base64')}`
  for (const authorization of ['Bearer t0k3n-t0k3n', basic]) {
    const message = `You sent ${authorization} with pa55word and t0k3n-t0k3n`
    const { transport } = fakeNetwork(() => ({
      status: 403,
      body: json({ errors: [{ code: 'DENIED', message, detail: { headers: [authorization] } }] }),
    }))
    const authorizer = { authorization: async () => authorization, answer: async () => false }
    const sending = exchangeOver(transport, { authorizer }).send(getFrom(host, '/v2/?signature=s3cr3t'))
    const error = (await sending.catch((thrown: unknown) => thrown)) as Error & { readonly errors: unknown }
    const told = `${error.message} ${JSON.stringify(error)} ${error.stack}`
    t.notMatch(told, authorization.startsWith('Basic') ? /pa55word|bWU6/ : /t0k3n/)
    t.notMatch(told, /s3cr3t/)
    t.match(error.errors, [{ code: 'DENIED' }])
  }
  t.equal(parseWithoutSecrets('"abc"', 'Bearer a'), 'abc', 'a short one is part of any text')
  t.equal(parseWithoutSecrets('"abc"', undefined), 'abc')
  const password = 'a"quote\\and\nmore'
  const odd = `Basic ${Buffer.from(`user:${password}`).toString('base64')}`
  const quoting = { [password]: [password, { deep: `is ${password}` }], number: 1 }
  const expected = { '…': ['…', { deep: 'is …' }], number: 1 }
  const spelled = JSON.stringify(quoting).replaceAll('quote', String.raw`\u0071uote`)
  t.strictSame(parseWithoutSecrets(spelled, odd), expected, 'however JSON spells it')
})

t.test('C18: failures have codes, and those that pass by themselves are told apart', async (t) => {
  const request = { method: 'GET', url: 'https://reg.example.com/' }
  const failure = (code: string, message = '') =>
    connectionFailure(Object.assign(new Error(message), { code }), request)
  t.match(failure('ETIMEDOUT'), { code: 'ERR_REGISTRY_TIMEOUT' })
  t.match(failure('ECONNREFUSED'), { code: 'ERR_REGISTRY_CONNECTION', request })
  t.match(failure('HPE_HEADER_OVERFLOW'), { code: 'ERR_REGISTRY_LIMIT' })
  t.match(
    failure('ERR_HTTP_CONTENT_LENGTH_MISMATCH'),
    { name: 'DigestError', code: 'ERR_DIGEST_SIZE' },
    'N4: not the fault of the connection',
  )
  const misuse = new TypeError('misuse')
  t.equal(connectionFailure(misuse, request), misuse)
  let overdue = 0
  const dripping = fakeNetwork(() => {
    overdue++
    throw new DOMException('The request took too long', 'TimeoutError')
  })
  const slow = exchangeOver(dripping.transport, { retry: { retries: 2 } }).send(getFrom(host))
  await t.rejects(slow, { code: 'ERR_REGISTRY_TIMEOUT' })
  t.equal(overdue, 1, 'a request that took all of its time')
  const permanent = [
    'ENOTFOUND',
    'CERT_HAS_EXPIRED',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'EPROTO',
    'ERR_TRANSPORT_CLOSED',
  ]
  for (const code of permanent) {
    let tries = 0
    const { transport } = fakeNetwork(() => {
      tries++
      throw Object.assign(new Error('no'), { code })
    })
    const exchange = exchangeOver(transport, { retry: { retries: 2 } })
    await t.rejects(exchange.send(getFrom(host)), { code: 'ERR_REGISTRY_CONNECTION' }, code)
    t.equal(tries, 1)
  }
})

t.test('an authorizer that never has enough is asked a few times only', async (t) => {
  const { transport, sent } = fakeNetwork(() => ({ status: 401 }))
  const authorizer = { authorization: async () => 'Bearer wrong', answer: async () => true }
  const sending = exchangeOver(transport, { authorizer }).send(getFrom(host))
  await t.rejects(sending, { code: 'ERR_REGISTRY_UNAUTHORIZED' })
  t.equal(sent.length, 5)
})

function openTransport(t: Teardown, options: TransportOptions = {}) {
  const transport = createTransport(options)
  t.teardown(() => transport.close())
  return transport
}

t.test('N6: a body that nobody wants does not hold its connection, however slowly it drips', async (t) => {
  const table: readonly (readonly [why: string, status: number, length: string | undefined])[] = [
    ['one that is announced too long', 200, '1000000'],
    ['one that drips', 200, undefined],
    ['an error that drips', 400, undefined],
  ]
  for (const [why, status, length] of table) {
    const closing = deferred()
    const name = await startRaw(t, (request, response) => {
      response.writeHead(status, length === undefined ? {} : { 'content-length': length })
      const timer = setInterval(() => response.write('x'), 20)
      response.once('close', () => {
        clearInterval(timer)
        closing.resolve()
      })
    })
    const here = createHostPolicy()
    const exchange = exchangeOver(openTransport(t), { hosts: here })
    const request = { ...getFrom(here.hostOf(name)), lane: 'blob' as const, expect: [200, 400] }
    const response = await exchange.send(request)
    await response.discard()
    await closing.promise
    t.pass(why)
  }
})

function deferred() {
  let settle: () => void = () => undefined
  const promise = new Promise<void>((resolve) => {
    settle = resolve
  })
  return { promise, resolve: () => settle() }
}

t.test('N4: a document that breaks off is asked for again', async (t) => {
  let attempts = 0
  const name = await startRaw(t, (request, response) => {
    attempts++
    if (attempts === 1) {
      response.writeHead(200, { 'content-length': '10' })
      response.write('01234', () => response.destroy())
    } else {
      response.end('0123456789')
    }
  })
  const here = createHostPolicy()
  const exchange = exchangeOver(openTransport(t), { hosts: here, retry: { retries: 1 } })
  const response = await exchange.send(getFrom(here.hostOf(name)))
  t.equal(Buffer.from(await readAll(response.body, 100)).toString(), '0123456789')
  t.equal(attempts, 2)
})

t.test('N6: a reply that stalls is given up', async (t) => {
  const name = await startRaw(t, (request, response) => {
    response.writeHead(200, { 'content-length': '10' }).write('x')
  })
  const here = createHostPolicy()
  const exchange = exchangeOver(openTransport(t, { idleTimeoutMs: 100 }), { hosts: here })
  const response = await exchange.send({ ...getFrom(here.hostOf(name)), lane: 'blob' })
  await t.rejects(
    async () => {
      for await (const _ of response.body);
    },
    { code: 'ERR_REGISTRY_TIMEOUT' },
  )
})

t.test('N4: a source of another length than it says is an error of the source', async (t) => {
  const name = await startRaw(t, (request, response) => {
    request.resume().once('end', () => response.end())
  })
  const here = createHostPolicy()
  const exchange = exchangeOver(openTransport(t), { hosts: here, retry: { retries: 3 } })
  for (const text of ['short', 'much too long']) {
    let opened = 0
    const source = streamSource(() => [utf8(text)], 8)
    const body = {
      ...source,
      open: (...options: Parameters<typeof source.open>) => {
        opened++
        return source.open(...options)
      },
    }
    const sending = exchange.send({ ...getFrom(here.hostOf(name)), method: 'PUT', body })
    await t.rejects(sending, { code: 'ERR_DIGEST_SIZE' }, text)
    t.equal(opened, 1, 'and is not read again')
  }
})

t.test('N2: a body is opened again for a redirect, a challenge and another try', async (t) => {
  const received: string[] = []
  const name = await startRaw(t, (request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.once('end', () => {
      received.push(`${request.url} ${Buffer.concat(parts).toString()}`)
      const statuses: Readonly<Record<string, number>> = { '/a': 307, '/b': received.length < 3 ? 401 : 502 }
      const status = statuses[request.url ?? ''] ?? 200
      if (received.length > 4) response.writeHead(200).end()
      else response.writeHead(status, status === 307 ? { location: '/b' } : {}).end()
    })
  })
  const here = createHostPolicy()
  const authorizer = { authorization: async () => 'Bearer T', answer: async () => true }
  const exchange = exchangeOver(openTransport(t), { hosts: here, authorizer, retry: { retries: 1 } })
  const body = streamSource(() => [utf8('a stream')], 8)
  const response = await exchange.send({ ...getFrom(here.hostOf(name), '/a'), method: 'PUT', body })
  t.equal(response.status, 200)
  await response.discard()
  t.strictSame(received, ['/a a stream', '/b a stream', '/a a stream', '/b a stream', '/a a stream'])
})

t.test('S6: whoever is asked elsewhere gets no credentials, and each hop is checked', async (t) => {
  const { transport, sent } = fakeNetwork(({ url }) => {
    if (url.includes('/inside')) return { status: 307, headers: { location: 'https://169.254.169.254/' } }
    if (url.includes('/plain')) return { status: 307, headers: { location: 'http://files.example.net/a' } }
    return { status: 200 }
  })
  const authorizer = { authorization: async () => 'Bearer T', answer: async () => true }
  const exchange = exchangeOver(transport, { authorizer })
  const elsewhere = (url: string) => exchange.send({ ...getFrom(host), url })
  t.equal((await elsewhere('https://files.example.net/a')).status, 200)
  t.strictSame(
    sent.map(({ authorization }) => authorization),
    [undefined],
  )
  sent.length = 0
  const refused = [
    'http://files.example.net/a',
    'https://10.0.0.1/a',
    'https://user:password@files.example.net/a',
    'ftp://files.example.net/a',
  ]
  for (const url of refused) await t.rejects(elsewhere(url), { code: 'ERR_REGISTRY_REFUSED' }, url)
  t.strictSame(sent, [], 'nobody was asked')
  for (const path of ['inside', 'plain']) {
    await t.rejects(elsewhere(`https://files.example.net/${path}`), { code: 'ERR_REGISTRY_REFUSED' }, path)
  }
  t.equal(sent.length, 2)
})

t.test('S3: a read and a write lose the token at the same hops', async (t) => {
  const targets = [
    'https://cdn.example.net/a',
    'https://reg.example.com:8443/a',
    'https://reg.example.com.evil.example/a',
    'https://example.com/a',
  ]
  const authorizer = { authorization: async () => 'Bearer T', answer: async () => true }
  for (const method of ['GET', 'HEAD', 'PUT']) {
    for (const target of targets) {
      const { transport, sent } = fakeNetwork(({ url }) => {
        if (url === target) return { status: 307, headers: { location: 'https://reg.example.com/back' } }
        return url.includes('/back') ? { status: 200 } : { status: 307, headers: { location: target } }
      })
      const body = method === 'PUT' ? { body: streamSource(() => [utf8('x')], 1) } : {}
      await exchangeOver(transport, { authorizer }).send({ ...getFrom(host), method, ...body })
      t.strictSame(
        sent.map(({ authorization }) => authorization),
        ['Bearer T', undefined, undefined],
        `${method} ${target}`,
      )
    }
    const { transport, sent } = fakeNetwork(() => ({
      status: 307,
      headers: { location: 'http://reg.example.com/a' },
    }))
    const sending = exchangeOver(transport, { authorizer }).send({ ...getFrom(host), method })
    await t.rejects(sending, { code: 'ERR_REGISTRY_REFUSED' }, `${method} to plain HTTP`)
    t.equal(sent.length, 1)
  }
})

t.test('N1 N7: bodies are the bytes of the wire, and repeated headers are lists', async (t) => {
  const packed = new Uint8Array([31, 139, 8, 0, 1, 2, 3])
  const name = await startRaw(t, (request, response) => {
    t.equal(request.headers['accept-encoding'], 'identity')
    response.writeHead(200, [
      ['Content-Encoding', 'gzip'],
      ['Location', '/a'],
      ['Location', '/b'],
      ['__proto__', 'x'],
    ] as never)
    response.end(packed)
  })
  const here = createHostPolicy()
  const response = await exchangeOver(openTransport(t), { hosts: here }).send(getFrom(here.hostOf(name)))
  t.strictSame(response.headers.get('location'), ['/a', '/b'])
  const parts: Uint8Array[] = []
  for await (const part of response.body) parts.push(part)
  t.strictSame(Buffer.concat(parts), Buffer.from(packed))
})

t.test('N14: a wait beyond what timers hold is as long as they can', async (t) => {
  const name = await startRaw(t, (request, response) => {
    setTimeout(() => response.end(), 50)
  })
  const endless = openTransport(t, {
    connectTimeoutMs: Infinity,
    headersTimeoutMs: 2 ** 40,
    idleTimeoutMs: Infinity,
  })
  const here = createHostPolicy()
  const response = await exchangeOver(endless, { hosts: here }).send(getFrom(here.hostOf(name)))
  t.equal(response.status, 200)
  await response.discard()
})

t.test('refusePrivateAddresses: a name is checked at the moment of connecting', async (t) => {
  const name = await startRaw(t, (request, response) => response.end('inside'))
  const [, port] = name.split(':')
  const asked: string[] = []
  const addresses = (list: readonly string[]): NonNullable<TransportOptions['lookup']> => {
    return (hostname, options, callback) => {
      asked.push(hostname)
      callback(
        null,
        list.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      )
    }
  }
  const at = (domain: string) => createHostPolicy([domain]).hostOf(domain)
  const send = (list: readonly string[], domain: string, guarded: boolean) => {
    const lookup = addresses(list)
    const transport = openTransport(t, { lookup, mayBePrivate: () => !guarded })
    return exchangeOver(transport, { hosts: createHostPolicy([domain]) }).send(getFrom(at(domain)))
  }
  const rebound = `reg.example.com:${port}`
  for (const list of [['127.0.0.1'], ['93.184.216.34', '127.0.0.1'], ['::ffff:127.0.0.1']]) {
    await t.rejects(send(list, rebound, true), { code: 'ERR_REGISTRY_REFUSED' }, list.join(' '))
  }
  t.equal(asked.length, 3, 'what was looked up is what is used')
  const response = await send(['127.0.0.1'], rebound, false)
  t.equal(response.status, 200, 'without the option a name may mean anything')
  await response.discard()
  await t.rejects(send([], name, true), { code: 'ERR_REGISTRY_REFUSED' }, 'an address needs no look-up')
  t.equal(asked.length, 4)

  const strict = createRegistryClient({ refusePrivateAddresses: true })
  t.teardown(() => strict.close())
  await t.rejects(strict.repository(`${name}/x`).manifest('t'), { code: 'ERR_REGISTRY_REFUSED' })
  const other = name.replace('127.0.0.1', 'localhost')
  await t.rejects(strict.repository(`${other}/x`).manifest('t'), { code: 'ERR_REGISTRY_REFUSED' })
  const named = createRegistryClient({ refusePrivateAddresses: true, hosts: { [name]: {} } })
  t.teardown(() => named.close())
  await t.rejects(
    named.repository(`${name}/x`).manifest('t'),
    { code: 'ERR_OCI_MANIFEST_INVALID' },
    'it was asked',
  )
})

t.test('a look-up says what the resolver says, where that is public', async (t) => {
  const addresses = [
    { address: '93.184.216.34', family: 4 },
    { address: '2606:4700::1', family: 6 },
  ]
  const find = (answer: Parameters<LookupCallback>, all: boolean) =>
    new Promise((resolve) => {
      const lookup = createPublicLookup((_, options, callback) => callback(...answer))
      lookup('reg.example', { all }, (...result) => resolve(result))
    })
  t.strictSame(await find([null, addresses], true), [null, addresses])
  t.strictSame(await find([null, addresses], false), [null, '93.184.216.34', 4])
  const missing = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
  t.strictSame(await find([missing, ''], true), [missing, '', 0])
})

t.test('a transport that is closed is not waited for', async (t) => {
  const name = await startSocket(t, () => undefined)
  const transport = createTransport()
  const here = createHostPolicy()
  const exchange = exchangeOver(transport, { hosts: here, retry: { retries: 5 } })
  const pending = exchange.send(getFrom(here.hostOf(name)))
  await new Promise((resolve) => setTimeout(resolve, 20))
  await transport.close()
  await t.rejects(pending, { code: 'ERR_REGISTRY_CONNECTION' })
  await t.rejects(exchange.send(getFrom(here.hostOf(name))), { cause: { code: 'ERR_TRANSPORT_CLOSED' } })
})

t.test('a signal ends a request at any moment', async (t) => {
  const reason = new Error('enough')
  const silent = await startSocket(t, () => undefined)
  const here = createHostPolicy()
  const limiter = createLimiter(1)
  const exchange = exchangeOver(openTransport(t), { hosts: here, limiter, retry: { retries: 5 } })
  const request = getFrom(here.hostOf(silent))
  const controller = new AbortController()
  const waiting = exchange.send({ ...request, signal: controller.signal })
  const queued = exchange.send({ ...request, signal: controller.signal })
  setTimeout(() => controller.abort(reason), 20)
  await t.rejects(waiting, reason)
  await t.rejects(queued, reason)
  await t.rejects(exchange.send({ ...request, signal: AbortSignal.abort(reason) }), reason)
})
