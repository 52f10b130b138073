/**
 * Why did it miss: the fields in which two key documents differ.
 *
 * @module
 */
import { isList, type KeyContent, type KeyValue } from './key-document.ts'

/** One place in which two documents differ, as deep as the difference lies. */
export interface KeyDifference {
  /** Names and list positions from the top of `fields`; empty for the kind of the document. */
  readonly path: readonly string[]
  /** The kind of a document that the step's document names by its digest, if the difference lies in that one. */
  readonly within?: string
  /** The value in the earlier document; absent if the missed one added it. */
  readonly before?: KeyValue
  /** The value in the missed document; absent if it is gone. */
  readonly after?: KeyValue
}

/** Longest rendering of one value, in characters. */
const MAX_SHOWN = 80

/**
 * What a missed document has otherwise than an earlier one of the same step; empty if their keys are equal. Lists
 * are compared by position, everything else by name, in order of names.
 */
export function explainKeys(missed: KeyContent, earlier: KeyContent): KeyDifference[] {
  const differences: KeyDifference[] = []
  compare([], earlier.kind, missed.kind, differences)
  compare([], earlier.fields, missed.fields, differences)
  return differences
}

/** One short sentence, such as `env.FOO: "1" → "2"` or `files.src/a.txt: added`. */
export function formatDifference({ path, before, after }: KeyDifference): string {
  const place = path.length === 0 ? 'kind' : path.join('.')
  if (before === undefined) return `${place}: added`
  if (after === undefined) return `${place}: removed`
  return `${place}: ${shown(before)} → ${shown(after)}`
}

function compare(
  path: readonly string[],
  before: KeyValue | undefined,
  after: KeyValue | undefined,
  differences: KeyDifference[],
): void {
  if (before === after) return
  if (before === undefined || after === undefined || !areAlike(before, after)) {
    differences.push({
      path,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    })
    return
  }
  const [old, current] = [membersOf(before), membersOf(after)]
  const names = [...new Set([...old.keys(), ...current.keys()])]
  // The positions of the longer list are in order already.
  for (const name of isList(before) ? names : names.toSorted()) {
    compare([...path, name], old.get(name), current.get(name), differences)
  }
}

/** Whether both can be looked into: two lists, or two dictionaries. */
function areAlike(a: KeyValue, b: KeyValue): boolean {
  return typeof a === 'object' && typeof b === 'object' && isList(a) === isList(b)
}

/** A map, since a name may be that of a property which every object has. */
function membersOf(value: KeyValue): Map<string, KeyValue> {
  if (typeof value === 'string') return new Map()
  if (isList(value)) return new Map(value.map((item, position) => [String(position), item]))
  return new Map(Object.entries(value))
}

function shown(value: KeyValue): string {
  const text = JSON.stringify(value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}
