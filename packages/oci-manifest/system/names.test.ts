/**
 * Names and platforms, compared with what Docker's own libraries make of them: distribution/reference v0.6.0 and
 * containerd/platforms v1.0.0-rc.5, asked through `scripts/services/oracle`.
 *
 * Where we differ on purpose, the inputs or the comparison say so: names without a domain; escapes of what is not
 * UTF-8; levels of arm64 that containerd does not know, which it matches with nothing, not even themselves; and of
 * several Windows builds we take the highest, as containerd does on Windows only.
 *
 * @module
 */
import { findProgram, needs } from '@varve/testing/peers'
import { execFileSync } from 'node:child_process'
import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  dockerReference,
  familiarName,
  familiarReference,
  formatPlatform,
  formatReference,
  matchPlatform,
  isPlatformMatch,
  normalizePlatform,
  parseAnyReference,
  parsePlatform,
  parseReference,
  type Platform,
} from '../src/index.ts'

const SEED = 20_260_501
const HEX = '0123456789abcdef'.repeat(4)
const DIGESTS = [
  `sha256:${HEX}`,
  `sha512:${HEX}${HEX}`,
  `sha256:${HEX.toUpperCase()}`,
  `sha256:${HEX.slice(1)}`,
  `md5:${HEX.slice(0, 32)}`,
  `Sha256:${HEX}`,
  `a+b_c.d-e:${HEX}`,
  `blake3:${HEX}`,
  'sha256:',
  ':x',
  '',
]

/** What the oracle says. */
interface Answer {
  readonly error?: string
  readonly domain?: string
  readonly path?: string
  readonly tag?: string
  readonly digest?: string
  readonly full?: string
  readonly familiar?: string
  readonly name?: string
  readonly docker?: string
  readonly platform?: Platform
  readonly matches?: readonly boolean[]
  readonly order?: readonly number[]
}

/** Asks all at once: one process for thousands of questions. */
function ask(requests: readonly object[]): readonly Answer[] {
  const input = requests.map((request) => `${JSON.stringify(request)}\n`).join('')
  const output = execFileSync(findProgram('oracle') ?? 'oracle', {
    input,
    maxBuffer: 1 << 28,
    encoding: 'utf8',
  })
  return output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer)
}

/** Fails once, with the first few that differ. */
function compare<T>(
  t: Test,
  inputs: readonly T[],
  answers: readonly Answer[],
  ours: (input: T) => Answer,
): void {
  t.equal(answers.length, inputs.length)
  const differing = inputs
    .map((input, index) => ({ input, ours: ours(input), theirs: answers[index] ?? {} }))
    .filter((each) => !isSame(each.ours, each.theirs))
  t.strictSame(differing.slice(0, 5), [], `${inputs.length} cases`)
}

/** An error is an error, whatever it says. */
function isSame(a: Answer, b: Answer): boolean {
  return a.error === undefined ? isDeepStrictEqual(a, b) : b.error !== undefined
}

function orError(work: () => Answer): Answer {
  try {
    return work()
  } catch (error) {
    return { error: String(error) }
  }
}

const alphabet = (letters: string, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...letters.split('')), maxLength })

const units = (parts: readonly string[], maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...parts), maxLength })

