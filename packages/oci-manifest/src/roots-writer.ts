/**
 * Writing the list of roots: merged by (digest, name), sorted, unknown fields kept.
 *
 * @module
 */
import { ANNOTATION_REF_NAME } from './annotations.ts'
import { descriptorInput } from './descriptor.ts'
import { type ParseOptions } from './document.ts'
import { type IndexEntry, parseIndex } from './image-index.ts'
import { type JsonObject, type JsonValue, parseJson } from './json.ts'
import { compareText, type JsonInput, writeJson } from './json-writer.ts'
import { MEDIA_TYPE_OCI_INDEX } from './media-types.ts'
import { INDEX_ORDER } from './rewrite/members.ts'

/** An entry as it is in the file, known fields and others. */
export type RawEntry = ReadonlyMap<string, JsonInput>

/** A list of roots as it is in the file, its entries apart. */
export interface RawRoots {
  readonly index: JsonObject
  readonly entries: readonly RawEntry[]
}

/** A store may have many more roots than an image has parts. */
export const ROOTS_LIMITS: ParseOptions & { readonly maxBytes: number } = {
  maxBytes: 64 * 1024 * 1024,
  maxEntries: 262_144,
  mediaType: MEDIA_TYPE_OCI_INDEX,
}

/** Opens `index.json`; without bytes, a new one. */
export function openRoots(bytes?: Uint8Array): RawRoots {
  const text = bytes ?? writeJson({ schemaVersion: 2, mediaType: MEDIA_TYPE_OCI_INDEX, manifests: [] })
  // It has the shape that the casts below rely on.
  parseIndex(text, ROOTS_LIMITS)
  const index = parseJson(text, ROOTS_LIMITS) as JsonObject
  return { index, entries: index.get('manifests') as readonly JsonObject[] }
}

/** Adds a root, or moves a name to it. Fields of the same entry that are not known here stay. */
export function withRoot(
  entries: readonly RawEntry[],
  name: string | undefined,
  entry: IndexEntry,
): readonly RawEntry[] {
  const same = entries.find(
    (each) => each.get('digest') === entry.digest && (name === undefined || nameOf(each) === name),
  )
  if (name === undefined && same !== undefined) return entries
  const others = entries.filter((each) => each !== same && (name === undefined || nameOf(each) !== name))
  return [...others, entryInput(same, name, entry)]
}

/** Removes a name together with its entry; the same array if there is none. */
export function withoutName(entries: readonly RawEntry[], name: string): readonly RawEntry[] {
  const others = entries.filter((each) => nameOf(each) !== name)
  return others.length === entries.length ? entries : others
}

/**
 * Writes `index.json`: the same roots give the same bytes, whoever added them, in whatever order.
 *
 * @throws {OciManifestError} if the result could not be read again.
 */
export function formatRoots({ index, entries }: RawRoots): Uint8Array {
  const others = [...index.keys()].filter((key) => !INDEX_ORDER.includes(key)).toSorted(compareText)
  const keys = [...INDEX_ORDER.filter((key) => index.has(key)), ...others]
  const members = keys.map((key): [string, JsonInput] => [key, index.get(key) ?? null])
  const bytes = writeJson(new Map([...members, ['manifests', entries.toSorted(compareEntries)]]))
  parseIndex(bytes, ROOTS_LIMITS)
  return bytes
}

function compareEntries(a: RawEntry, b: RawEntry): number {
  return (
    compareText(nameOf(a) ?? '', nameOf(b) ?? '') || compareText(textOf(a, 'digest'), textOf(b, 'digest'))
  )
}

function entryInput(same: RawEntry | undefined, name: string | undefined, entry: IndexEntry): RawEntry {
  const { [ANNOTATION_REF_NAME]: _, ...given } = entry.annotations ?? {}
  const named = name === undefined ? {} : { [ANNOTATION_REF_NAME]: name }
  const all = { ...annotationsOf(same), ...given, ...named }
  const { annotations: __, ...bare } = entry
  const input = descriptorInput(Object.keys(all).length === 0 ? bare : { ...bare, annotations: all })
  const known = Object.entries(input).filter((each): each is [string, JsonInput] => each[1] !== undefined)
  const others = [...(same ?? [])].filter(([key]) => !known.some(([each]) => each === key))
  return new Map([...known, ...others.toSorted(([a], [b]) => compareText(a, b))])
}

function nameOf(entry: RawEntry): string | undefined {
  return annotationsOf(entry)[ANNOTATION_REF_NAME]
}

function annotationsOf(entry: RawEntry | undefined): Record<string, string> {
  const annotations = entry?.get('annotations')
  const all = Object.create(null) as Record<string, string>
  if (!(annotations instanceof Map)) return all
  for (const [key, value] of annotations as ReadonlyMap<string, JsonValue>) {
    all[key] = typeof value === 'string' ? value : ''
  }
  return all
}

function textOf(entry: RawEntry, key: string): string {
  const value = entry.get(key)
  return typeof value === 'string' ? value : ''
}
