/**
 * Writing image configs, with what a base's config holds that is not known here.
 *
 * @module
 */
import type { Digest } from '@varve/digest'
import { CONFIG_KEYS, type Healthcheck, HISTORY_KEYS, RUNTIME_KEYS, type RuntimeConfig } from './config.ts'
import type { HistoryStep } from './history.ts'
import { type JsonObject, type JsonValue, parseJson } from './json.ts'
import { compareText, type JsonInput, sortedMap } from './json-writer.ts'
import { normalizePlatform, type Platform, platformInput } from './platform.ts'
import { type MemberChanges, rewriteMembers } from './rewrite/members.ts'

/** Everything a config says. */
export interface ConfigParts {
  readonly platform: Platform
  readonly created: string
  readonly author: string | undefined
  readonly runtime: RuntimeConfig | undefined
  readonly diffIDs: readonly Digest[]
  readonly history: readonly HistoryStep[]
  /** The base's config, whose unknown fields are kept. */
  readonly base: Uint8Array | undefined
}

/** Docker's record of how an image itself was made: not true of an image built on it, or of one that was changed. */
export const OF_THE_BASE_ONLY: ReadonlySet<string> = new Set([
  'Size',
  'checksum',
  'container',
  'container_config',
  'docker_version',
  'id',
  'layer_id',
  'parent',
  'parent_id',
  'throwaway',
])
/** Likewise, in its runtime section. */
export const OF_THE_BASE_RUNTIME_ONLY: ReadonlySet<string> = new Set(['Image'])

type Member = readonly [key: string, value: JsonInput | undefined]

/** The config as {@link writeJson} takes it: known keys in the order of the specification, then the others, sorted. */
export function configInput(parts: ConfigParts): JsonInput {
  const base = parts.base === undefined ? undefined : asObject(parseJson(parts.base))
  const unknown = unknownMembers(base, CONFIG_KEYS, OF_THE_BASE_ONLY)
  const runtime = unknownMembers(asObject(base?.get('config')), RUNTIME_KEYS, OF_THE_BASE_RUNTIME_ONLY)
  return inOrder([
    ['created', parts.created],
    ['author', parts.author],
    ...Object.entries(platformInput(normalizePlatform(parts.platform))),
    ['config', inOrder([...runtimeMembers(parts.runtime ?? {}), ...runtime])],
    ['rootfs', { type: 'layers', diff_ids: parts.diffIDs }],
    ['history', parts.history.map(historyInput)],
    ...unknown,
  ])
}

/** Every known member of a runtime section, in order; `undefined` for those that it does not have. */
export function runtimeMembers(runtime: RuntimeConfig): readonly Member[] {
  return RUNTIME_KEYS.map((key): Member => {
    if (key === 'ExposedPorts' || key === 'Volumes') return [key, runtime[key] && emptyMembers(runtime[key])]
    if (key === 'Labels') return [key, runtime.Labels && sortedMap(runtime.Labels)]
    if (key === 'Healthcheck') return [key, runtime.Healthcheck && healthcheckInput(runtime.Healthcheck)]
    return [key, runtime[key]]
  })
}

function emptyMembers(set: Readonly<Record<string, unknown>>): JsonInput {
  return new Map([...sortedMap(set).keys()].map((key) => [key, {}]))
}

function healthcheckInput(healthcheck: Healthcheck): JsonInput {
  const { Test, Interval, Timeout, StartPeriod, StartInterval, Retries } = healthcheck
  return { Test, Interval, Timeout, StartPeriod, StartInterval, Retries }
}

/** An entry as it is written; one that was read keeps what is not known here. */
export function historyInput(step: HistoryStep): JsonInput {
  const { created, created_by, author, comment, empty_layer, source } = step
  const known: MemberChanges = {
    created,
    created_by,
    author,
    comment,
    empty_layer: empty_layer === true ? true : undefined,
  }
  return source === undefined ? known : rewriteMembers(source, known, HISTORY_KEYS)
}

function unknownMembers(
  object: JsonObject | undefined,
  known: readonly string[],
  dropped: ReadonlySet<string>,
): readonly Member[] {
  const members = [...(object ?? [])].filter(([key]) => !known.includes(key) && !dropped.has(key))
  return members.toSorted(([a], [b]) => compareText(a, b))
}

function inOrder(members: readonly Member[]): JsonInput {
  return new Map(members.filter((member): member is readonly [string, JsonInput] => member[1] !== undefined))
}

function asObject(value: JsonValue | undefined): JsonObject | undefined {
  return value instanceof Map ? (value as JsonObject) : undefined
}