const component = fc.oneof(
  alphabet('abz09._-', 8),
  alphabet('aZ0.:[]-', 8),
  fc.constantFrom(
    ...'a ubuntu library localhost docker.io index.docker.io ghcr.io [::1] [::1]:5000 [fe80::1%eth0] 127.0.0.1'.split(
      ' ',
    ),
    ...'localhost:5000 host:port A a__b a___b a..b a--b -a a- xn--n3h.com é \u017f\u212a'.split(' '),
    HEX,
    'a'.repeat(64),
    'a'.repeat(120),
    'a'.repeat(247),
    'a'.repeat(256),
  ),
)
const tag = fc.oneof(
  alphabet('aZ0._-:@/ é', 6),
  fc.constantFrom('latest', 'a'.repeat(128), 'a'.repeat(129), '.x'),
)
const simple = fc.constantFrom(
  ...'a b0 ubuntu library my-app a.b a__b localhost example.com host:5000'.split(' '),
)
const reference = fc
  .tuple(
    fc.oneof(
      fc.array(component, { minLength: 1, maxLength: 4 }),
      fc.array(simple, { minLength: 1, maxLength: 4 }),
    ),
    fc.option(fc.oneof(tag, fc.constantFrom('1.0', 'v2', 'Latest'))),
    fc.option(fc.oneof(fc.constantFrom(...DIGESTS), alphabet('sha256:0f@', 12))),
  )
  .map(([parts, name, digest]) =>
    [parts.join('/'), name === null ? '' : `:${name}`, digest === null ? '' : `@${digest}`].join(''),
  )

t.test(
  '§7: references parse, normalise and print as in distribution/reference',
  needs('oracle'),
  async (t) => {
    const anything = fc.oneof(reference, fc.string({ maxLength: 20 }), alphabet('a.:/@-_A[]0', 12))
    const inputs = fc.sample(anything, { numRuns: 20_000, seed: SEED })
    const answers = ask(inputs.map((text) => ({ reference: text }))).map((answer) =>
      // It lets `a.b_c/d` through with an empty domain, which names no registry; here it is an error.
      answer.error === undefined && answer.domain === undefined ? { error: 'no domain' } : answer,
    )
    compare(t, inputs, answers, (text) =>
      orError(() => {
        const found = parseReference(text)
        const { domain, path, tag: name, digest } = found
        return {
          domain,
          path,
          ...(name === undefined ? {} : { tag: name }),
          ...(digest === undefined ? {} : { digest }),
          full: formatReference(found),
          familiar: familiarReference(found),
          name: familiarName(found),
          docker: formatReference(dockerReference(found)),
        }
      }),
    )
    t.ok(answers.filter(({ error }) => error === undefined).length > 1000, 'many of them are good')
  },
)

t.test('§7: parseAnyReference takes what ParseAnyReference takes', needs('oracle'), async (t) => {
  const inputs = fc.sample(fc.oneof(fc.constantFrom(...DIGESTS, HEX, HEX.toUpperCase()), reference), {
    numRuns: 3000,
    seed: SEED,
  })
  const answers = ask(inputs.map((text) => ({ any: text }))).map((answer) =>
    /^[^/]+\/[^/]/.test(answer.full ?? '/') || answer.full?.includes('/') === false
      ? answer
      : { error: 'no domain' },
  )
  compare(t, inputs, answers, (text) =>
    orError(() => {
      const found = parseAnyReference(text)
      return { full: typeof found === 'string' ? found : formatReference(found) }
    }),
  )
})

const osName = fc.constantFrom(...'linux Linux windows darwin macOS unheard freebsd wasip1 js'.split(' '))
const architectureName = fc.constantFrom(
  ...'amd64 x86_64 X86-64 386 i386 arm arm64 aarch64 armhf armel riscv64 ppc64le s390x wasm odd'.split(' '),
)
const UNKNOWN_LEVELS = 'v0 v10 v8.10 v9.8 v9.9 x 3 v05'.split(' ')
const variantName = fc.oneof(
  fc.constantFrom(
    ...'v1 v2 v3 v4 v5 v6 v7 v8 v9 5 6 7 8 9 9.0 v8.0 v9.0 v8.1 v8.5 v8.9 v9.3 v9.7 V8'.split(' '),
  ),
  fc.constantFrom(...UNKNOWN_LEVELS),
)
const versionText = fc.constantFrom(
  ...'10.0.17763 10.0.17763.4131 10.0.20348 10.0.20348.1 10.0.22621 10.0.25398 10.0.26100 10.0.26200 10.1.20348'.split(
    ' ',
  ),
  ...'10.0 nonsense 10.0.99999 300.0.20348 7.2'.split(' '),
)
const featureNames = fc.uniqueArray(fc.constantFrom(...'a b erofs win32k z'.split(' ')), { maxLength: 3 })

