/**
 * What a runtime section would be on another base: whatever an image has as its old base had it comes from the new one.
 *
 * @module
 */
import { RUNTIME_KEYS, type RuntimeConfig } from '../config.ts'
import { runtimeMembers } from '../config-writer.ts'
import { compareText, type JsonInput, writeJson } from '../json-writer.ts'
import type { MemberChanges } from '../rewrite/members.ts'

/** The three sections of a merge. */
export interface MergeOptions {
  readonly image: RuntimeConfig
  readonly oldBase: RuntimeConfig
  readonly newBase: RuntimeConfig
}

type Members = ReadonlyMap<string, JsonInput>

/** The fields that change; variables, labels, ports and volumes are each merged by themselves. */
export function mergeRuntime({ image, oldBase, newBase }: MergeOptions): MemberChanges {
  const [own, before, after] = [image, oldBase, newBase].map(membersOf) as [Members, Members, Members]
  const merged = mergeMembers(own, before, after)
  const changed = RUNTIME_KEYS.filter((key) => !isSame(own.get(key), merged.get(key)))
  return Object.fromEntries(changed.map((key) => [key, written(key, merged.get(key))]))
}

/** The fields, those that are sets or maps by key, and `Env` by name. */
function membersOf(runtime: RuntimeConfig): Members {
  const members = runtimeMembers(runtime).filter(
    (member): member is [string, JsonInput] => member[1] !== undefined,
  )
  const env = new Map((runtime.Env ?? []).map((variable) => [nameOf(variable), variable]))
  return new Map([...members, ...(env.size === 0 ? [] : [['Env', env] as const])])
}

function mergeMembers(own: Members, before: Members, after: Members): Members {
  const merged = new Map<string, JsonInput>()
  for (const key of new Set([...own.keys(), ...after.keys()])) {
    const values = [own, before, after].map((each) => each.get(key))
    const value = mergeValue(values[0], values[1], values[2])
    if (value !== undefined) merged.set(key, value)
  }
  return merged
}

function mergeValue(
  own: JsonInput | undefined,
  before: JsonInput | undefined,
  after: JsonInput | undefined,
): JsonInput | undefined {
  if (isSame(own, before)) return after
  const maps = [own, before, after].filter((each) => each instanceof Map)
  if (!(own instanceof Map) || maps.length < 2) return own
  const members = mergeMembers(own as Members, asMap(before), asMap(after))
  return members.size === 0 ? undefined : members
}

/** Variables in their order; maps and sets sorted. */
function written(key: string, value: JsonInput | undefined): JsonInput | undefined {
  if (!(value instanceof Map)) return value
  const members = [...(value as Members)]
  if (key === 'Env') return members.map(([, variable]) => variable)
  return new Map(members.toSorted(([a], [b]) => compareText(a, b)))
}

function asMap(value: JsonInput | undefined): Members {
  return value instanceof Map ? (value as Members) : new Map()
}

function isSame(a: JsonInput | undefined, b: JsonInput | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return text(a) === text(b)
}

function text(value: JsonInput): string {
  return new TextDecoder().decode(writeJson(value))
}

/** The name of a variable. */
export function nameOf(variable: string): string {
  const end = variable.indexOf('=')
  return end === -1 ? variable : variable.slice(0, end)
}
