/** Proxies: which one, and through it. */
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { makeCertificates } from '@varve/testing/certificates'
import { needs } from '@varve/testing/peers'
import fc from 'fast-check'
import t from 'tap'
import { createHostPolicy } from '../src/hosts/policy.ts'
import { createProxyChoice, proxyFromEnvironment } from '../src/http/proxy.ts'
import { createTransport, type TransportOptions } from '../src/http/transport.ts'
import { startRaw, type Teardown } from './fixtures.ts'
import { exchangeOver, getFrom, startProxy, startSocket } from './http-fixtures.ts'

const PROXY = 'http://proxy.example:3128'

t.test('N5: the environment names proxies as it does for curl and Go', async (t) => {
  const table: readonly (readonly [environment: Record<string, string>, expected: unknown])[] = [
    [{}, {}],
    [
      { HTTP_PROXY: 'a', HTTPS_PROXY: 'b', NO_PROXY: 'c' },
      { http: 'a', https: 'b', noProxy: 'c' },
    ],
    [
      { http_proxy: 'a', https_proxy: 'b', no_proxy: 'c' },
      { http: 'a', https: 'b', noProxy: 'c' },
    ],
    [{ HTTP_PROXY: 'a', http_proxy: 'x' }, { http: 'a' }],
    [{ HTTP_PROXY: '', http_proxy: 'x' }, { http: 'x' }],
    [{ ALL_PROXY: 'a' }, { http: 'a', https: 'a' }],
    [
      { all_proxy: 'a', HTTPS_PROXY: 'b' },
      { http: 'a', https: 'b' },
    ],
    [{ HTTP_PROXY: 'a', HTTPS_PROXY: 'b', REQUEST_METHOD: 'GET' }, { https: 'b' }],
  ]
  for (const [environment, expected] of table) {
    t.strictSame(proxyFromEnvironment(environment), expected, JSON.stringify(environment))
  }
})

// The rules and most of the cases are those of golang.org/x/net/http/httpproxy, proxy_test.go.
t.test('NO_PROXY: names, networks, ports and leading dots, as Go has them', async (t) => {
  const direct: readonly (readonly [noProxy: string, origins: readonly string[]])[] = [
    ['', ['http://localhost', 'https://127.0.0.1:5000', 'https://127.9.9.9', 'https://[::1]:5000']],
    ['*', ['https://ghcr.io', 'http://10.0.0.1']],
    ['foobar.com', ['https://foobar.com', 'https://www.foobar.com', 'https://FooBar.com:8443']],
    ['.foobar.com', ['https://www.foobar.com', 'https://a.b.foobar.com']],
    ['*.foobar.com', ['https://www.foobar.com']],
    [' a.com , b.com ', ['https://a.com', 'https://b.com']],
    ['foobar.com:443', ['https://foobar.com', 'https://foobar.com:443']],
    ['foobar.com:5000', ['https://foobar.com:5000', 'https://x.foobar.com:5000']],
    ['foobar.com:80', ['http://foobar.com']],
    ['foobar.com:', ['https://foobar.com']],
    ['192.168.1.0/24', ['https://192.168.1.77', 'http://192.168.1.1:5000', 'https://[::ffff:192.168.1.7]']],
    ['192.168.1.1', ['https://192.168.1.1:5000']],
    ['192.168.1.1:5000', ['https://192.168.1.1:5000']],
    ['2001:db8::/32', ['https://[2001:db8::7]']],
    ['2001:db8::7', ['https://[2001:db8::7]:5000']],
    ['[2001:db8::7]:5000', ['https://[2001:db8::7]:5000']],
    ['bücher.example', ['https://xn--bcher-kva.example']],
    [',,foobar.com', ['https://foobar.com']],
  ]
  const proxied: typeof direct = [
    ['', ['https://ghcr.io', 'http://10.0.0.1', 'https://localhost.example']],
    ['foobar.com', ['https://barfoobar.com', 'https://foobar.com.evil.example', 'https://foo.com']],
    ['.foobar.com', ['https://foobar.com', 'https://xfoobar.com']],
    ['*.foobar.com', ['https://foobar.com']],
    ['foobar.com:443', ['https://foobar.com:5000', 'http://foobar.com']],
    ['192.168.1.0/24', ['https://192.168.2.1', 'https://192.168.1.1.example']],
    ['192.168.1.0/33', ['https://192.168.1.1']],
    ['192.168.1.1:5000', ['https://192.168.1.1']],
    ['2001:db8::7', ['https://[2001:db8::8]']],
    ['.', ['https://ghcr.io']],
    [':443', ['https://ghcr.io']],
    // A suffix of digits is not the end of a name.
    ['.1', ['https://192.168.1.1']],
  ]
  for (const [table, expected] of [
    [direct, undefined],
    [proxied, PROXY],
  ] as const) {
    for (const [noProxy, origins] of table) {
      const choose = createProxyChoice({ http: PROXY, https: PROXY, noProxy })
      for (const origin of origins) t.equal(choose(origin)?.origin, expected, `${noProxy} and ${origin}`)
    }
  }
})

