/**
 * Choosing from images by platform.
 *
 * The rules are those of containerd/platforms v1.0.0-rc.5: a CPU runs what was built for older levels of it, an image's
 * `os.features` must all be offered, and Windows builds are compatible in ranges. On purpose different: other
 * architectures only by option, the highest Windows build first on every machine, and a level of arm64 that is not known
 * matches at least itself.
 *
 * @module
 */
import { normalizePlatform, type Platform } from './platform.ts'

/** How much may differ. */
export interface MatchOptions {
  /** Only the same architecture and variant. */
  readonly strict?: boolean
  /** Also another architecture that the CPU may run: 386 on amd64, arm on arm64. */
  readonly crossArchitecture?: boolean
}

/** Long-term releases of Windows whose containers later hosts run; the first is the floor. */
const WINDOWS_RELEASES: readonly number[] = [20348, 26100]

/** How well a platform fits, compared member by member, lower is better. */
type Rank = readonly [architecture: number, build: number, features: number]

/**
 * The candidates that may run on `wanted`, best first; among equals the order given decides.
 *
 * Those without a platform come last: only their config can tell. `unknown/unknown`, which is how attestations are
 * listed, never matches.
 */
export function matchPlatform<T extends { readonly platform?: Platform }>(
  candidates: readonly T[],
  wanted: Platform,
  options: MatchOptions = {},
): readonly T[] {
  const ranked: { readonly candidate: T; readonly rank: Rank }[] = []
  const untold: T[] = []
  for (const candidate of candidates) {
    const { platform } = candidate
    if (platform === undefined || platform.os === '' || platform.architecture === '') {
      untold.push(candidate)
      continue
    }
    const rank = rankOf(platform, wanted, options)
    if (rank !== undefined) ranked.push({ candidate, rank })
  }
  ranked.sort((a, b) => compareRanks(a.rank, b.rank))
  return [...ranked.map(({ candidate }) => candidate), ...untold]
}

/** Whether an image for `candidate` may run on `wanted`. */
export function isPlatformMatch(candidate: Platform, wanted: Platform, options: MatchOptions = {}): boolean {
  return rankOf(candidate, wanted, options) !== undefined
}

function rankOf(candidate: Platform, wanted: Platform, options: MatchOptions): Rank | undefined {
  const have = normalizePlatform(candidate)
  const want = normalizePlatform(wanted)
  if (have.os === 'unknown' || have.os !== want.os) return undefined
  const architecture = runnable(want, options).indexOf(`${have.architecture}/${have.variant ?? ''}`)
  const build = have.os === 'windows' ? rankBuild(have['os.version'], want['os.version']) : 0
  const features = rankFeatures(have, want)
  if (architecture === -1 || build === undefined || features === undefined) return undefined
  return [architecture, build, features]
}

/** Every `architecture/variant` that runs on a CPU, best first. */
function runnable({ architecture, variant = '' }: Platform, options: MatchOptions): readonly string[] {
  const own = `${architecture}/${variant}`
  if (options.strict === true) return [own]
  const older = olderVariants(architecture, variant).map((each) => `${architecture}/${each}`)
  return options.crossArchitecture === true
    ? [own, ...older, ...otherArchitectures(architecture)]
    : [own, ...older]
}

function olderVariants(architecture: string, variant: string): readonly string[] {
  if (architecture === 'arm64') return olderArm64(variant)
  const level = Number(/^v?(\d{1,2})$/.exec(variant)?.[1] ?? 0)
  if (architecture === 'amd64') return descending(level - 1, 1, (each) => (each === 1 ? '' : `v${each}`))
  if (architecture === 'arm') return descending(level - 1, 5, (each) => `v${each}`)
  return []
}

/** Armv9.N has everything of Armv8.(N+5); there is no 8.10. */
function olderArm64(variant: string): readonly string[] {
  const [, major, minor = '0'] = /^v([89])(?:\.(\d))?$/.exec(variant === '' ? 'v8' : variant) ?? []
  if (major === undefined) return []
  const level = Number(minor)
  const eight = (each: number): string => (each === 0 ? '' : `v8.${each}`)
  if (major === '8') return descending(level - 1, 0, eight)
  const nine = descending(level - 1, 0, (each) => (each === 0 ? 'v9' : `v9.${each}`))
  return [...nine, ...descending(Math.min(level + 5, 9), 0, eight)]
}

function otherArchitectures(architecture: string): readonly string[] {
  if (architecture === 'amd64') return ['386/']
  if (architecture === 'arm64') return ['arm/v8', 'arm/v7', 'arm/v6', 'arm/v5']
  return []
}

function descending(from: number, to: number, format: (level: number) => string): readonly string[] {
  const levels: string[] = []
  for (let level = from; level >= to; level -= 1) levels.push(format(level))
  return levels
}

/** Higher builds first. Without a version on either side nothing is ruled out. */
function rankBuild(have: string | undefined, want: string | undefined): number | undefined {
  const host = windowsVersion(want)
  if (host === undefined || have === undefined) return 0
  const image = windowsVersion(have)
  if (image === undefined || image.release !== host.release) return undefined
  return image.build >= oldestBuild(host.build) && image.build <= host.build ? -image.build : undefined
}

/** A host before the first release runs only its own build; later ones run what the release before theirs does. */
function oldestBuild(host: number): number {
  const [first = 0] = WINDOWS_RELEASES
  if (host < first) return host
  const own = WINDOWS_RELEASES.findLastIndex((release) => release <= host)
  return WINDOWS_RELEASES[own - 1] ?? first
}

function windowsVersion(
  text: string | undefined,
): { readonly release: string; readonly build: number } | undefined {
  const [, major, minor, build] = /^(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\.|$)/.exec(text ?? '') ?? []
  // Wider than the fields that Windows has for them, they are no version.
  if (Number(major) > 0xff || Number(minor) > 0xff || Number(build) > 0xffff) return undefined
  return build === undefined ? undefined : { release: `${major}.${minor}`, build: Number(build) }
}

/** More matching features first; one that is not offered rules the image out. */
function rankFeatures(have: Platform, want: Platform): number | undefined {
  // `win32k` only tells Nano Server from the others; every host of Windows has it.
  const needed = (have['os.features'] ?? []).filter(
    (feature) => have.os !== 'windows' || feature !== 'win32k',
  )
  const offered = new Set(want['os.features'])
  return needed.every((feature) => offered.has(feature)) ? -needed.length : undefined
}

function compareRanks(a: Rank, b: Rank): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2]
}
