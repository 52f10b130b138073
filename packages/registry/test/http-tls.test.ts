/** Certificates: whom a client trusts, who it says it is, and to whom. */
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { type Certificates, makeCertificates } from '@varve/testing/certificates'
import { needs } from '@varve/testing/peers'
import t from 'tap'
import type { HostSettings } from '../src/hosts/settings.ts'
import { createTransport } from '../src/http/transport.ts'
import { createRegistryClient } from '../src/index.ts'
import { image, openClient, type Teardown } from './fixtures.ts'
import { fakeNetwork, startSocket } from './http-fixtures.ts'

const pushed = image([])

/** A registry of one manifest over TLS; its name, and who came. */
async function startTls(
  t: Teardown,
  { server: { cert, key }, authority }: Certificates,
  options: { readonly requestCert?: boolean; readonly leadTo?: string } = {},
) {
  const visitors: unknown[] = []
  const server: Server = createServer(
    { cert, key, ca: authority.cert, requestCert: true, rejectUnauthorized: options.requestCert === true },
    (request, response) => {
      visitors.push((request.socket as TLSSocket).getPeerCertificate().subject?.CN)
      const { leadTo } = options
      if (leadTo !== undefined) response.writeHead(307, { location: `https://${leadTo}${request.url}` }).end()
      else response.writeHead(200, { 'content-type': pushed.descriptor.mediaType }).end(pushed.bytes)
    },
  )
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  // Loopback is spoken to over plain HTTP, so the registry needs another name.
  return { name: `reg.example.com:${(server.address() as AddressInfo).port}`, visitors }
}

t.test('certificates of a host', needs('openssl'), async (t) => {
  const certificates = makeCertificates(t.testdir())
  const { authority, client: pair } = certificates
  const other = makeCertificates(`${t.testdirName}/other`).authority

  /** Everybody is on this machine, under a name for which the certificate does not hold. */
  const pull = async (t: Teardown, name: string, hosts: Readonly<Record<string, HostSettings>>) => {
    const transport = createTransport({
      tlsOf: (origin) => hosts[new URL(origin).host] ?? {},
      lookup: (_, options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
    })
    t.teardown(() => transport.close())
    const client = openClient(t, { transport, retries: 0 })
    return client.repository(`${name}/x`).manifest('t')
  }

  await t.test('a certificate is checked, by authority and by name', async (t) => {
    const { name, visitors } = await startTls(t, certificates)
    const rejected = [
      ['of no authority that is known', {}, /^(?:SELF_SIGNED|UNABLE_TO)/],
      ['of another authority', { [name]: { ca: other.cert } }, /^(?:SELF_SIGNED|UNABLE_TO)/],
      ['of another host', { 'else.example.com': { ca: authority.cert } }, /^(?:SELF_SIGNED|UNABLE_TO)/],
      ['for another name', { [name]: { ca: authority.cert } }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ] as const
    for (const [why, hosts, code] of rejected) {
      await t.rejects(pull(t, name, hosts), { code: 'ERR_REGISTRY_CONNECTION', cause: { code } }, why)
    }
    t.strictSame(visitors, [])
    const { descriptor } = await pull(t, name, { [name]: { skipVerify: true } })
    t.strictSame(descriptor, pushed.descriptor)
  })

  await t.test(
    'an authority of ours stands beside those of the system, and PEM may hold several',
    async (t) => {
      const { name } = await startTls(t, certificates)
      for (const ca of [authority.cert, [other.cert, authority.cert], other.cert + authority.cert]) {
        const transport = createTransport({ tlsOf: () => ({ ca }) })
        t.teardown(() => transport.close())
        for (const host of ['localhost', '127.0.0.1']) {
          const url = `https://${name.replace('reg.example.com', host)}/`
          const response = await transport.send({ method: 'GET', url, headers: {} })
          t.equal(response.status, 200, host)
          await response.discard()
        }
      }
    },
  )

  await t.test('a client certificate is shown to its host, and to nobody whom that leads to', async (t) => {
    const away = await startTls(t, certificates)
    const { name, visitors } = await startTls(t, certificates, { requestCert: true, leadTo: away.name })
    const ours = { skipVerify: true, cert: pair.cert, key: pair.key }
    await pull(t, name, { [name]: ours, [away.name]: { skipVerify: true } })
    t.strictSame(visitors, ['client'])
    t.strictSame(away.visitors, [undefined])
    await t.rejects(pull(t, name, { [name]: { skipVerify: true } }), { code: 'ERR_REGISTRY_CONNECTION' })
  })

  t.test('settings that cannot be used are a mistake, told without a word of them', async (t) => {
    const wrong: readonly (readonly [why: string, settings: HostSettings])[] = [
      ['an authority that is no PEM', { ca: 'secret' }],
      [
        'an authority that is no certificate',
        { ca: authority.cert.replace(/\n[A-Za-z0-9+/=\n]+\n-/, '\nAAAA\n-') },
      ],
      ['a certificate without a key', { cert: pair.cert }],
      ['a key without a certificate', { key: pair.key }],
      ['a key that is none', { cert: pair.cert, key: 'secret' }],
      ['the key of somebody else', { cert: pair.cert, key: other.key }],
    ]
    for (const [why, settings] of wrong) {
      const make = () => createRegistryClient({ hosts: { 'reg.example': settings } })
      t.throws(make, { name: 'TypeError', message: /^(?!.*secret).*"reg\.example"/ }, why)
    }
    const { transport } = fakeNetwork(() => ({ status: 200 }))
    for (const options of [
      { hosts: { 'reg.example': { skipVerify: true } } },
      { proxy: { https: 'proxy.example' } },
      { refusePrivateAddresses: true },
    ]) {
      t.throws(() => createRegistryClient({ transport, ...options }), TypeError, Object.keys(options).join())
    }
  })
})

t.test('a TLS failure never becomes plain HTTP', async (t) => {
  const first: string[] = []
  const name = await startSocket(t, (socket) => {
    socket.once('data', (bytes: Buffer) => {
      first.push(bytes[0] === 0x16 ? 'TLS' : bytes.toString())
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
    })
  })
  const transport = createTransport({
    lookup: (_, options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
  })
  t.teardown(() => transport.close())
  const client = openClient(t, { transport, retries: 1 })
  const repository = client.repository(`${name.replace('127.0.0.1', 'reg.example.com')}/x`)
  await t.rejects(repository.manifest('t'), { code: 'ERR_REGISTRY_CONNECTION' })
  t.strictSame(first, ['TLS'], 'and is not tried again')
})
