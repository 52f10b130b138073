/** The small readers of what replies say: challenges, links, locations, hosts, waits. */
import fc from 'fast-check'
import t from 'tap'
import { parseChallenges } from '../src/auth/challenge.ts'
import { createDeadline } from '../src/http/deadline.ts'
import { createHostPolicy } from '../src/hosts/policy.ts'
import { createLimiter } from '../src/http/limiter.ts'
import { parseNextLink } from '../src/http/link.ts'
import { appendQuery, resolveLocation } from '../src/http/location.ts'
import { redactUrl } from '../src/http/redact.ts'
import { isRepositoryName } from '../src/repository-name.ts'
import { backOff, parseRetryAfter, sleep } from '../src/http/retry.ts'

const plain = (headers: readonly string[]) =>
  parseChallenges(headers).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])

t.test('challenges: RFC 9110 §11.6.1', async (t) => {
  const table: readonly (readonly [header: string, expected: unknown])[] = [
    ['Bearer realm="https://a/t",service="s"', [['bearer', { realm: 'https://a/t', service: 's' }]]],
    ['BEARER REALM=x', [['bearer', { realm: 'x' }]]],
    [
      'Basic realm="a, b", Bearer realm="c" , scope="d,e"',
      [
        ['basic', { realm: 'a, b' }],
        ['bearer', { realm: 'c', scope: 'd,e' }],
      ],
    ],
    [
      'Negotiate, Basic realm="x"',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    [
      'Negotiate YWJj==, Bearer realm=x',
      [
        ['negotiate', {}],
        ['bearer', { realm: 'x' }],
      ],
    ],
    ['Bearer realm = "q\\"uo\\\\te"', [['bearer', { realm: 'q"uo\\te' }]]],
    [', ,Bearer realm=x,', [['bearer', { realm: 'x' }]]],
    ['', []],
    ['Bearer realm="open', []],
    ['Bearer realm="a"junk', []],
    ['Bearer realm=a, realm=b', []],
    ['=', []],
    [`Bearer realm="${'x'.repeat(20_000)}"`, []],
  ]
  for (const [header, expected] of table) t.strictSame(plain([header]), expected, header.slice(0, 60))
  t.strictSame(plain(['Basic realm=a', 'Bearer realm=b']).length, 2, 'several headers')

  const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/)
  const challenge = fc.record({
    scheme: token,
    parameters: fc.uniqueArray(fc.tuple(token, fc.stringMatching(/^[ -~]{0,20}$/)), {
      selector: ([name]) => name,
      minLength: 1,
    }),
  })
  fc.assert(
    fc.property(fc.array(challenge), (challenges) => {
      const header = challenges
        .map(({ scheme, parameters }) => {
          const list = parameters.map(([name, value]) => `${name}="${value.replace(/["\\]/g, '\\$&')}"`)
          return `${scheme} ${list.join(', ')}`
        })
        .join(', ')
      const read = parseChallenges([header]).map(({ scheme, parameters }) => ({
        scheme,
        parameters: [...parameters],
      }))
      return JSON.stringify(read) === JSON.stringify(challenges)
    }),
  )
  fc.assert(fc.property(fc.string(), (header) => Array.isArray(parseChallenges([header]))))
})

t.test('links: RFC 8288 §3', async (t) => {
  const table: readonly (readonly [header: string, expected: string | undefined])[] = [
    ['</next?n=1&last=a>; rel="next"', '/next?n=1&last=a'],
    ['</next>;rel=next', '/next'],
    ['</a>; rel="prev", </b>; title="x, y"; rel="next last"', '/b'],
    ['</a>; rel="prev"', undefined],
    ['</a>', undefined],
    ['/a; rel="next"', undefined],
    ['', undefined],
  ]
  for (const [header, expected] of table) t.equal(parseNextLink([header]), expected, header)
  fc.assert(fc.property(fc.string(), (header) => parseNextLink([header]) !== null))
})