t.test('any list of exceptions is a list of exceptions', async () => {
  const part = fc.constantFrom('a', '.', '*', ':', '/', '1', '[', ']', '255', ',', ' ', 'é', '%', '-')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const choose = createProxyChoice({ https: PROXY, noProxy: parts.join('') })
      const chosen = ['https://a.a', 'https://[::1]', 'https://1.1.1.1'].map((origin) => choose(origin))
      return chosen[1] === undefined
    }),
  )
})

t.test('a proxy is a URL, or a host and port, with or without a user', async (t) => {
  const basic = (user: string): string => `Basic ${Buffer.from(user).toString('base64')}`
  const table = [
    ['proxy.example:3128', PROXY, undefined],
    ['proxy.example', 'http://proxy.example', undefined],
    ['https://proxy.example:443', 'https://proxy.example', undefined],
    ['http://me:pa%3Ass@proxy.example:3128', PROXY, basic('me:pa:ss')],
    ['http://me@proxy.example:3128', PROXY, basic('me:')],
    ['http://me:100%@proxy.example:3128', PROXY, basic('me:100%')],
    ['http://me:%C3%A9@proxy.example:3128', PROXY, basic('me:é')],
  ] as const
  for (const [text, origin, authorization] of table) {
    t.strictSame(createProxyChoice({ https: text })('https://ghcr.io'), { origin, authorization }, text)
  }
  t.equal(createProxyChoice({ https: PROXY })('http://ghcr.io'), undefined, 'each scheme has its own')
  t.equal(createProxyChoice({ https: '' })('https://ghcr.io'), undefined)
  for (const text of ['socks5://u:secret@proxy.example', 'http://', 'http://u:secret@a b', 'file:///x']) {
    t.throws(
      () => createProxyChoice({ https: text }),
      { name: 'TypeError', message: 'proxy.https must be a URL of scheme http or https' },
      text,
    )
  }
})

/** A transport to a host that only a proxy can reach: its name means nothing here. */
function transportOf(t: Teardown, options: TransportOptions) {
  const transport = createTransport(options)
  t.teardown(() => transport.close())
  return transport
}

t.test('plain HTTP is handed to the proxy as it is', async (t) => {
  const seen: (string | undefined)[] = []
  const target = await startRaw(t, (request, response) => {
    seen.push(request.headers.host, request.headers['proxy-authorization'])
    response.end('hello')
  })
  const proxy = await startProxy(t)
  // The name is resolved by whoever connects: the proxy gets an address that it can reach.
  const name = target.replace('127.0.0.1', '0.0.0.0')
  const http = proxy.origin.replace('//', '//me:secret@')
  const transport = transportOf(t, { proxy: { http } })
  const hosts = createHostPolicy([name])
  const response = await exchangeOver(transport, { hosts }).send(getFrom(hosts.hostOf(name), '/v2/?q=%7e'))
  t.equal(response.status, 200)
  await response.discard()
  t.strictSame(proxy.requests, [`GET http://${name}/v2/?q=%7e`])
  t.strictSame(proxy.users, [`Basic ${Buffer.from('me:secret').toString('base64')}`])
  t.strictSame(seen, [name, undefined], 'the user of the proxy is for the proxy')
})

