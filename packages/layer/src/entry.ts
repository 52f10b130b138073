/**
 * One file of a tree: all of its metadata, and where its content lies.
 *
 * @module
 */
import type { ByteSource } from '@varve/digest'

/** Kinds of files a layer can hold: image-spec layer.md, "File Types". Sockets cannot be stored in a tar. */
export type EntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo'

/** A file of a {@link Tree}. Make one with {@link createEntry}; never change one. */
export interface Entry {
  /** No leading or trailing slash; `''` is the root. Bytes that are not UTF-8 are escaped, see {@link decodePath}. */
  readonly path: string
  readonly type: EntryType
  /** Permission bits with setuid, setgid and sticky: 0..0o7777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Length of the content of a file; 0 for all else. */
  readonly size: number
  /** Whole seconds since 1970, rounded down; negative before. */
  readonly mtime: number
  /** The part of the second that `mtime` leaves: 0..999_999_999. */
  readonly mtimeNs: number
  /** Target: of a symlink its bytes as they are, of a hard link a path of the same tree; else `''`. */
  readonly linkname: string
  readonly devMajor: number
  readonly devMinor: number
  /** Extended attributes; `undefined` is *unknown*, which is not the same as none. */
  readonly xattrs?: ReadonlyMap<string, Uint8Array> | undefined
  /** PAX records this package gives no meaning to, such as `MSWINDOWS.*`; kept as they came. */
  readonly pax?: ReadonlyMap<string, Uint8Array> | undefined
  readonly content?: ByteSource | undefined
}

/** What {@link createEntry} needs; the rest has defaults. */
export type EntryFields = Pick<Entry, 'path' | 'type'> & Partial<Entry>

/** No extended attributes, known to be none. */
export const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map()

/**
 * Makes an entry. Every entry made here has the same shape, which keeps large trees small and quick.
 *
 * Defaults: owner 0:0, time 0, size that of `content`, mode 0755 for directories, 0777 for symlinks, else 0644.
 * Nothing is checked here; whoever writes an entry checks it.
 */
export function createEntry(fields: EntryFields): Entry {
  const { type } = fields
  return {
    path: fields.path,
    type,
    mode: fields.mode ?? (type === 'directory' ? 0o755 : type === 'symlink' ? 0o777 : 0o644),
    uid: compact(fields.uid ?? 0),
    gid: compact(fields.gid ?? 0),
    size: compact(fields.size ?? fields.content?.size ?? 0),
    mtime: compact(fields.mtime ?? 0),
    mtimeNs: compact(fields.mtimeNs ?? 0),
    linkname: fields.linkname ?? '',
    devMajor: fields.devMajor ?? 0,
    devMinor: fields.devMinor ?? 0,
    xattrs: fields.xattrs,
    pax: fields.pax,
    content: fields.content,
  }
}

/** The same file with its content. Written out: a spread costs ten times as much (measured), and archives have many. */
export function withContent(entry: Entry, content: ByteSource): Entry {
  return {
    path: entry.path,
    type: entry.type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    size: entry.size,
    mtime: entry.mtime,
    mtimeNs: entry.mtimeNs,
    linkname: entry.linkname,
    devMajor: entry.devMajor,
    devMinor: entry.devMinor,
    xattrs: entry.xattrs,
    pax: entry.pax,
    content,
  }
}

/** The same file under another name. */
export function withPath(entry: Entry, path: string): Entry {
  return entry.path === path ? entry : createEntry({ ...entry, path })
}

/**
 * The same number, in the form that engines keep without memory of its own where it fits: what `lstat` gives are
 * floating-point numbers, five of them an entry (measured).
 */
function compact(value: number): number {
  const small = value | 0
  return small === value ? small : value
}
