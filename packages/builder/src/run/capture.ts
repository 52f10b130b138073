/**
 * Reading back what a process changed, extended attributes too where the host has `getfattr`.
 *
 * @module
 */
import { diff, fromDirectory, layerTree, overlayChanges, type Tree } from '@varve/layer'
import { isRootless } from './overlay.ts'
import { findTool } from './tools.ts'

/** Where the three views of one run are. */
export interface OverlayViews {
  /** What overlay wrote: new and changed files, whiteouts. */
  readonly upper: string
  /** The file system before. */
  readonly lower: string
  /** The file system after. */
  readonly merged: string
  /** Later modification times become this. */
  readonly epoch: number
}

/** The members of the layer, read from an overlay's upper directory. */
export async function captureOverlay({ upper, lower, merged, epoch }: OverlayViews): Promise<Tree> {
  const { changes, tree } = await overlayChanges(upper, lower, {
    directory: { mtime: { clamp: epoch } },
    // The mount writes neither redirects nor files without content, so names suffice.
    ...(canReadAttributes() ? { userXattr: isRootless() } : { xattrs: 'none' as const, merged }),
  })
  return layerTree(changes, tree)
}

/** The members of the layer, from two whole trees: what is left where there is no overlay. */
export async function captureCopy(lower: string, merged: string, epoch: number): Promise<Tree> {
  const options = {
    mtime: { clamp: epoch },
    ...(canReadAttributes() && { xattrs: 'read' as const }),
  }
  const [before, after] = [await fromDirectory(lower, options), await fromDirectory(merged, options)]
  return layerTree(await diff(before, after, { content: 'always' }), after)
}

/** What the layer of a run may lack. */
export function attributeWarnings(): string[] {
  if (canReadAttributes()) return []
  return ['extended attributes, such as file capabilities, are not kept: getfattr is not installed']
}

function canReadAttributes(): boolean {
  return findTool('getfattr') !== undefined
}
