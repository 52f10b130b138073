/**
 * Image configuration: what a container runs, and which layers it has.
 *
 * image-spec v1.1.1, config.md; `Healthcheck`, `Shell` and `OnBuild` are Docker's.
 *
 * @module
 */
import type { Digest } from '@varve/digest'
import {
  describeDocument,
  MAX_ENTRIES,
  type Parsed,
  type ParseOptions,
  refuseForeignKeys,
} from './document.ts'
import { invalid, quoted } from './errors.ts'
import {
  digestAt,
  type EmptyObject,
  type Fields,
  member,
  objectFields,
  optionalArray,
  optionalBoolean,
  optionalInteger,
  optionalSet,
  optionalString,
  optionalStrings,
  optionalTextMap,
  optionalTime,
  placeOf,
  present,
  requiredArray,
  requiredString,
  type TextMap,
} from './fields.ts'
import { type JsonValue, parseJson } from './json.ts'
import { isConfigType, MEDIA_TYPE_OCI_CONFIG } from './media-types.ts'
import type { Platform } from './platform.ts'

/** The document. Its digest is the image ID. */
export interface ImageConfig {
  /** RFC 3339. */
  readonly created?: string
  readonly author?: string
  readonly architecture: string
  readonly os: string
  readonly 'os.version'?: string
  readonly 'os.features'?: readonly string[]
  readonly variant?: string
  readonly config?: RuntimeConfig
  readonly rootfs: RootFileSystem
  readonly history?: readonly HistoryEntry[]
}

/** How to start a container. */
export interface RuntimeConfig {
  readonly User?: string
  /** `80`, `80/tcp`, `53/udp`. */
  readonly ExposedPorts?: Readonly<Record<string, EmptyObject>>
  /** `NAME=value`. */
  readonly Env?: readonly string[]
  readonly Entrypoint?: readonly string[]
  readonly Cmd?: readonly string[]
  readonly Volumes?: Readonly<Record<string, EmptyObject>>
  readonly WorkingDir?: string
  readonly Labels?: TextMap
  readonly StopSignal?: string
  /** Windows only, deprecated. */
  readonly ArgsEscaped?: boolean
  readonly Healthcheck?: Healthcheck
  /** What the shell form of RUN, CMD and ENTRYPOINT is run by. */
  readonly Shell?: readonly string[]
  /** Instructions for builds on top of this image. */
  readonly OnBuild?: readonly string[]
}

/** How Docker asks a container whether it is well. Times are in nanoseconds. */
export interface Healthcheck {
  /** `['NONE']`, `['CMD', ...]` or `['CMD-SHELL', command]`. */
  readonly Test?: readonly string[]
  readonly Interval?: number
  readonly Timeout?: number
  readonly StartPeriod?: number
  readonly StartInterval?: number
  readonly Retries?: number
}

/** The layers, by the digest of their uncompressed bytes, base first. */
export interface RootFileSystem {
  readonly type: 'layers'
  readonly diff_ids: readonly Digest[]
}

/** What one step of the build did. */
export interface HistoryEntry {
  /** RFC 3339. */
  readonly created?: string
  readonly created_by?: string
  readonly author?: string
  readonly comment?: string
  /** Whether the step made no layer. */
  readonly empty_layer?: boolean
}

/** Keys of the document; the order is the one it is written in. */
export const CONFIG_KEYS: readonly (keyof ImageConfig)[] = [
  'created',
  'author',
  'architecture',
  'os',
  'os.version',
  'os.features',
  'variant',
  'config',
  'rootfs',
  'history',
]

/** Keys of its runtime section, likewise. */
export const RUNTIME_KEYS: readonly (keyof RuntimeConfig)[] = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'ArgsEscaped',
  'Healthcheck',
  'Shell',
  'OnBuild',
]

const ROOTFS_KEYS: readonly string[] = ['type', 'diff_ids']
/** Keys of a history entry, likewise. */
export const HISTORY_KEYS: readonly string[] = ['created', 'created_by', 'author', 'comment', 'empty_layer']
const HEALTHCHECK_KEYS: readonly string[] = [
  'Test',
  'Interval',
  'Timeout',
  'StartPeriod',
  'StartInterval',
  'Retries',
]

/**
 * Parses an image configuration. Its history is taken as it is, also where it does not fit the layers.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID`, `_LIMIT`, or `_UNSUPPORTED` for a digest of another algorithm.
 * @throws {DigestError} if the bytes are not those of `options.descriptor`.
 */
