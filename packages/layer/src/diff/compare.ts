/**
 * Whether two files are the same.
 *
 * @module
 */
import { type ByteSource, withSignal } from '@varve/digest'
import type { Entry } from '../entry.ts'
import { contentDigest, RecordedContent, recordedDigest } from '../snapshot/content.ts'

/** What a look at the metadata tells; `content` means that it does not suffice. */
export type Verdict = 'same' | 'different' | 'content'

/** How much is compared. */
export interface CompareRules {
  /**
   * When the contents of two files of the same size and time are read: never (`stat`), if one of the times has no
   * fraction and so may hide a change within its second (`racy`), or always.
   */
  readonly content: 'stat' | 'racy' | 'always'
  /** Whether a file with nothing but another time is the same. */
  readonly ignoreMtimeOnly: boolean
  /** What an owner of the lower tree became in the upper one; absent where owners do not count. */
  readonly owner?: 'ignore' | OwnerMapping | undefined
}

/** Says which owner a file of the lower tree has to have in the upper one to be unchanged. */
export type OwnerMapping = (uid: number, gid: number) => { readonly uid: number; readonly gid: number }

/** Compares all but the content. Both are files themselves: hard links are resolved before. */
export function compareEntries(lower: Entry, upper: Entry, rules: CompareRules): Verdict {
  if (lower === upper) return 'same'
  const { type } = upper
  if (lower.type !== type || !equalOwners(lower, upper, rules.owner)) return 'different'
  // Linux gives every symlink the mode 0777, and nothing reads it.
  if (type !== 'symlink' && lower.mode !== upper.mode) return 'different'
  if (differs(lower.xattrs, upper.xattrs) || differs(lower.pax, upper.pax)) return 'different'
  // Neither the time nor the size of a directory is a change: they follow from what is in it.
  if (type === 'directory') return 'same'
  if (lower.linkname !== upper.linkname || lower.size !== upper.size) return 'different'
  const device = type === 'char' || type === 'block'
  if (device && (lower.devMajor !== upper.devMajor || lower.devMinor !== upper.devMinor)) return 'different'
  const sameTime = equalTimes(lower, upper)
  if (!sameTime && !rules.ignoreMtimeOnly) return 'different'
  if (type !== 'file' || upper.size === 0 || lower.content === undefined || upper.content === undefined)
    return 'same'
  if (lower.content === upper.content) return 'same'
  const recorded = compareRecorded(lower.content, upper.content)
  if (recorded !== undefined) return recorded
  if (!sameTime || rules.content === 'always') return 'content'
  const racy = lower.mtimeNs === 0 || upper.mtimeNs === 0
  return racy && rules.content === 'racy' ? 'content' : 'same'
}

/** What digests on record tell; `undefined` if the question is whether to read. */
function compareRecorded(lower: ByteSource, upper: ByteSource): Verdict | undefined {
  const [was, is] = [recordedDigest(lower), recordedDigest(upper)]
  if (was !== undefined && is !== undefined) return was === is ? 'same' : 'different'
  const replaced =
    lower instanceof RecordedContent && upper instanceof RecordedContent && lower.isSameFile(upper)
  if (!replaced) return undefined
  // Something about the file moved, or it would be one entry; and what it was cannot be read any more.
  return was === undefined ? 'different' : 'content'
}

/**
 * Compares contents of equal size, block by block, and stops at the first difference; by digests if one is on record,
 * since the file it was made of may have changed.
 */
export async function equalContents(
  lower: ByteSource,
  upper: ByteSource,
  signal?: AbortSignal,
): Promise<boolean> {
  if (recordedDigest(lower) !== undefined || recordedDigest(upper) !== undefined) {
    return (await contentDigest(lower, signal)) === (await contentDigest(upper, signal))
  }
  const left = new Reader(lower, signal)
  const right = new Reader(upper, signal)
  try {
    for (;;) {
      const [a, b] = [await left.peek(), await right.peek()]
      if (a === undefined || b === undefined) return a === b
      const length = Math.min(a.byteLength, b.byteLength)
      if (Buffer.compare(a.subarray(0, length), b.subarray(0, length)) !== 0) return false
      left.skip(length)
      right.skip(length)
    }
  } finally {
    await left.close()
    await right.close()
  }
}

function equalOwners(lower: Entry, upper: Entry, rule: CompareRules['owner']): boolean {
  if (rule === 'ignore') return true
  const { uid, gid } = rule === undefined ? lower : rule(lower.uid, lower.gid)
  return uid === upper.uid && gid === upper.gid
}

/** Times agree if one of them was cut to whole seconds, as every tar does. */
function equalTimes(lower: Entry, upper: Entry): boolean {
  if (lower.mtime !== upper.mtime) return false
  return lower.mtimeNs === upper.mtimeNs || lower.mtimeNs === 0 || upper.mtimeNs === 0
}

/** What is unknown on one side makes no difference. */
function differs(
  lower: ReadonlyMap<string, Uint8Array> | undefined,
  upper: ReadonlyMap<string, Uint8Array> | undefined,
): boolean {
  if (lower === undefined || upper === undefined || lower === upper) return false
  if (lower.size !== upper.size) return true
  for (const [key, value] of lower) {
    const other = upper.get(key)
    if (other === undefined || Buffer.compare(value, other) !== 0) return true
  }
  return false
}

/** A stream whose next bytes can be looked at. */
class Reader {
  readonly #chunks: AsyncIterator<Uint8Array>
  #chunk: Uint8Array | undefined

  constructor(source: ByteSource, signal: AbortSignal | undefined) {
    this.#chunks = source.open(withSignal(signal))[Symbol.asyncIterator]()
  }

  async peek(): Promise<Uint8Array | undefined> {
    while (this.#chunk === undefined || this.#chunk.byteLength === 0) {
      const { value, done } = await this.#chunks.next()
      if (done === true) return undefined
      this.#chunk = value
    }
    return this.#chunk
  }

  skip(length: number): void {
    this.#chunk = this.#chunk?.subarray(length)
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}
