/**
 * Platforms: parse, format, normalise.
 *
 * The written form and the normal form are those of containerd's `platforms` package, so that `--platform` means the
 * same everywhere. Matching is in `platform-match.ts`.
 *
 * @module
 */
import { OciManifestError, quoted } from './errors.ts'
import { objectFields, optionalString, optionalStrings, present } from './fields.ts'
import type { JsonValue } from './json.ts'
import { compareText, type JsonInput } from './json-writer.ts'

/** Where an image runs; the field names of image-spec v1.1.1, image-index.md. */
export interface Platform {
  readonly os: string
  readonly architecture: string
  /** CPU level, such as `v7`. */
  readonly variant?: string
  /** Of Windows: `10.0.20348.1234`. */
  readonly 'os.version'?: string
  readonly 'os.features'?: readonly string[]
}

const KEYS: readonly string[] = ['architecture', 'os', 'os.version', 'os.features', 'variant']
const PART = /^[A-Za-z0-9_.-]+$/
const OS_PART = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$/

/** What containerd takes for an operating system or an architecture where there is one part only. */
const KNOWN_OS: ReadonlySet<string> = new Set(
  'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos'.split(
    ' ',
  ),
)
const KNOWN_ARCHITECTURES: ReadonlySet<string> = new Set(
  (
    '386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ' +
    'ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm'
  ).split(' '),
)

/** Architectures that Node names otherwise than Go. */
const FROM_NODE: ReadonlyMap<string, string> = new Map([
  ['x64', 'amd64'],
  ['ia32', '386'],
  ['mipsel', 'mipsle'],
])

/** Architectures with another name or a variant in it, and the variants that mean none. */
const ALIASES: ReadonlyMap<string, readonly [architecture: string, variant?: string]> = new Map([
  ['x86_64', ['amd64']],
  ['x86-64', ['amd64']],
  ['aarch64', ['arm64']],
  ['i386', ['386', '']],
  ['armhf', ['arm', 'v7']],
  ['armel', ['arm', 'v6']],
])
const VARIANTS: ReadonlyMap<string, string> = new Map([
  ['amd64 v1', ''],
  ['arm64 8', ''],
  ['arm64 v8', ''],
  ['arm64 v8.0', ''],
  ['arm64 9', 'v9'],
  ['arm64 9.0', 'v9'],
  ['arm64 v9.0', 'v9'],
  ['arm ', 'v7'],
  ['arm 5', 'v5'],
  ['arm 6', 'v6'],
  ['arm 7', 'v7'],
  ['arm 8', 'v8'],
])

/**
 * Parses `os[(version[+feature...])][/architecture[/variant]]` into its normal form.
 *
 * One part is an operating system, and means this machine's architecture, or else an architecture, and means Linux.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_PLATFORM`
 */
export function parsePlatform(text: string): Platform {
  const [first = '', ...rest] = text.split('/', 4)
  const match = OS_PART.exec(first)
  if (match === null || rest.length > 2 || !rest.every((part) => PART.test(part))) throw malformed(text)
  const [, name = '', version = '', features = ''] = match
  const [architecture, variant] = rest
  const os: Platform = present<Platform>({
    os: name,
    architecture: architecture ?? '',
    variant,
    'os.version': optional(decodeOption(version, text)),
    'os.features':
      features === ''
        ? undefined
        : features
            .slice(1)
            .split('+')
            .map((each) => decodeOption(each, text)),
  })
  if (architecture !== undefined) return normalizePlatform(os)
  const normal = normalizePlatform(os)
  if (KNOWN_OS.has(normal.os)) {
    return normalizePlatform({ ...hostPlatform(), ...normal, architecture: hostPlatform().architecture })
  }
  const guess = normalizePlatform({ os: 'linux', architecture: first })
  if (KNOWN_ARCHITECTURES.has(guess.architecture)) return guess
  throw new OciManifestError(
    'ERR_OCI_MANIFEST_PLATFORM',
    `Neither an operating system nor an architecture: ${quoted(text)}`,
  )
}

