/**
 * Entries of what a walk finds.
 *
 * @module
 */
import type { ByteSource } from '@varve/digest'
import { readlinkSync } from 'node:fs'
import { createEntry, type Entry, type EntryType } from '../entry.ts'
import { FileContent } from '../file-content.ts'
import type { Location } from '../location.ts'
import { decodeBinary } from '../path.ts'
import { type FileXattrs, xattrsOf } from '../xattrs.ts'
import { attempt } from './attempt.ts'
import { fileKey, type Status, type StatusReader, type Time } from './status.ts'

/** Numeric owner of a file. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** How metadata is rewritten. */
export interface EntryRules {
  readonly mtime?: 'keep' | number | { readonly clamp: number } | undefined
  readonly owner?: 'keep' | Owner | ((uid: number, gid: number) => Owner) | undefined
  readonly nanoseconds?: boolean | undefined
}

/** Where the content of a file is, as an entry has it. */
export type ContentMaker = (root: Location, path: string, size: number) => ByteSource

/** Makes entries in the order of a tree, and knows which of them are hard links to an earlier one. */
export class EntryMaker {
  readonly #root: Location
  readonly #reader: StatusReader
  readonly #rules: EntryRules
  readonly #xattrs: FileXattrs | undefined
  readonly #content: ContentMaker
  /** First path of every file that has several. */
  readonly #links = new Map<string, string>()

  constructor(
    root: Location,
    reader: StatusReader,
    rules: EntryRules,
    xattrs?: FileXattrs,
    content: ContentMaker = contentOf,
  ) {
    this.#root = root
    this.#reader = reader
    this.#rules = rules
    this.#xattrs = xattrs
    this.#content = content
  }

  /** The path that holds the file: an earlier one if this is a hard link to it, else its own. Ask once, or make one. */
  fileOf(path: string, type: EntryType, location: Location, status: Status): string {
    if (status.nlink <= 1 || type === 'directory') return path
    const key = attempt(path, () => fileKey(status, location), 'ERR_LAYER_CHANGED')
    const first = this.#links.get(key)
    if (first === undefined) this.#links.set(key, path)
    return first ?? path
  }

  make(
    path: string,
    type: EntryType,
    location: Location,
    status: Status,
    target: string = this.fileOf(path, type, location, status),
  ): Entry {
    const owner = this.#owner(status)
    const { mtime, mtimeNs } = this.#time(path, location, status)
    const linked = target !== path
    const device = type === 'char' || type === 'block'
    const file = type === 'file' && !linked
    const { rdev } = status
    return createEntry({
      path,
      type: linked ? 'hardlink' : type,
      mode: status.mode & 0o7777,
      uid: owner.uid,
      gid: owner.gid,
      size: file ? status.size : 0,
      mtime,
      mtimeNs,
      linkname: linked ? target : type === 'symlink' ? readLink(path, location) : '',
      // The encoding of glibc's gnu_dev_major and gnu_dev_minor; what is above 32 bits needs no care here.
      devMajor: device ? (rdev >>> 8) & 0xfff : 0,
      devMinor: device ? (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) : 0,
      xattrs: linked || this.#xattrs === undefined ? undefined : xattrsOf(this.#xattrs, path),
      content: file ? this.#content(this.#root, path, status.size) : undefined,
    })
  }

  #owner(status: Status): Owner {
    const { owner = 'keep' } = this.#rules
    if (owner === 'keep') return status
    return typeof owner === 'function' ? owner(status.uid, status.gid) : owner
  }

  #time(path: string, location: Location, status: Status): Time {
    const { mtime: rule = 'keep', nanoseconds = false } = this.#rules
    if (typeof rule === 'number') return { mtime: rule, mtimeNs: 0 }
    const time = attempt(path, () => this.#reader.time(status, location, nanoseconds), 'ERR_LAYER_CHANGED')
    if (rule === 'keep' || time.mtime < rule.clamp) return time
    return { mtime: rule.clamp, mtimeNs: 0 }
  }
}

function contentOf(root: Location, path: string, size: number): FileContent {
  return new FileContent(root, path, size)
}

function readLink(path: string, location: Location): string {
  return decodeBinary(attempt(path, () => readlinkSync(location, 'latin1'), 'ERR_LAYER_CHANGED'))
}
