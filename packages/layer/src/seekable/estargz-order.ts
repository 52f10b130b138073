/**
 * The order of members in an eStargz layer: what is needed first, a landmark, and everything else.
 *
 * @module
 */
import { bytesSource } from '@varve/digest'
import { createEntry, type Entry } from '../entry.ts'
import { joinPath, normalizePath, parentOf } from '../path.ts'
import type { Tree } from '../tree.ts'
import { formatWhiteout, isWhiteout, OPAQUE_NAME } from '../whiteout.ts'
import { writerOrder } from '../writer-order.ts'

/** stargz-snapshotter, docs/estargz.md, "Prioritized Files and Landmark Files". */
const PREFETCH_LANDMARK = '.prefetch.landmark'
const NO_PREFETCH_LANDMARK = '.no.prefetch.landmark'
const LANDMARK_CONTENT = 0xf

/** "TOC MUST be ... the last tar entry and MUST be named `stargz.index.json`" */
export const TOC_NAME = 'stargz.index.json'

/** Names the format keeps for itself: members of a layer that was an eStargz layer before make room for new ones. */
const RESERVED: ReadonlySet<string> = new Set([PREFETCH_LANDMARK, NO_PREFETCH_LANDMARK, TOC_NAME])

/**
 * Members in order, without the table of contents. Each prioritized file comes after the directories above it, the
 * target of a hard link, and whiteouts of the same names; one that is not in the tree is passed over.
 */
export function estargzOrder(tree: Tree, prioritized: readonly string[]): Entry[] {
  const first = new Set<Entry>()
  for (const name of prioritized) takeFile(tree, normalizePath(name), first)
  const rest = [...writerOrder(tree)].filter((entry) => !first.has(entry) && !RESERVED.has(entry.path))
  return [...first, landmark(first.size === 0 ? NO_PREFETCH_LANDMARK : PREFETCH_LANDMARK), ...rest]
}

function takeFile(tree: Tree, path: string, taken: Set<Entry>): void {
  const chain = new Set<Entry>()
  for (let entry = tree.get(path); entry !== undefined && !chain.has(entry);) {
    chain.add(entry)
    entry = entry.type === 'hardlink' ? tree.get(entry.linkname) : undefined
  }
  for (const entry of [...chain].toReversed()) {
    const above: string[] = []
    for (let here = entry.path; here !== ''; here = parentOf(here)) above.push(here)
    for (const here of ['', ...above.toReversed()]) takeOne(tree, here, taken)
  }
}

/** Takes a member, and before it the whiteouts that hide what the layers below have in its place. */
function takeOne(tree: Tree, path: string, taken: Set<Entry>): void {
  const hiding =
    path === '' || isWhiteout(path) ? [] : [joinPath(parentOf(path), OPAQUE_NAME), formatWhiteout(path)]
  for (const each of [...hiding, path]) {
    const entry = RESERVED.has(each) ? undefined : tree.get(each)
    if (entry !== undefined) taken.add(entry)
  }
}

function landmark(path: string): Entry {
  return createEntry({ path, type: 'file', content: bytesSource(Uint8Array.of(LANDMARK_CONTENT)) })
}