/** Writes the normal form, which {@link parsePlatform} reads back. An empty platform is `unknown`. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant, ...rest } = normalizePlatform(platform)
  if (os === '') return 'unknown'
  const features = (rest['os.features'] ?? []).map((feature) => `+${encodeOption(feature)}`).join('')
  const options = `${encodeOption(rest['os.version'] ?? '')}${features}`
  return [options === '' ? os : `${os}(${options})`, architecture, variant].filter(Boolean).join('/')
}

/** Lower case, one name for each architecture and variant, features sorted and unique, nothing empty. */
export function normalizePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase()
  const architecture = platform.architecture.toLowerCase()
  const [name, implied] = ALIASES.get(architecture) ?? [architecture]
  const variant = implied ?? platform.variant?.toLowerCase() ?? ''
  const features = [...new Set(platform['os.features'])]
    .filter((feature) => feature !== '')
    .toSorted(compareText)
  return present<Platform>({
    os: os === 'macos' ? 'darwin' : os,
    architecture: name,
    variant: optional(VARIANTS.get(`${name} ${variant}`) ?? variant),
    'os.version': optional(platform['os.version'] ?? ''),
    'os.features': features.length === 0 ? undefined : features,
  })
}

/**
 * Linux on the architecture of this machine, also on macOS and Windows, whose containers run in a Linux machine.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_PLATFORM` where the runtime does not say what it runs on.
 */
export function hostPlatform(): Platform {
  const process = globalThis.process as typeof globalThis.process | undefined
  const architecture: string | undefined = process?.arch
  if (architecture === undefined) {
    throw new OciManifestError(
      'ERR_OCI_MANIFEST_PLATFORM',
      'This runtime does not tell its architecture; name a platform',
    )
  }
  const level = architecture === 'arm' ? armLevel(process?.config) : undefined
  const name =
    architecture === 'ppc64' && isLittleEndian() ? 'ppc64le' : (FROM_NODE.get(architecture) ?? architecture)
  return normalizePlatform(present<Platform>({ os: 'linux', architecture: name, variant: level }))
}

/** Views a JSON value as a platform, as it is written; nothing is normalised. */
export function readPlatform(value: JsonValue | undefined, at: string): Platform {
  const fields = objectFields(value, at, KEYS)
  return present<Platform>({
    os: optionalString(fields, 'os') ?? '',
    architecture: optionalString(fields, 'architecture') ?? '',
    variant: optionalString(fields, 'variant'),
    'os.version': optionalString(fields, 'os.version'),
    'os.features': optionalStrings(fields, 'os.features'),
  })
}

/** A platform as it is written in an index. */
export function platformInput(platform: Platform): { readonly [key: string]: JsonInput | undefined } {
  const { architecture, os, variant } = platform
  return {
    architecture,
    os,
    'os.version': platform['os.version'],
    'os.features': platform['os.features'],
    variant,
  }
}

function optional(text: string): string | undefined {
  return text === '' ? undefined : text
}

function encodeOption(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_.-]/gu, (character) =>
    encodeURIComponent(character).replaceAll(/[()]/g, hex),
  )
}

/** `encodeURIComponent` leaves these as they are. */
function hex(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}

function decodeOption(text: string, whole: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw malformed(whole, cause)
  }
}

function malformed(text: string, cause?: unknown): OciManifestError {
  return new OciManifestError('ERR_OCI_MANIFEST_PLATFORM', `Not a platform: ${quoted(text)}`, { cause })
}

function armLevel(config: unknown): string | undefined {
  const { variables } = (config ?? {}) as { readonly variables?: Readonly<Record<string, unknown>> }
  const version = variables?.['arm_version']
  return typeof version === 'string' ? version : undefined
}

function isLittleEndian(): boolean {
  return new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
}
