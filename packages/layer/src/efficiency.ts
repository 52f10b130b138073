/**
 * What of the bytes of layers is left to be seen: the question `dive` asks, answered by file and not by name.
 *
 * @module
 */
import { type ContentDigest, Ledger } from './efficiency/ledger.ts'
import { MemoryFileSystem } from './merge/file-system.ts'
import type { Tree } from './tree.ts'
import { writerOrder } from './writer-order.ts'

/** Options of {@link efficiency}. */
export interface EfficiencyOptions {
  /**
   * What is counted: bytes of files (`content`, default), or what members take in an uncompressed archive (`archive`):
   * headers, PAX records, contents and padding, without the end marker.
   */
  readonly count?: 'content' | 'archive'
  /**
   * Names the content of a file by a digest, or `undefined` if that is not known. Asked only of files of which another
   * one of the same size is at the same path, or is visible in the end.
   */
  readonly digest?: ContentDigest
  readonly signal?: AbortSignal
}

/** All sizes are in bytes, as {@link EfficiencyOptions.count} counts them. */
export interface Efficiency {
  /** In all layers together. */
  readonly shipped: number
  /** Of members that the final tree still shows. */
  readonly visible: number
  /** The rest: `shipped - visible`. */
  readonly wasted: number
  /** `visible / shipped`; 1 if nothing is shipped. */
  readonly ratio: number
  /** Of `visible`: content that is there more than once as separate files, all but one of each. Needs digests. */
  readonly duplicated: number
  /** Base first. */
  readonly layers: readonly LayerEfficiency[]
  /** Where bytes were wasted: most first, then in the order of paths. */
  readonly paths: readonly PathWaste[]
  /** Groups of equal visible files: most bytes to save first. */
  readonly duplicates: readonly DuplicateContent[]
}

/** One layer of an {@link Efficiency}. */
export interface LayerEfficiency {
  readonly shipped: number
  readonly visible: number
  /** Shipped here and not visible in the end, its own whiteouts included. */
  readonly wasted: number
  /** What it takes from view of layers below, or of itself. */
  readonly hides: number
  /** Opaque markers included. */
  readonly whiteouts: number
  /** Whiteouts that hide nothing. */
  readonly idleWhiteouts: number
}

/** Waste at one path, by cause. */
export interface PathWaste {
  readonly path: string
  readonly wasted: number
  /** Members that were shipped here and are not visible in the end. */
  readonly count: number
  /** Replaced by something else at this path. */
  readonly overwritten: number
  /** Replaced by the same with other metadata, as `chmod` and `chown` do: the content is known to be equal. */
  readonly metadata: number
  /** Gone: by a whiteout or an opaque marker, its own or that of a directory above, or with a directory replaced. */
  readonly deleted: number
  /** Whiteouts of this path themselves. */
  readonly whiteouts: number
}

/** Files with the same content. */
export interface DuplicateContent {
  readonly digest: string
  /** Bytes of one. */
  readonly size: number
  readonly files: readonly { readonly layer: number; readonly path: string }[]
}

/**
 * Counts how much of layers of raw members, base first, is visible when all are applied, and where the rest went.
 *
 * A file counts once however many hard links it has, and its content is visible as long as one of its names is. Paths
 * are those in the final tree's terms, symlinked parents resolved. Takes time by layers times files.
 *
 * @throws {LayerError} as {@link merge}; with `count: 'archive'` also as {@link encodeMember}. Whatever `digest` throws.
 */
export async function efficiency(
  layers: Iterable<Tree>,
  options: EfficiencyOptions = {},
): Promise<Efficiency> {
  const { count = 'content', digest = () => undefined, signal } = options
  signal?.throwIfAborted()
  const files = new MemoryFileSystem()
  const ledger = new Ledger(count === 'archive', digest)
  for (const layer of layers) {
    signal?.throwIfAborted()
    const account = ledger.open(layer)
    files.onIdleWhiteout = () => void account.idleWhiteouts++
    files.apply(writerOrder(layer))
    await ledger.close(files.walk(), signal)
  }
  return ledger.report(signal)
}
