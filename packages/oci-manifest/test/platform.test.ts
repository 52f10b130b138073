import * as fc from 'fast-check'
import t from 'tap'
import {
  formatPlatform,
  hostPlatform,
  isPlatformMatch,
  matchPlatform,
  normalizePlatform,
  OciManifestError,
  parsePlatform,
  type Platform,
} from '../src/index.ts'

const PLATFORM_ERROR = { name: 'OciManifestError', code: 'ERR_OCI_MANIFEST_PLATFORM' }

t.test('platforms parse to their normal form and back', async (t) => {
  t.intercept(process, 'arch', { value: 'x64' })
  const cases: readonly (readonly [input: string, expected: Platform, formatted: string])[] = [
    ['linux/arm64', { os: 'linux', architecture: 'arm64' }, 'linux/arm64'],
    ['linux/arm64/v8', { os: 'linux', architecture: 'arm64' }, 'linux/arm64'],
    ['linux/arm64/v8.0', { os: 'linux', architecture: 'arm64' }, 'linux/arm64'],
    ['linux/arm64/8', { os: 'linux', architecture: 'arm64' }, 'linux/arm64'],
    ['linux/arm64/v9.0', { os: 'linux', architecture: 'arm64', variant: 'v9' }, 'linux/arm64/v9'],
    ['linux/arm64/9', { os: 'linux', architecture: 'arm64', variant: 'v9' }, 'linux/arm64/v9'],
    ['linux/arm64/v8.2', { os: 'linux', architecture: 'arm64', variant: 'v8.2' }, 'linux/arm64/v8.2'],
    ['linux/arm', { os: 'linux', architecture: 'arm', variant: 'v7' }, 'linux/arm/v7'],
    ['linux/arm/7', { os: 'linux', architecture: 'arm', variant: 'v7' }, 'linux/arm/v7'],
    ['linux/arm/v6', { os: 'linux', architecture: 'arm', variant: 'v6' }, 'linux/arm/v6'],
    ['linux/arm/5', { os: 'linux', architecture: 'arm', variant: 'v5' }, 'linux/arm/v5'],
    ['armel', { os: 'linux', architecture: 'arm', variant: 'v6' }, 'linux/arm/v6'],
    ['armhf', { os: 'linux', architecture: 'arm', variant: 'v7' }, 'linux/arm/v7'],
    ['Aarch64', { os: 'linux', architecture: 'arm64' }, 'linux/arm64'],
    ['x86_64', { os: 'linux', architecture: 'amd64' }, 'linux/amd64'],
    ['x86-64', { os: 'linux', architecture: 'amd64' }, 'linux/amd64'],
    ['Linux/x86_64', { os: 'linux', architecture: 'amd64' }, 'linux/amd64'],
    ['linux/amd64/v1', { os: 'linux', architecture: 'amd64' }, 'linux/amd64'],
    ['linux/amd64/v3', { os: 'linux', architecture: 'amd64', variant: 'v3' }, 'linux/amd64/v3'],
    ['i386', { os: 'linux', architecture: '386' }, 'linux/386'],
    ['s390x', { os: 'linux', architecture: 's390x' }, 'linux/s390x'],
    ['linux', { os: 'linux', architecture: 'amd64' }, 'linux/amd64'],
    ['macOS', { os: 'darwin', architecture: 'amd64' }, 'darwin/amd64'],
    ['windows()', { os: 'windows', architecture: 'amd64' }, 'windows/amd64'],
    [
      'windows(10.0.17763)/amd64',
      { os: 'windows', architecture: 'amd64', 'os.version': '10.0.17763' },
      'windows(10.0.17763)/amd64',
    ],
    [
      'windows(10.0.17763+win32k)',
      { os: 'windows', architecture: 'amd64', 'os.version': '10.0.17763', 'os.features': ['win32k'] },
      'windows(10.0.17763+win32k)/amd64',
    ],
    [
      'linux(+unsorted+erofs+erofs)/amd64',
      { os: 'linux', architecture: 'amd64', 'os.features': ['erofs', 'unsorted'] },
      'linux(+erofs+unsorted)/amd64',
    ],
    [
      'windows(10.0%2Bbuild.42%25%28+a%2Fb)/amd64',
      { os: 'windows', architecture: 'amd64', 'os.version': '10.0+build.42%(', 'os.features': ['a/b'] },
      'windows(10.0%2Bbuild.42%25%28+a%2Fb)/amd64',
    ],
    ['unheard/of', { os: 'unheard', architecture: 'of' }, 'unheard/of'],
  ]
  for (const [input, expected, formatted] of cases) {
    t.strictSame(parsePlatform(input), expected, input)
    t.equal(formatPlatform(expected), formatted)
    t.strictSame(parsePlatform(formatted), expected, 'and back')
  }
  t.equal(formatPlatform({ os: '', architecture: '' }), 'unknown')
})

