/**
 * Names that take away: image-spec layer.md, "Whiteouts" and "Opaque Whiteout".
 *
 * @module
 */
import { LayerError, quoted } from './errors.ts'
import { baseOf, joinPath, parentOf } from './path.ts'

/** A member whose last component begins with this hides a file of the layers below. */
export const WHITEOUT_PREFIX = '.wh.'

/** Hides everything that the layers below have in its directory. */
export const OPAQUE_NAME = '.wh..wh..opq'

/** What a member of a layer hides. */
export type Whiteout =
  | { readonly kind: 'file'; readonly parent: string; readonly name: string }
  | { readonly kind: 'opaque'; readonly parent: string }

/**
 * Reads the path of a raw member; `undefined` if it is no whiteout. Only the last component counts.
 *
 * @throws {LayerError} `ERR_LAYER_WHITEOUT` for `.wh.`, `.wh..` and `.wh...`, which would hide nothing, the directory
 *   itself, or the one above.
 */
export function parseWhiteout(path: string): Whiteout | undefined {
  const base = baseOf(path)
  if (!base.startsWith(WHITEOUT_PREFIX)) return undefined
  const parent = parentOf(path)
  if (base === OPAQUE_NAME) return { kind: 'opaque', parent }
  const name = base.slice(WHITEOUT_PREFIX.length)
  if (name === '' || name === '.' || name === '..') {
    throw new LayerError('ERR_LAYER_WHITEOUT', `Not a valid whiteout: ${quoted(path)}`, { path })
  }
  return { kind: 'file', parent, name }
}

/** Whether the last component makes a raw member a whiteout, valid or not. */
export function isWhiteout(path: string): boolean {
  return baseOf(path).startsWith(WHITEOUT_PREFIX)
}

/**
 * The path of the whiteout that hides `path`.
 *
 * @throws {LayerError} `ERR_LAYER_WHITEOUT` if there can be none: of the root, or of a name that itself reads as a
 *   whiteout.
 */
export function formatWhiteout(path: string): string {
  if (path === '' || isWhiteout(path)) {
    throw new LayerError('ERR_LAYER_WHITEOUT', `A layer cannot hide ${quoted(path)}`, { path })
  }
  return joinPath(parentOf(path), WHITEOUT_PREFIX + baseOf(path))
}
