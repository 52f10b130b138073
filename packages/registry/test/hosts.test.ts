/** What users say about hosts, and where replies may lead. */
import fc from 'fast-check'
import t from 'tap'
import { isInternalName, isPrivateAddress, isPrivateHost } from '../src/hosts/addresses.ts'
import { createHostPolicy, type HostPolicy } from '../src/hosts/policy.ts'
import type { HostSettings } from '../src/hosts/settings.ts'

function may(policy: HostPolicy, target: string, registry: string, from = registry): boolean {
  try {
    policy.assertTarget(target, from, registry)
    return true
  } catch (error) {
    t.match(error, { code: 'ERR_REGISTRY_REFUSED' })
    return false
  }
}

t.test('N8: private addresses are known in every spelling that a URL takes', async (t) => {
  const inside = [
    'http://127.1',
    'http://0x7f.1',
    'http://2130706433',
    'http://017700000001',
    'http://127.0.0.1.',
    'http://localhost.',
    'http://LOCALHOST',
    'http://a.localhost',
    'http://[::ffff:a9fe:a9fe]',
    'http://[::ffff:8.8.8.8]',
    'http://[::1]',
    'http://[::]',
    'http://[64:ff9b::a00:1]',
    'http://[2002:7f00:1::]',
    'http://[2001:0:1::1]',
    'http://[fd00::1]',
    'http://[fe80::1]',
    'http://[fec0::1]',
    'http://0.0.0.0',
    'http://10.255.255.255',
    'http://100.64.0.1',
    'http://169.254.169.254',
    'http://172.31.0.1',
    'http://192.168.0.1',
    'http://198.19.0.1',
    'http://255.255.255.255',
    'http://%31%30.0.0.1',
  ]
  for (const url of inside) t.ok(isPrivateHost(new URL(url).hostname), url)
  const outside = ['http://8.8.8.8', 'http://172.32.0.1', 'http://[2606:4700::1]', 'http://10.0.0.1.example']
  for (const url of outside) t.notOk(isPrivateHost(new URL(url).hostname), url)
  t.ok(isPrivateAddress('::ffff:10.0.0.1'))
  t.notOk(isPrivateAddress('localhost'), 'a name is no address')
  for (const name of ['metadata.google.internal', 'a.local', 'router.home.arpa', 'a.internal.']) {
    t.ok(isInternalName(name), name)
  }
  t.notOk(isInternalName('internal.example.com'))
})

t.test('N8 S6: each hop is judged by what a URL means, not by how it is written', async (t) => {
  const policy = createHostPolicy()
  const registry = 'https://reg.example.com'
  const refused = [
    'http://cdn.example.com/a',
    'http://reg.example.com/a',
    'https://user@cdn.example.com/a',
    'https://:pw@cdn.example.com/a',
    'ftp://cdn.example.com/a',
    'https://127.1/a',
    'https://2130706433/a',
    'https://localhost./a',
    'https://[::ffff:169.254.169.254]/a',
    'https://metadata.google.internal/a',
  ]
  for (const target of refused) t.notOk(may(policy, target, registry), target)
  const allowed = [
    'https://cdn.example.com/a',
    'https://reg.example.com:443/a',
    'https://reg.example.com:8443/a',
  ]
  for (const target of allowed) t.ok(may(policy, target, registry), target)
  t.ok(may(policy, 'https://s3.corp.internal/a', 'https://reg.corp.internal'), 'a network leads to itself')
  t.notOk(may(policy, 'http://reg.corp.internal/a', 'http://reg.corp.internal', 'https://cdn.example.com'))
  t.notOk(may(policy, 'http://public.example/', 'http://127.0.0.1:5000'), 'plain HTTP is for who was named')
})

t.test('D4: what a user names may be led to', async (t) => {
  const policy = createHostPolicy(['10.0.0.5:5000'], {
    'store.corp.internal': {},
    '10.0.0.6': { skipVerify: true },
    'hub.example': { mirrors: [{ location: '10.0.0.7:5000/hub' }] },
  })
  const registry = 'https://reg.example.com'
  t.ok(may(policy, 'https://store.corp.internal/a', registry))
  t.ok(may(policy, 'https://10.0.0.6/a', registry))
  t.ok(may(policy, 'https://10.0.0.7:5000/a', registry))
  t.notOk(may(policy, 'https://10.0.0.6:8443/a', registry), 'another port was not named')
  t.notOk(may(policy, 'http://10.0.0.5:5000/a', registry), 'HTTP after HTTPS was not asked for')
  t.ok(may(policy, 'http://10.0.0.5:5000/a', 'http://127.0.0.1:5000'))
  t.ok(policy.isNamed('https://10.0.0.6/v2/'))
  t.notOk(policy.isNamed('https://10.0.0.8/v2/'))
})

t.test('a blocked host is not asked, whoever leads there', async (t) => {
  const policy = createHostPolicy([], { 'bad.example': { blocked: true }, 'docker.io': { blocked: true } })
  t.notOk(may(policy, 'https://bad.example/v2/', 'https://bad.example'))
  t.notOk(may(policy, 'https://bad.example./v2/', 'https://reg.example.com'))
  t.notOk(may(policy, 'https://registry-1.docker.io/v2/', 'https://registry-1.docker.io'))
  t.ok(may(policy, 'https://bad.example:8443/v2/', 'https://reg.example.com'), 'another port is another host')
  t.ok(may(policy, 'https://also-bad.example/v2/', 'https://reg.example.com'))
})

