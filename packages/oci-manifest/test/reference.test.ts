import * as fc from 'fast-check'
import t from 'tap'
import {
  dockerReference,
  familiarName,
  familiarReference,
  formatReference,
  isTag,
  OciManifestError,
  parseAnyReference,
  parseReference,
} from '../src/index.ts'

const SHA256 = `sha256:${'f'.repeat(64)}`
const SHA512 = `sha512:${'f'.repeat(128)}`
const ID = '1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a'

// The inputs of distribution/reference v0.6.0, normalize_test.go and reference_test.go, with what its
// ParseNormalizedNamed makes of them.
const ACCEPTED: readonly (readonly [input: string, domain: string, path: string, familiar: string])[] = [
  ['fooo/bar', 'docker.io', 'fooo/bar', 'fooo/bar'],
  ['docker.io/fooo/bar', 'docker.io', 'fooo/bar', 'fooo/bar'],
  ['index.docker.io/fooo/bar', 'docker.io', 'fooo/bar', 'fooo/bar'],
  ['ubuntu', 'docker.io', 'library/ubuntu', 'ubuntu'],
  ['library/ubuntu', 'docker.io', 'library/ubuntu', 'ubuntu'],
  ['docker.io/debian', 'docker.io', 'library/debian', 'debian'],
  ['index.docker.io/debian', 'docker.io', 'library/debian', 'debian'],
  ['nonlibrary/ubuntu', 'docker.io', 'nonlibrary/ubuntu', 'nonlibrary/ubuntu'],
  ['other/library', 'docker.io', 'other/library', 'other/library'],
  [
    '127.0.0.1:8000/private/moonbase',
    '127.0.0.1:8000',
    'private/moonbase',
    '127.0.0.1:8000/private/moonbase',
  ],
  ['127.0.0.1:8000/privatebase', '127.0.0.1:8000', 'privatebase', '127.0.0.1:8000/privatebase'],
  ['example.com/privatebase', 'example.com', 'privatebase', 'example.com/privatebase'],
  [
    'example.com:8000/private/moonbase',
    'example.com:8000',
    'private/moonbase',
    'example.com:8000/private/moonbase',
  ],
  [
    'index.docker.io/library/ubuntu-12.04-base',
    'docker.io',
    'library/ubuntu-12.04-base',
    'ubuntu-12.04-base',
  ],
  ['library/foo/bar', 'docker.io', 'library/foo/bar', 'library/foo/bar'],
  ['docker.io/library/foo/bar', 'docker.io', 'library/foo/bar', 'library/foo/bar'],
  ['store/foo/bar', 'docker.io', 'store/foo/bar', 'store/foo/bar'],
  ['Foo/bar', 'Foo', 'bar', 'Foo/bar'],
  ['FOO/bar', 'FOO', 'bar', 'FOO/bar'],
  ['192.168.0.1', 'docker.io', 'library/192.168.0.1', '192.168.0.1'],
  ['192.168.0.1:8/debian', '192.168.0.1:8', 'debian', '192.168.0.1:8/debian'],
  ['[fc00::1]:5000/docker', '[fc00::1]:5000', 'docker', '[fc00::1]:5000/docker'],
  [
    '[fc00:1:2:3:4:5:6:7]:5000/library/debian',
    '[fc00:1:2:3:4:5:6:7]:5000',
    'library/debian',
    '[fc00:1:2:3:4:5:6:7]:5000/library/debian',
  ],
  ['[2001:db8::1]/repo', '[2001:db8::1]', 'repo', '[2001:db8::1]/repo'],
  ['[::1]:5000/repo', '[::1]:5000', 'repo', '[::1]:5000/repo'],
  [`docker.io/${ID}`, 'docker.io', `library/${ID}`, ID],
  [ID.slice(1), 'docker.io', `library/${ID.slice(1)}`, ID.slice(1)],
  [
    'thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev',
    'docker.io',
    'library/thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev',
    'thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev',
  ],
  ['docker-rules/docker', 'docker.io', 'docker-rules/docker', 'docker-rules/docker'],
  ['docker---rules/docker', 'docker.io', 'docker---rules/docker', 'docker---rules/docker'],
  ['d/docker', 'docker.io', 'd/docker', 'd/docker'],
  ['dock__er/docker', 'docker.io', 'dock__er/docker', 'dock__er/docker'],
  ['test_com/foo', 'docker.io', 'test_com/foo', 'test_com/foo'],
  ['test.com:8080/foo', 'test.com:8080', 'foo', 'test.com:8080/foo'],
  ['test-com:8080/foo', 'test-com:8080', 'foo', 'test-com:8080/foo'],
  ['xn--n3h.com:18080/foo', 'xn--n3h.com:18080', 'foo', 'xn--n3h.com:18080/foo'],
  ['localhost/foo', 'localhost', 'foo', 'localhost/foo'],
  ['localhost', 'docker.io', 'library/localhost', 'localhost'],
  [`a/${'a/'.repeat(126)}a`, 'docker.io', `a/${'a/'.repeat(126)}a`, `a/${'a/'.repeat(126)}a`],
]