t.test(
  'HTTPS goes through a tunnel, and what the proxy says is not the registry',
  needs('openssl'),
  async (t) => {
    const { server: pair, authority } = makeCertificates(t.testdir())
    const server = createServer({ cert: pair.cert, key: pair.key }, (request, response) => {
      response.end(request.url)
    })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    t.teardown(() => new Promise((resolve) => server.closeAllConnections() ?? server.close(resolve)))
    const { port } = server.address() as AddressInfo
    const name = `0.0.0.0:${port}`
    const hosts = createHostPolicy([], { [name]: { ca: authority.cert, skipVerify: true } })
    const host = hosts.hostOf(name)
    const tlsOf = (origin: string) => hosts.settingsAt(origin)

    const proxy = await startProxy(t)
    const through = transportOf(t, { proxy: { https: proxy.origin }, tlsOf })
    const response = await exchangeOver(through, { hosts }).send(getFrom(host, '/v2/'))
    t.equal(response.status, 200)
    await response.discard()
    t.strictSame(proxy.requests, [`CONNECT ${name}`])

    const distrusting = transportOf(t, { proxy: { https: proxy.origin } })
    await t.rejects(exchangeOver(distrusting, { hosts }).send(getFrom(host)), {
      code: 'ERR_REGISTRY_CONNECTION',
      cause: { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
    })

    const secured = await startProxy(t, undefined, pair)
    const privately = transportOf(t, {
      proxy: { https: secured.origin },
      tlsOf: (origin) => (origin === secured.origin ? { ca: authority.cert } : tlsOf(origin)),
    })
    const answer = await exchangeOver(privately, { hosts }).send(getFrom(host))
    t.equal(answer.status, 200, 'a proxy that speaks TLS, with an authority of its own')
    await answer.discard()
    t.strictSame(secured.requests, [`CONNECT ${name}`])
    const guard = await startProxy(t, () => 403, pair)
    const tlsOfProxy = () => ({ ca: authority.cert })
    const named = transportOf(t, { proxy: { http: guard.origin, https: guard.origin }, tlsOf: tlsOfProxy })
    const ask = { method: 'GET', url: 'http://reg.example.com/', headers: {} }
    const plain = await named.send(ask)
    t.equal(plain.status, 403, 'its certificate is for its own name, not for that of the registry')
    await plain.discard()
    await t.rejects(named.send({ ...ask, url: 'https://reg.example.com/' }), { code: 'ERR_TUNNEL_REFUSED' })
    t.strictSame(guard.requests, ['GET http://reg.example.com/', 'CONNECT reg.example.com:443'])
    const wary = transportOf(t, { proxy: { https: secured.origin }, tlsOf })
    await t.rejects(exchangeOver(wary, { hosts }).send(getFrom(host)), { code: 'ERR_REGISTRY_CONNECTION' })

    const strict = await startProxy(t, () => 407)
    const refused = transportOf(t, { proxy: { https: strict.origin.replace('//', '//me:secret@') }, tlsOf })
    const events: unknown[] = []
    const retry = { retries: 3, onRetry: (...event: readonly unknown[]) => events.push(event) }
    const error = await exchangeOver(refused, { hosts, retry })
      .send(getFrom(host))
      .catch((thrown: unknown) => thrown as Error)
    t.match(error, { code: 'ERR_REGISTRY_CONNECTION', cause: { message: /407/ } })
    t.notMatch(JSON.stringify(error) + String((error as Error).cause), /secret|bWU6/, 'S15')
    t.strictSame(events, [], 'a proxy that wants another user is not asked again')

    const silent = await startSocket(t, () => undefined)
    const waiting = transportOf(t, { proxy: { https: `http://${silent}` }, tlsOf, connectTimeoutMs: 100 })
    await t.rejects(exchangeOver(waiting, { hosts }).send(getFrom(host)), { code: 'ERR_REGISTRY_TIMEOUT' })
    const closing = await startSocket(t, (socket) => socket.destroy())
    const cut = transportOf(t, { proxy: { https: `http://${closing}` }, tlsOf })
    await t.rejects(exchangeOver(cut, { hosts }).send(getFrom(host)), { code: 'ERR_REGISTRY_CONNECTION' })
  },
)
