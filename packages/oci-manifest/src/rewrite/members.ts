/**
 * Changing members of a JSON object; everything else stays as it was written, in its place.
 *
 * That is what keeps fields unknown here, and numbers as they were spelled, in a document that is edited.
 *
 * @module
 */
import type { JsonObject, JsonValue } from '../json.ts'
import type { JsonInput } from '../json-writer.ts'

/** New values by key; `undefined` removes a member. */
export type MemberChanges = Readonly<Record<string, JsonInput | undefined>>

/** Keys of a manifest, in the order of the specification's own implementation. */
export const MANIFEST_ORDER: readonly string[] = [
  'schemaVersion',
  'mediaType',
  'artifactType',
  'config',
  'layers',
  'subject',
  'annotations',
]

/** Keys of an index, likewise. */
export const INDEX_ORDER: readonly string[] = [
  'schemaVersion',
  'mediaType',
  'artifactType',
  'manifests',
  'subject',
  'annotations',
]

/** Keys of a descriptor, likewise. */
export const DESCRIPTOR_ORDER: readonly string[] = [
  'mediaType',
  'digest',
  'size',
  'urls',
  'annotations',
  'data',
  'platform',
  'artifactType',
]

/** Changes an object. A new member goes before the first one that follows it in `order`, else to the end. */
export function rewriteMembers(
  object: JsonObject,
  changes: MemberChanges,
  order: readonly string[],
): ReadonlyMap<string, JsonInput> {
  const members: [key: string, value: JsonInput][] = []
  for (const [key, before] of object) {
    const value = Object.hasOwn(changes, key) ? changes[key] : before
    if (value !== undefined) members.push([key, value])
  }
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined || object.has(key)) continue
    const rank = order.indexOf(key)
    const follower = members.findIndex(([each]) => order.indexOf(each) > rank)
    members.splice(follower === -1 ? members.length : follower, 0, [key, value])
  }
  return new Map(members)
}

/** A value that is known to be an object, since its document was parsed; an empty one if it is absent. */
export function objectOf(value: JsonValue | undefined): JsonObject {
  return value instanceof Map ? (value as JsonObject) : new Map()
}

/** A value that is known to be an array of objects, likewise. */
export function objectsOf(value: JsonValue | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.map((each: JsonValue) => objectOf(each)) : []
}