t.test('settings are those of exactly one host and port', async (t) => {
  const policy = createHostPolicy(['plain.example'], {
    'reg.example': { concurrency: 2 },
    'reg.example:5000': { concurrency: 3 },
    'docker.io': { concurrency: 5 },
    'plain.example': { concurrency: 6 },
    'other.example:8080': { insecure: true, concurrency: 7 },
  })
  const table = {
    'https://reg.example': 2,
    'https://reg.example:443/v2/': 2,
    'https://REG.example.': 2,
    'https://reg.example:5000': 3,
    'https://registry-1.docker.io': 5,
    'http://plain.example': 6,
    'http://other.example:8080': 7,
    'https://evil-reg.example': undefined,
    'https://reg.example.evil': undefined,
    'https://example': undefined,
    'https://constructor': undefined,
  }
  for (const [url, concurrency] of Object.entries(table)) {
    t.equal(policy.settingsAt(url).concurrency, concurrency, url)
  }
  t.match(policy.hostOf('index.docker.io'), { name: 'docker.io', origin: 'https://registry-1.docker.io' })
  t.equal(policy.hostOf('other.example:8080').origin, 'http://other.example:8080')
})

t.test(
  'plain HTTP is for loopback, unless it has certificates, and for who is said to be insecure',
  async (t) => {
    const policy = createHostPolicy(['a.example', 'localhost:5003'], {
      'localhost:5001': { skipVerify: true },
      'localhost:5002': { insecure: false },
      'localhost:5003': { ca: 'PEM' },
      '[::1]:5004': { concurrency: 1 },
      'b.example': { insecure: true, skipVerify: true },
    })
    const table = {
      'localhost:5000': 'http://localhost:5000',
      'localhost:5001': 'https://localhost:5001',
      'localhost:5002': 'https://localhost:5002',
      'localhost:5003': 'http://localhost:5003',
      '[::1]:5004': 'http://[::1]:5004',
      'a.example': 'http://a.example',
      'a.example:5000': 'https://a.example:5000',
      'b.example': 'http://b.example',
      'c.example': 'https://c.example',
    }
    for (const [name, origin] of Object.entries(table)) t.equal(policy.hostOf(name).origin, origin, name)
  },
)

t.test('S13: hosts that are named like parts of an object are hosts', async (t) => {
  const hosts = JSON.parse('{"__proto__":{"blocked":true},"constructor":{"insecure":true}}') as Record<
    string,
    HostSettings
  >
  const policy = createHostPolicy([], hosts)
  t.equal(policy.settingsAt('https://__proto__').blocked, true)
  t.equal(policy.hostOf('constructor').origin, 'http://constructor')
  t.equal(policy.settingsAt('https://reg.example').blocked, undefined)
  t.equal(({} as HostSettings).blocked, undefined)
})

t.test('any name is a host or a mistake', async () => {
  const part = fc.constantFrom(
    'a',
    'A',
    '.',
    ':',
    '80',
    '[',
    ']',
    '::1',
    '/',
    '@',
    '?',
    '#',
    '%2f',
    ' ',
    '\\',
    'é',
  )
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
      const name = parts.join('')
      try {
        const { origin } = createHostPolicy([], { [name]: { concurrency: 7 } }).hostOf(name)
        return new URL(origin).origin === origin && !/[/@?# ]/.test(name)
      } catch (error) {
        return error instanceof TypeError
      }
    }),
  )
})

t.test('what is not a host is a mistake, and so are two settings of one', async (t) => {
  const wrong: readonly (readonly [why: string, hosts: Record<string, HostSettings>])[] = [
    ['a path', { 'reg.example/a': {} }],
    ['a slash', { 'reg.example/': {} }],
    ['a scheme', { 'https://reg.example': {} }],
    ['a user', { 'me@reg.example': {} }],
    ['nothing', { '': {} }],
    ['a space', { 'a b': {} }],
    ['twice', { 'reg.example': {}, 'reg.example:443': {} }],
    ['twice, as names of Docker Hub', { 'docker.io': {}, 'index.docker.io': {} }],
    ['a mirror with a scheme', { 'reg.example': { mirrors: [{ location: 'https://m.example' }] } }],
    ['a mirror with an odd path', { 'reg.example': { mirrors: [{ location: 'm.example/../a' }] } }],
    ['a mirror with a slash at its end', { 'reg.example': { mirrors: [{ location: 'm.example/' }] } }],
    ['a mirror with a query', { 'reg.example': { mirrors: [{ location: 'm.example?a' }] } }],
  ]
  for (const [why, hosts] of wrong) t.throws(() => createHostPolicy([], hosts), TypeError, why)
})

t.test('mirrors come in order of priority, with their prefix, and are hosts of their own', async (t) => {
  const policy = createHostPolicy(['c.example:5000'], {
    'docker.io': {
      mirrors: [
        { location: 'a.example', priority: 1 },
        { location: 'b.example/hub/cache', isProxy: true },
        { location: 'c.example:5000', byDigestOnly: true },
        { location: 'd.example', priority: -1 },
        { location: 'e.example' },
      ],
    },
    'e.example': { blocked: true },
  })
  const mirrors = policy.mirrorsOf(policy.hostOf('docker.io'))
  t.strictSame(
    mirrors.map(({ host, byDigestOnly }) => [
      host.name,
      host.origin,
      host.pathPrefix,
      host.namespace,
      byDigestOnly,
    ]),
    [
      ['d.example', 'https://d.example', '', undefined, false],
      ['b.example', 'https://b.example', 'hub/cache/', 'docker.io', false],
      ['c.example:5000', 'http://c.example:5000', '', undefined, true],
      ['a.example', 'https://a.example', '', undefined, false],
    ],
  )
  t.strictSame(policy.mirrorsOf(policy.hostOf('a.example')), [], 'a mirror has no mirrors of its own')
})