t.test('what is not a platform is refused', async (t) => {
  const rejected = [
    '',
    '/linux/arm',
    'linux/arm/',
    'linux//v7',
    'linux /arm',
    'linux/&arm',
    'linux/arm/foo/bar',
  ]
  rejected.push('*', 'linux/*', 'nonsense', 'linux(', 'linux(a)b/amd64', 'linux(+)/amd64', 'linux(%zz)/amd64')
  for (const input of rejected) t.throws(() => parsePlatform(input), PLATFORM_ERROR, JSON.stringify(input))
})

t.test('the host is Linux on this architecture, by its Go name', async (t) => {
  const names: readonly (readonly [string, string])[] = [
    ['x64', 'linux/amd64'],
    ['ia32', 'linux/386'],
    ['arm64', 'linux/arm64'],
    ['ppc64', 'linux/ppc64le'],
    ['mipsel', 'linux/mipsle'],
    ['s390x', 'linux/s390x'],
  ]
  for (const [arch, expected] of names) {
    const restore = t.intercept(process, 'arch', { value: arch })
    t.equal(formatPlatform(hostPlatform()), expected, arch)
    restore.restore()
  }
  t.intercept(process, 'arch', { value: 'arm' })
  t.intercept(process, 'config', { value: { variables: { arm_version: '6' } } })
  t.equal(formatPlatform(hostPlatform()), 'linux/arm/v6', 'with the level this Node was built for')
  t.intercept(process, 'arch', { value: undefined })
  t.throws(() => hostPlatform(), PLATFORM_ERROR, 'an unknown one is not guessed')
})

// containerd/platforms v1.0.0-rc.5, compare_test.go, TestOnly; where it falls back to another architecture, that is
// the third column here, and only by option.
const FALLBACKS: readonly (readonly [wanted: string, own: string, cross: string, never: string])[] = [
  [
    'linux/amd64',
    'linux/amd64',
    'linux/386',
    'linux/amd64/v2 linux/arm/v7 linux/arm64 windows/amd64 windows/arm',
  ],
  [
    'linux/amd64/v2',
    'linux/amd64/v2 linux/amd64',
    'linux/386',
    'linux/amd64/v3 linux/amd64/v4 linux/arm64 windows/amd64',
  ],
  ['linux/386', 'linux/386', '', 'linux/amd64 linux/arm/v7 linux/arm64'],
  [
    'linux/arm/v8',
    'linux/arm/v8 linux/arm linux/arm/v6 linux/arm/v5',
    '',
    'linux/amd64 linux/arm/v4 linux/arm64',
  ],
  ['linux/arm/v7', 'linux/arm/v7 linux/arm/v6 linux/arm/v5', '', 'linux/arm/v4 linux/arm/v8 linux/arm64'],
  ['linux/arm/v6', 'linux/arm/v6 linux/arm/v5', '', 'linux/arm linux/arm/v4 linux/arm/v7 linux/arm/v8'],
  ['linux/arm/v5', 'linux/arm/v5', '', 'linux/arm linux/arm/v4 linux/arm/v6'],
  ['linux/arm/v4', 'linux/arm/v4', '', 'linux/arm linux/arm/v5'],
  [
    'linux/arm64/v9',
    'linux/arm64/v9 linux/arm64/v8.5 linux/arm64/v8.4 linux/arm64/v8.3 linux/arm64/v8.2 linux/arm64/v8.1 linux/arm64',
    'linux/arm/v8 linux/arm linux/arm/v6 linux/arm/v5',
    'linux/amd64 linux/arm/v4 linux/arm64/v8.6 linux/arm64/v9.1',
  ],
  [
    'linux/arm64/v9.5',
    'linux/arm64/v9.5 linux/arm64/v9.4 linux/arm64/v9 linux/arm64/v8.9 linux/arm64',
    '',
    'linux/arm64/v9.6',
  ],
  [
    'linux/arm64/v8.1',
    'linux/arm64/v8.1 linux/arm64',
    'linux/arm/v8 linux/arm/v5',
    'linux/arm/v4 linux/arm64/v9',
  ],
  [
    'linux/arm64',
    'linux/arm64/v8',
    'linux/arm/v8 linux/arm linux/arm/v6',
    'linux/arm64/v8.1 linux/arm64/v9 linux/amd64',
  ],
  ['linux/riscv64', 'linux/riscv64', '', 'linux/riscv64/v1 linux/amd64'],
  ['linux/amd64/3', 'linux/amd64/3 linux/amd64/v2 linux/amd64', 'linux/386', 'linux/amd64/v3'],
]