t.test('§7: platforms parse, normalise and print as in containerd', needs('oracle'), async (t) => {
  const written = fc
    .tuple(
      fc.oneof(osName, architectureName, alphabet('linux_-. ', 5)),
      fc.option(
        fc.tuple(
          fc.oneof(versionText, units(['a', '0', '.', '%2B', '%2f', '%25', '%zz', '+', '+b'], 4)),
          fc.oneof(featureNames, fc.constant(['', 'a%2Fb'])),
        ),
      ),
      fc.array(fc.oneof(architectureName, variantName, alphabet('arm64v8*/', 5)), { maxLength: 3 }),
    )
    .map(([os, options, rest]) => {
      const [version, features] = options ?? ['', []]
      const inside = options === null ? '' : `(${version}${features.map((each) => `+${each}`).join('')})`
      return [`${os}${inside}`, ...rest].join('/')
    })
  const inputs = fc.sample(written, { numRuns: 10_000, seed: SEED })
  const answers = ask(inputs.map((text) => ({ platform: text })))
  compare(t, inputs, answers, (text) =>
    orError(() => {
      const platform = parsePlatform(text)
      return { platform, full: formatPlatform(platform) }
    }),
  )
  t.ok(answers.filter(({ error }) => error === undefined).length > 1000, 'many of them are good')
})

const platform: fc.Arbitrary<Platform> = fc
  .tuple(osName, architectureName, fc.option(variantName), fc.option(versionText), fc.option(featureNames))
  .map(([os, architecture, variant, version, features]) => ({
    os,
    architecture,
    ...(variant === null ? {} : { variant }),
    ...(version === null ? {} : { 'os.version': version }),
    ...(features === null ? {} : { 'os.features': features }),
  }))

/** Platforms of one family, so that many of them match. */
const family = fc
  .tuple(fc.constantFrom('linux', 'windows'), fc.constantFrom('amd64', 'arm', 'arm64'))
  .chain(([os, architecture]) =>
    fc.array(
      platform.map((each) => ({
        ...each,
        os: each.os === 'js' ? each.os : os,
        architecture: each.architecture === 'odd' ? '386' : architecture,
      })),
      { minLength: 2, maxLength: 9 },
    ),
  )

for (const [title, strict] of [
  ['§7: platforms match and rank as in containerd', false],
  ['§7: only equal platforms match, strictly', true],
] as const) {
  t.test(title, needs('oracle'), async (t) => {
    const inputs = fc
      .sample(fc.oneof(family, fc.array(platform, { minLength: 2, maxLength: 6 })), {
        numRuns: 10_000,
        seed: SEED,
      })
      .filter(([wanted]) => strict || isKnownLevel(wanted))
    const requests = inputs.map(([wanted, ...candidates]) => ({ wanted, candidates, strict }))
    const options = { strict, crossArchitecture: true }
    const answers = ask(requests).map((answer, index) => {
      if (normalizePlatform(inputs[index]?.[0] as Platform).os !== 'windows') return answer
      const { order: _, ...rest } = answer
      return rest
    })
    compare(t, inputs, answers, ([wanted, ...candidates]) => {
      const order = matchPlatform(
        candidates.map((each, index) => ({ platform: each, index })),
        wanted as Platform,
        options,
      ).map(({ index }) => index)
      return {
        matches: candidates.map((each) => isPlatformMatch(each, wanted as Platform, options)),
        ...(order.length === 0 || wanted?.os === 'windows' ? {} : { order }),
      }
    })
    t.ok(answers.filter(({ matches }) => matches?.includes(true)).length > 100, 'some of them match')
  })
}

function isKnownLevel(wanted: Platform | undefined): boolean {
  const { architecture, variant = 'v8' } = normalizePlatform(wanted as Platform)
  return architecture !== 'arm64' || /^v(?:8(?:\.[0-9])?|9(?:\.[0-7])?)$/.test(variant)
}