export function parseConfig(bytes: Uint8Array, options: ParseOptions = {}): Parsed<ImageConfig> {
  const mediaType = options.descriptor?.mediaType ?? options.mediaType ?? MEDIA_TYPE_OCI_CONFIG
  if (!isConfigType(mediaType)) throw invalid('', `Not the type of an image config: ${quoted(mediaType)}`)
  const fields = objectFields(parseJson(bytes, options), '', [
    ...CONFIG_KEYS,
    'fsLayers',
    'layers',
    'manifests',
  ])
  refuseForeignKeys(fields.object, { name: 'image config', keys: CONFIG_KEYS })
  const limit = options.maxEntries ?? MAX_ENTRIES
  const value = present<ImageConfig>({
    created: optionalTime(fields, 'created'),
    author: optionalString(fields, 'author'),
    architecture: requiredString(fields, 'architecture'),
    os: requiredString(fields, 'os'),
    'os.version': optionalString(fields, 'os.version'),
    'os.features': optionalStrings(fields, 'os.features'),
    variant: optionalString(fields, 'variant'),
    config: optionalRuntime(fields),
    rootfs: readRootfs(fields, limit),
    history: optionalHistory(fields, limit),
  })
  return { bytes, descriptor: describeDocument(bytes, mediaType, options.descriptor), value }
}

/** The platform that a config states, as it is written. */
export function platformOf({ os, architecture, variant, ...rest }: ImageConfig): Platform {
  const { 'os.version': version, 'os.features': features } = rest
  return {
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(version === undefined ? {} : { 'os.version': version }),
    ...(features === undefined ? {} : { 'os.features': features }),
  }
}

function optionalRuntime(parent: Fields): RuntimeConfig | undefined {
  const value = member(parent, 'config')
  if (value === undefined) return undefined
  const fields = objectFields(value, 'config', RUNTIME_KEYS)
  return present<RuntimeConfig>({
    User: optionalString(fields, 'User'),
    ExposedPorts: optionalSet(fields, 'ExposedPorts'),
    Env: optionalStrings(fields, 'Env'),
    Entrypoint: optionalStrings(fields, 'Entrypoint'),
    Cmd: optionalStrings(fields, 'Cmd'),
    Volumes: optionalSet(fields, 'Volumes'),
    WorkingDir: optionalString(fields, 'WorkingDir'),
    Labels: optionalTextMap(fields, 'Labels'),
    StopSignal: optionalString(fields, 'StopSignal'),
    ArgsEscaped: optionalBoolean(fields, 'ArgsEscaped'),
    Healthcheck: optionalHealthcheck(fields),
    Shell: optionalStrings(fields, 'Shell'),
    OnBuild: optionalStrings(fields, 'OnBuild'),
  })
}

function optionalHealthcheck(parent: Fields): Healthcheck | undefined {
  const value = member(parent, 'Healthcheck')
  if (value === undefined) return undefined
  const fields = objectFields(value, placeOf(parent, 'Healthcheck'), HEALTHCHECK_KEYS)
  return present<Healthcheck>({
    Test: optionalStrings(fields, 'Test'),
    Interval: optionalInteger(fields, 'Interval'),
    Timeout: optionalInteger(fields, 'Timeout'),
    StartPeriod: optionalInteger(fields, 'StartPeriod'),
    StartInterval: optionalInteger(fields, 'StartInterval'),
    Retries: optionalInteger(fields, 'Retries'),
  })
}

function readRootfs(parent: Fields, limit: number): RootFileSystem {
  const fields = objectFields(member(parent, 'rootfs'), 'rootfs', ROOTFS_KEYS)
  if (requiredString(fields, 'type') !== 'layers') throw invalid('rootfs.type', 'Expected "layers"')
  // Docker leaves the list out of an image without layers, and Go writes `null` for an empty one.
  const list = optionalArray(fields, 'diff_ids') === undefined ? [] : requiredArray(fields, 'diff_ids', limit)
  return {
    type: 'layers',
    diff_ids: list.map((value, index) => digestAt(value, `rootfs.diff_ids[${index}]`)),
  }
}

function optionalHistory(parent: Fields, limit: number): readonly HistoryEntry[] | undefined {
  if (member(parent, 'history') === undefined) return undefined
  return requiredArray(parent, 'history', limit).map((value, index) =>
    readHistory(value, `history[${index}]`),
  )
}

function readHistory(value: JsonValue, at: string): HistoryEntry {
  const fields = objectFields(value, at, HISTORY_KEYS)
  return present<HistoryEntry>({
    created: optionalTime(fields, 'created'),
    created_by: optionalString(fields, 'created_by'),
    author: optionalString(fields, 'author'),
    comment: optionalString(fields, 'comment'),
    empty_layer: optionalBoolean(fields, 'empty_layer'),
  })
}
