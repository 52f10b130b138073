/**
 * What overlayfs notes about the files of an upper directory: kernel documentation, filesystems/overlayfs.
 *
 * @module
 */
import type { Entry } from '../entry.ts'
import { LayerError, quoted } from '../errors.ts'
import { decodePath, isCleanPath, parentOf } from '../path.ts'
import type { Tree } from '../tree.ts'
import { type FileXattrs, xattrsOf } from '../xattrs.ts'

/** What an entry of an upper directory stands for. */
export interface Marks {
  readonly whiteout: boolean
  /** Nothing of the lower directory is in it. */
  readonly opaque: boolean
  /** It was renamed: a path in the lower tree if it starts with a slash, else a name in the same lower directory. */
  readonly redirect: string | undefined
  /** Only metadata were copied up: the content is in the lower tree. */
  readonly metacopy: boolean
}

/** The prefix of the attributes: depends on how the overlay was mounted (`userxattr`). */
export type MarkPrefix = 'trusted.overlay.' | 'user.overlay.'

const KINDS = ['whiteout', 'opaque', 'redirect', 'metacopy'] as const

/**
 * The prefix in use. In an overlay mounted without `userxattr` the `user.` attributes are those of the programs in it,
 * who could pretend anything by them, so which ones count is not guessed.
 *
 * @throws {LayerError} `ERR_LAYER_UNSUPPORTED` if there are `user.` marks and the caller did not say what they are.
 */
export function markPrefix(xattrs: FileXattrs, userXattr: boolean | undefined): MarkPrefix {
  if (userXattr !== undefined) return userXattr ? 'user.overlay.' : 'trusted.overlay.'
  for (const [path, values] of xattrs) {
    if (values === undefined || !KINDS.some((kind) => values.has(`user.overlay.${kind}`))) continue
    throw unsupported(
      path,
      'has marks in user attributes: say whether the overlay was mounted with userxattr',
    )
  }
  return 'trusted.overlay.'
}

/** The marks of every entry that has any. Without attributes only devices tell. */
export class MarkReader {
  readonly #tree: Tree
  readonly #xattrs: FileXattrs | undefined
  readonly #prefix: MarkPrefix

  constructor(tree: Tree, xattrs: FileXattrs | undefined, prefix: MarkPrefix) {
    this.#tree = tree
    this.#xattrs = xattrs
    this.#prefix = prefix
  }

  /** @throws {LayerError} `ERR_LAYER_UNSUPPORTED` if the attributes could not be read, or make no sense. */
  read(entry: Entry): Marks {
    // The kernel makes all whiteouts of a mount one inode, so most of them look like hard links to the first.
    const file = entry.type === 'hardlink' ? (this.#tree.get(entry.linkname) ?? entry) : entry
    const device = file.type === 'char' && file.devMajor === 0 && file.devMinor === 0
    if (device || this.#xattrs === undefined) {
      return { whiteout: device, opaque: false, redirect: undefined, metacopy: false }
    }
    const values = xattrsOf(this.#xattrs, file.path)
    if (values === undefined) throw unsupported(entry.path, 'has attributes that cannot be read')
    const opaque = text(values.get(`${this.#prefix}opaque`))
    return {
      whiteout: file.type === 'file' && file.size === 0 && this.#hasWhiteoutMark(entry.path, values),
      opaque: opaque === 'y',
      redirect: redirectOf(entry.path, values.get(`${this.#prefix}redirect`)),
      metacopy: values.has(`${this.#prefix}metacopy`),
    }
  }

  /** A whiteout by attribute counts only in a directory that says there are such. */
  #hasWhiteoutMark(path: string, values: ReadonlyMap<string, Uint8Array>): boolean {
    if (!values.has(`${this.#prefix}whiteout`)) return false
    return text(this.#xattrs?.get(parentOf(path))?.get(`${this.#prefix}opaque`)) === 'x'
  }
}

/** An overlay that cannot be understood. */
export function unsupported(path: string, what: string): LayerError {
  return new LayerError('ERR_LAYER_UNSUPPORTED', `In an overlay, ${quoted(path)} ${what}`, { path })
}

function redirectOf(path: string, value: Uint8Array | undefined): string | undefined {
  if (value === undefined) return undefined
  const redirect = text(value)
  const absolute = redirect.startsWith('/')
  const target = absolute ? redirect.slice(1) : redirect
  if (target === '' || !isCleanPath(target) || (!absolute && target.includes('/'))) {
    throw unsupported(path, `is redirected to ${quoted(redirect)}`)
  }
  return redirect
}

/** Values are C strings, with or without their end. */
function text(value: Uint8Array | undefined): string {
  if (value === undefined) return ''
  const end = value.at(-1) === 0 ? -1 : value.byteLength
  return decodePath(value.subarray(0, end))
}
