/**
 * Members of a layer on their way to disk. Synchronous: a promise for each would cost more than the system calls.
 *
 * @module
 */
import {
  closeSync,
  constants,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { type Entry, NO_XATTRS } from '../entry.ts'
import { LayerError, quoted, systemCode } from '../errors.ts'
import { type Location, toLocation } from '../location.ts'
import { baseOf, parentOf } from '../path.ts'
import type { MemberHandler } from '../tar/body.ts'
import type { MemberHead } from '../tar/member.ts'
import { parseWhiteout } from '../whiteout.ts'
import type { DeviceType, FileSystemAdapter } from './adapter.ts'
import type { DirectoryNode } from './directory-node.ts'
import type { MetadataWriter } from './metadata.ts'
import type { RootDirectory } from './root-directory.ts'
import { clearDirectory, hideName } from './whiteouts.ts'

/** A new file, and nothing that stands in its place. */
const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/** The file being written. */
interface OpenFile {
  readonly entry: Entry
  readonly fd: number
  readonly location: Location
  position: number
  /** Which nobody has written yet. */
  endsInHole: boolean
}

/** Writes what a {@link TarParser} finds. */
export class MemberWriter implements MemberHandler {
  entries = 0
  readonly #root: RootDirectory
  readonly #metadata: MetadataWriter
  readonly #adapter: FileSystemAdapter
  #file: OpenFile | undefined
  /** Hard links to what has not come yet. */
  #waiting: Entry[] = []

  constructor(root: RootDirectory, metadata: MetadataWriter, adapter: FileSystemAdapter) {
    this.#root = root
    this.#metadata = metadata
    this.#adapter = adapter
  }

  begin({ entry }: MemberHead): boolean {
    this.entries++
    try {
      return this.#begin(entry)
    } catch (error) {
      throw failure(entry.path, error)
    }
  }

  data(chunk: Buffer, start: number, end: number): void {
    const file = this.#file!
    try {
      for (let at = start; at < end;) {
        const written = writeSync(file.fd, chunk, at, end - at, file.position)
        at += written
        file.position += written
      }
      file.endsInHole = false
    } catch (error) {
      throw failure(file.entry.path, error)
    }
  }

  hole(length: number): void {
    const file = this.#file!
    file.position += length
    file.endsInHole = true
  }

  end(): void {
    const file = this.#file
    if (file === undefined) return
    const { entry, fd, location, position, endsInHole } = file
    try {
      if (endsInHole) ftruncateSync(fd, position)
      const xattrs = entry.xattrs !== undefined && entry.xattrs.size > 0
      this.#metadata.setFile(fd, entry, xattrs ? () => this.#setXattrs(location, entry) : undefined)
      closeSync(fd)
      this.#file = undefined
    } catch (error) {
      throw failure(entry.path, error)
    }
  }

  /** Makes the links that waited, and sets what was put off for directories. */
  finish(): void {
    while (this.#waiting.length > 0) {
      const before = this.#waiting
      this.#waiting = []
      for (const entry of before) this.begin({ entry, offset: 0, storedSize: 0, sparse: undefined })
      this.entries -= before.length
      if (this.#waiting.length === before.length) throw linkError(before[0]!, 'is missing')
    }
    for (const { path, node } of this.#root.deepestFirst()) {
      try {
        if (node.explicit || node.disturbed) this.#metadata.setDirectory(node, path)
      } catch (error) {
        throw failure(path, error)
      }
    }
  }

  /** After a failure: leaves no half-written file. */
  abandon(): void {
    const file = this.#file
    if (file === undefined) return
    this.#file = undefined
    closeSync(file.fd)
    try {
      unlinkSync(file.location)
    } catch {
      // The failure that brought us here says more.
    }
  }

  /** Returns whether a body is to follow. */
  #begin(entry: Entry): boolean {
    const whiteout = parseWhiteout(entry.path)
    if (whiteout !== undefined) {
      const parent = this.#root.find(whiteout.parent)
      if (parent === undefined) return false
      if (whiteout.kind === 'opaque') clearDirectory(this.#root, parent)
      else hideName(this.#root, parent, whiteout.name)
      return false
    }
    if (entry.path === '') {
      this.#describe(this.#root.root, entry)
      return false
    }
    const parent = this.#root.require(parentOf(entry.path))
    const name = baseOf(entry.path)
    switch (entry.type) {
      case 'file': {
        const location = parent.at(name)
        const fd = this.#replace(parent, name, () => openSync(location, CREATE_FLAGS, 0o600))
        this.#file = { entry, fd, location, position: 0, endsInHole: false }
        wrote(parent, name)
        return true
      }
      case 'directory':
        this.#makeDirectory(parent, name, entry)
        return false
      case 'symlink':
        this.#replace(parent, name, () => symlinkSync(toLocation(entry.linkname), parent.at(name)))
        wrote(parent, name)
        this.#metadata.setLink(parent.at(name), entry)
        this.#setXattrs(parent.at(name), entry)
        return false
      case 'hardlink':
        if (this.#link(parent, name, entry)) wrote(parent, name)
        else this.#waiting.push(entry)
        return false
      default:
        this.#makeDevice(parent, name, entry, entry.type)
        return false
    }
  }

  #makeDirectory(parent: DirectoryNode, name: string, entry: Entry): void {
    const node = parent.children.get(name) ?? this.#replaceByDirectory(parent, name)
    parent.touch()
    this.#describe(node, entry)
  }

  /** A directory that is there stays, with what is in it; anything else, a symlink to one too, goes. */
  #replaceByDirectory(parent: DirectoryNode, name: string): DirectoryNode {
    try {
      return this.#root.make(parent, name)
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
    }
    const existing = this.#root.child(parent, name)
    if (existing !== undefined) return existing
    this.#root.remove(parent, name)
    return this.#root.make(parent, name)
  }

  /** Gives a directory all the metadata of its entry; what it had of that is gone. */
  #describe(node: DirectoryNode, entry: Entry): void {
    const { mode, mtime, mtimeNs } = entry
    const owner = this.#metadata.ownerOf(entry)
    node.attributes = owner === undefined ? { mode, mtime, mtimeNs } : { owner, mode, mtime, mtimeNs }
    node.explicit = true
    // A directory made just now has none to be taken away.
    const none = entry.xattrs === undefined || entry.xattrs.size === 0
    if (none && node.cleared) return
    if (this.#adapter.setXattrs(node.self, entry.xattrs ?? NO_XATTRS) === 'unsupported') {
      this.#metadata.unsupported.push({ path: entry.path, attribute: 'xattrs' })
    }
  }

  #link(parent: DirectoryNode, name: string, entry: Entry): boolean {
    const targetName = baseOf(entry.linkname)
    const targetParent = this.#root.find(parentOf(entry.linkname))
    if (entry.linkname === '' || targetParent?.children.has(targetName) === true) {
      throw linkError(entry, 'is a directory')
    }
    if (targetParent === undefined) return false
    const target = targetParent.at(targetName)
    const stats = lstatSync(target, { throwIfNoEntry: false })
    if (stats === undefined) return false
    if (stats.isDirectory()) throw linkError(entry, 'is a directory')
    // A file that names itself is there already.
    if (targetParent === parent && targetName === name) return true
    try {
      this.#replace(parent, name, () => linkSync(target, parent.at(name)))
    } catch (error) {
      // It was in the directory that the link replaced.
      if (systemCode(error) === 'ENOENT') return false
      if (!['EPERM', 'EMLINK', 'EXDEV'].includes(systemCode(error) ?? '')) throw error
      throw linkError(entry, 'cannot be linked to', error)
    }
    return true
  }

  #makeDevice(parent: DirectoryNode, name: string, entry: Entry, type: DeviceType): void {
    this.#root.remove(parent, name)
    const { devMajor, devMinor, mode } = entry
    if (this.#adapter.makeDevice(parent.at(name), type, devMajor, devMinor, mode) === 'unsupported') {
      this.#metadata.unsupported.push({ path: entry.path, attribute: 'device' })
      return
    }
    wrote(parent, name)
    this.#metadata.setLink(parent.at(name), entry)
    this.#setXattrs(parent.at(name), entry)
  }

  /** Creates, and if something is in the way removes that and creates again. */
  #replace<T>(parent: DirectoryNode, name: string, create: () => T): T {
    try {
      return create()
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
    }
    this.#root.remove(parent, name)
    return create()
  }

  #setXattrs(location: Location, entry: Entry): void {
    if (entry.xattrs === undefined || entry.xattrs.size === 0) return
    if (this.#adapter.setXattrs(location, entry.xattrs) === 'unsupported') {
      this.#metadata.unsupported.push({ path: entry.path, attribute: 'xattrs' })
    }
  }
}

function wrote(parent: DirectoryNode, name: string): void {
  parent.written.add(name)
  parent.touch()
}

function linkError({ path, linkname }: Entry, why: string, cause?: unknown): LayerError {
  const message = `The target ${quoted(linkname)} of the hard link ${quoted(path)} ${why}`
  return new LayerError('ERR_LAYER_LINK', message, { path, cause })
}

function failure(path: string, error: unknown): unknown {
  if (error instanceof LayerError || systemCode(error) === undefined) return error
  return new LayerError('ERR_LAYER_APPLY', `Cannot write ${quoted(path === '' ? '/' : path)}`, {
    path,
    cause: error,
  })
}