const REJECTED: readonly string[] = [
  '',
  ':justtag',
  `@${SHA256}`,
  `repo@sha256:${'f'.repeat(34)}`,
  `validname@invaliddigest:${'f'.repeat(64)}`,
  `repo@sha256:${'F'.repeat(64)}`,
  'Uppercase:tag',
  'test:5000/Uppercase/lowercase:tag',
  `${'a/'.repeat(128)}a:tag`,
  'aa/asdf$$^/aa',
  'https://github.com/docker/docker',
  'docker/Docker',
  'docker.io/docker/Docker',
  '-docker',
  '-docker/docker',
  'docker-/docker',
  '-docker.io/docker/docker',
  'docker///docker',
  'docker.io/docker///docker',
  'docker/',
  '/docker',
  '____/____',
  '_docker/_docker',
  'dock..er/docker',
  'dock_.er/docker',
  'dock-.er/docker',
  '[fc00::1]',
  '[fc00::1]:5000',
  '[2001:db8::1]:tag',
  'fc00::1:5000/debian',
  '[fe80::1%eth0]:5000/debian',
  '[fe80::1%@invalidzone]:5000/repo',
  '[2001:db8:3:4::192.0.2.33]:5000/debian',
  ID,
  'foo_bar.com:8080/x',
  'repo:',
  'repo:-tag',
  `repo:${'t'.repeat(129)}`,
  'repo@',
  `repo@${SHA256}:tag`,
  'repo:tag\n',
  'repo ',
  '../repo',
  'example.com/../repo',
  'example.com/%2e%2e/repo',
  `${'a'.repeat(100_000)}-.com/repo`,
]

t.test('references are normalised as distribution/reference does', async (t) => {
  for (const [input, domain, path, familiar] of ACCEPTED) {
    const reference = parseReference(input)
    t.strictSame(reference, { domain, path }, input)
    t.equal(familiarName(reference), familiar)
    if (familiar === ID) continue // The one familiar name that is not read back; so it is in Docker.
    t.strictSame(parseReference(familiarName(reference)), reference, 'the familiar name means the same')
  }
})

t.test('tags and digests are taken off', async (t) => {
  const cases: readonly (readonly [string, string | undefined, string | undefined])[] = [
    ['test.com:tag', 'tag', undefined],
    ['test.com:5000', '5000', undefined],
    ['name:5000', '5000', undefined],
    ['test.com/repo:tag', 'tag', undefined],
    ['test:5000/repo', undefined, undefined],
    ['test:5000/repo:tag', 'tag', undefined],
    [`test:5000/repo@${SHA256}`, undefined, SHA256],
    [`test:5000/repo:tag@${SHA256}`, 'tag', SHA256],
    [`xn--7o8h.com/myimage:xn--7o8h.com@${SHA512}`, 'xn--7o8h.com', SHA512],
    ['lowercase:Uppercase', 'Uppercase', undefined],
    ['foo/foo_bar.com:8080', '8080', undefined],
    [`${'a/'.repeat(127)}a:tag-puts-this-over-max`, 'tag-puts-this-over-max', undefined],
    ['[2001:db8::1]:5000/repo:tag', 'tag', undefined],
  ]
  for (const [input, tag, digest] of cases) {
    const { domain: _, path: __, ...rest } = parseReference(input)
    t.strictSame(
      rest,
      { ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) },
      input,
    )
  }
})

t.test('what is not a reference is refused', async (t) => {
  for (const input of REJECTED) {
    t.throws(
      () => parseReference(input),
      { name: 'OciManifestError', code: 'ERR_OCI_MANIFEST_REFERENCE' },
      input.slice(0, 80),
    )
  }
})

t.test('parseAnyReference also takes image IDs and digests', async (t) => {
  t.equal(parseAnyReference(ID), `sha256:${ID}`)
  t.equal(parseAnyReference(SHA256), SHA256)
  t.strictSame(parseAnyReference('dbcc1'), { domain: 'docker.io', path: 'library/dbcc1' })
})

t.test('the docker form has a digest or a tag, latest if nothing is said', async (t) => {
  const docker = (input: string): string => formatReference(dockerReference(parseReference(input)))
  t.equal(docker('busybox'), 'docker.io/library/busybox:latest')
  t.equal(docker('busybox:1'), 'docker.io/library/busybox:1')
  t.equal(docker(`busybox@${SHA256}`), `docker.io/library/busybox@${SHA256}`)
  t.equal(docker(`busybox:latest@${SHA256}`), `docker.io/library/busybox@${SHA256}`)
  t.equal(familiarReference(parseReference(`busybox:latest@${SHA256}`)), `busybox:latest@${SHA256}`)
})

t.test('isTag follows the distribution-spec', async (t) => {
  for (const tag of ['a', '_a', '1.0-x_Y', 'a'.repeat(128)]) t.ok(isTag(tag), tag)
  for (const tag of ['', '.a', '-a', 'a/b', 'a:b', 'é', 'a'.repeat(129)]) t.notOk(isTag(tag), tag)
})

t.test('a formatted reference parses to itself', async (t) => {
  const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?$/)
  const domain = fc
    .tuple(fc.array(label, { minLength: 2, maxLength: 3 }), fc.option(fc.nat(65535)))
    .map(([labels, port]) => `${labels.join('.')}${port === null ? '' : `:${port}`}`)
  const path = fc.array(fc.stringMatching(/^[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}$/), {
    minLength: 1,
    maxLength: 3,
  })
  const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}$/)
  fc.assert(
    fc.property(fc.option(domain), path, fc.option(tag), fc.boolean(), (host, parts, name, digested) => {
      // Without a host, a first part with a dot would be taken for one.
      const text = `${host === null ? 'x/' : `${host}/`}${parts.join('/')}${name === null ? '' : `:${name}`}${digested ? `@${SHA256}` : ''}`
      const once = formatReference(parseReference(text))
      t.equal(formatReference(parseReference(once)), once)
      t.strictSame(parseReference(familiarReference(parseReference(text))), parseReference(text))
    }),
  )
})

t.test('nothing but the typed error is thrown', async (t) => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'aA0./:@_-[]%'.split('')) })),
      (text) => {
        try {
          const once = formatReference(parseReference(text))
          t.equal(formatReference(parseReference(once)), once)
        } catch (error) {
          if (!(error instanceof OciManifestError)) throw error
        }
      },
    ),
    { numRuns: 2000 },
  )
  t.pass()
})