t.test('locations keep their query byte for byte', async (t) => {
  fc.assert(
    fc.property(fc.stringMatching(/^[!-"$-[\]-~]{0,40}$/), (query) => {
      const url = resolveLocation('https://r.example/v2/', `/up?${query}`)
      return url === `https://r.example/up?${query}` && appendQuery(url, 'd', 'x').startsWith(url)
    }),
  )
  t.equal(appendQuery('https://a/b', 'digest', 'sha256:0'), 'https://a/b?digest=sha256%3A0')
})

t.test('registries have one origin', async (t) => {
  const hosts = createHostPolicy(['plain.example', '10.0.0.5:5000', 'odd.example:80'])
  const table = {
    'docker.io': 'https://registry-1.docker.io',
    'ghcr.io': 'https://ghcr.io',
    'ghcr.io:443': 'https://ghcr.io',
    'Ghcr.IO': 'https://ghcr.io',
    localhost: 'http://localhost',
    'localhost:5000': 'http://localhost:5000',
    '127.0.0.1:5000': 'http://127.0.0.1:5000',
    '127.9.9.9': 'http://127.9.9.9',
    '[::1]:5000': 'http://[::1]:5000',
    '10.0.0.5:5000': 'http://10.0.0.5:5000',
    '10.0.0.5': 'https://10.0.0.5',
    'plain.example': 'http://plain.example',
    'plain.example:5000': 'https://plain.example:5000',
    'sub.plain.example': 'https://sub.plain.example',
    'odd.example:80': 'http://odd.example',
    'localhost.example': 'https://localhost.example',
    'my-localhost': 'https://my-localhost',
  }
  for (const [domain, origin] of Object.entries(table)) t.equal(hosts.hostOf(domain).origin, origin, domain)
  for (const bad of ['a/b', 'a?b', 'user@host', 'a b', ''])
    t.throws(() => hosts.hostOf(bad).origin, TypeError, bad)
})

t.test('a registry at home may lead elsewhere at home, and nobody else may', async (t) => {
  const home = createHostPolicy(['10.0.0.5:9000'])
  const may = (target: string, from: string, registry = from): boolean => {
    try {
      home.assertTarget(target, from, registry)
      return true
    } catch {
      return false
    }
  }
  t.ok(may('http://127.0.0.1:9000/x', 'http://127.0.0.1:5000'), 'another port of the same machine')
  t.ok(may('http://10.0.0.5:9000/x', 'http://127.0.0.1:5000'), 'what was named')
  t.notOk(may('http://10.0.0.5:9001/x', 'http://127.0.0.1:5000'))
  t.notOk(may('http://10.0.0.5:9000/x', 'https://reg.example.com'), 'not from HTTPS to HTTP, named or not')
  t.notOk(may('https://[fe80::1]/x', 'https://reg.example.com'))
  t.notOk(may('http://public.example/x', 'http://127.0.0.1:5000'))
  t.ok(may('https://public.example/x', 'http://127.0.0.1:5000'))
})

t.test('URLs in messages show no secrets', async (t) => {
  t.equal(redactUrl('https://u:p@h:1/a/b?sig=s&x#f'), 'https://h:1/a/b?…')
  t.equal(redactUrl('nonsense'), '(not a URL)')
})

t.test('repository names', async (t) => {
  for (const name of ['a', 'a/b/c', 'a.b', 'a_b', 'a__b', 'a---b', '0']) t.ok(isRepositoryName(name), name)
  for (const name of [
    '',
    'A',
    'a/',
    '/a',
    'a//b',
    '..',
    'a/..',
    'a..b',
    'a___b',
    '-a',
    'a.',
    '_a',
    'a\n',
    'a'.repeat(256),
  ]) {
    t.notOk(isRepositoryName(name), name)
  }
})

t.test('waits grow, obey, and end', async (t) => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  t.equal(parseRetryAfter('2', now), 2000)
  t.equal(parseRetryAfter('Thu, 01 Jan 2026 00:00:03 GMT', now), 3000)
  t.equal(parseRetryAfter('Thu, 01 Jan 2025 00:00:00 GMT', now), 0)
  t.equal(parseRetryAfter('99999999999999', now), 60_000)
  t.equal(parseRetryAfter('soon', now), undefined)
  t.equal(parseRetryAfter(undefined), undefined)
  t.equal(backOff(0, 1), 250)
  t.equal(backOff(2, 0), 500)
  t.equal(backOff(1000, 1), 30_000)
  const reason = new Error('enough')
  const controller = new AbortController()
  const slept = sleep(60_000, controller.signal)
  controller.abort(reason)
  await t.rejects(slept, reason)
  await t.rejects(sleep(1, controller.signal), reason)
})

t.test('a host gets its slots in order, and none while it rests', async (t) => {
  const limiter = createLimiter(1)
  const first = await limiter.acquire('h', 'blob')
  const order: number[] = []
  const second = limiter.acquire('h', 'blob').then((release) => (order.push(2), release))
  const controller = new AbortController()
  const given = limiter.acquire('h', 'blob', controller.signal)
  const third = limiter.acquire('h', 'blob').then((release) => (order.push(3), release))
  controller.abort(new Error('left the queue'))
  await t.rejects(given, /left the queue/)
  ;(await limiter.acquire('h', 'document'))()
  ;(await limiter.acquire('other', 'blob'))()
  t.strictSame(order, [], 'small requests and other hosts do not wait')
  first()
  first()
  ;(await second)()
  ;(await third)()
  t.strictSame(order, [2, 3])
  limiter.pause('h', 80)
  const started = performance.now()
  ;(await limiter.acquire('h', 'blob'))()
  t.ok(performance.now() - started >= 60)
  limiter.pause('h', 60_000)
  await t.rejects(limiter.acquire('h', 'blob', AbortSignal.timeout(5)), { name: 'TimeoutError' })
})

t.test('a deadline fires by itself, or with the signal it follows, or not at all', async (t) => {
  const late = createDeadline(5, undefined)
  await sleep(30)
  t.match(late.signal.reason, { name: 'TimeoutError' })
  const controller = new AbortController()
  const [followed, cleared] = [
    createDeadline(undefined, controller.signal),
    createDeadline(5, controller.signal),
  ]
  cleared.clear()
  await sleep(30)
  const reason = new Error('enough')
  controller.abort(reason)
  t.equal(followed.signal.reason, reason)
  t.equal(cleared.signal.aborted, false)
  t.equal(createDeadline(5, controller.signal).signal.reason, reason)
})