t.test('older levels of a CPU are matched, best first', async (t) => {
  for (const [wanted, own, cross, never] of FALLBACKS) {
    const all = [never, cross, own].join(' ').split(' ').filter(Boolean)
    const candidates = all.toReversed().map((text) => ({ text, platform: parsePlatform(text) }))
    const pick = (options: object): string =>
      matchPlatform(candidates, parsePlatform(wanted), options)
        .map(({ text }) => text)
        .join(' ')
    t.equal(pick({}), own, `${wanted}, its own architecture`)
    t.equal(pick({ crossArchitecture: true }), `${own} ${cross}`.trim(), `${wanted}, also others`)
    t.equal(pick({ strict: true, crossArchitecture: true }), own.split(' ')[0], `${wanted}, strictly`)
  }
})

t.test('images without a platform come last, attestations never', async (t) => {
  const candidates = [
    { name: 'untold' },
    { name: 'attestation', platform: { os: 'unknown', architecture: 'unknown' } },
    { name: 'empty', platform: { os: '', architecture: '' } },
    { name: 'first', platform: { os: 'linux', architecture: 'amd64' } },
    { name: 'second', platform: { os: 'Linux', architecture: 'x86_64' } },
  ]
  const wanted = parsePlatform('linux/amd64')
  const names = matchPlatform(candidates, wanted).map(({ name }) => name)
  t.strictSame(names, ['first', 'second', 'untold', 'empty'])
  t.notOk(
    isPlatformMatch({ os: 'unknown', architecture: 'unknown' }, { os: 'unknown', architecture: 'unknown' }),
  )
})

t.test('features must be offered, and more of them are better', async (t) => {
  const candidates = ['linux/amd64', 'linux(+a)/amd64', 'linux(+a+b)/amd64', 'linux(+c)/amd64'].map(
    (text) => ({
      text,
      platform: parsePlatform(text),
    }),
  )
  const pick = (wanted: string): readonly string[] =>
    matchPlatform(candidates, parsePlatform(wanted)).map(({ text }) => text)
  t.strictSame(pick('linux/amd64'), ['linux/amd64'])
  t.strictSame(pick('linux(+a+b)/amd64'), ['linux(+a+b)/amd64', 'linux(+a)/amd64', 'linux/amd64'])
})

t.test('windows builds match in ranges', async (t) => {
  const cases: readonly (readonly [host: string, image: string, matches: boolean])[] = [
    ['10.0.17763', '10.0.17763.4131', true],
    ['10.0.17763', '10.0.17134', false],
    ['10.0.19042', '10.0.17763', false],
    ['10.0.20348.1', '10.0.20348', true],
    ['10.0.20348', '10.0.17763', false],
    ['10.0.20348', '10.0.22000', false],
    ['10.0.22621', '10.0.20348', true],
    ['10.0.22621', '10.0.22000', true],
    ['10.0.26100', '10.0.20348', true],
    ['10.0.26100', '10.0.26100', true],
    ['10.0.26200', '10.0.20348', true],
    ['10.0.26200', '10.0.17763', false],
    ['10.0.65536', '10.0.1', true],
    ['10.0.20348', '10.0.65536', false],
    ['10.256.20348', '10.0.1', true],
    ['10.0.26200', '10.0.26100', true],
    ['10.1.20348', '10.0.20348', false],
    ['10.0.20348', '', true],
    ['', '10.0.17763', true],
    ['10.0.20348', 'nonsense', false],
    ['nonsense', '10.0.20348', true],
  ]
  const windows = (version: string): Platform => ({
    os: 'windows',
    architecture: 'amd64',
    'os.version': version,
  })
  for (const [host, image, matches] of cases) {
    t.equal(isPlatformMatch(windows(image), windows(host)), matches, `${image} on ${host}`)
  }
  const candidates = ['10.0.20348', '', '10.0.26100', '10.0.22000'].map((version) => ({
    platform: windows(version),
  }))
  t.strictSame(
    matchPlatform(candidates, windows('10.0.26100')).map(({ platform }) => platform['os.version']),
    ['10.0.26100', '10.0.22000', '10.0.20348', ''],
    'highest build first',
  )
  const win32k = { ...windows('10.0.20348'), 'os.features': ['win32k'] }
  t.ok(isPlatformMatch(win32k, windows('10.0.20348')), 'win32k rules nothing out')
  const linux: Platform = { os: 'linux', architecture: 'amd64' }
  t.notOk(isPlatformMatch({ ...linux, 'os.features': ['win32k'] }, linux), 'but on Linux it would')
})

t.test('normalizing twice changes nothing, and only the typed error is thrown', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'linuxarm64v8/()+%.20_-'.split('')) }), (text) => {
      try {
        const platform = parsePlatform(text)
        t.strictSame(normalizePlatform(platform), platform)
        t.strictSame(parsePlatform(formatPlatform(platform)), platform)
      } catch (error) {
        if (!(error instanceof OciManifestError)) throw error
      }
    }),
    { numRuns: 2000 },
  )
  t.pass()
})
