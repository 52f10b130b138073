/**
 * Members of a layer on their way to disk. Synchronous: a promise for each would cost more than the system calls.
 *
 * @module
 */
import { linkSync, lstatSync, symlinkSync } from 'node:fs'
import type { Entry } from '../entry.ts'
import { LayerError, quoted, systemCode } from '../errors.ts'
import { toLocation } from '../location.ts'
import { MAX_LINK_ROUNDS } from '../merge/file-system.ts'
import { baseOf, parentOf } from '../path.ts'
import type { MemberHandler } from '../tar/body.ts'
import type { MemberHead } from '../tar/member.ts'
import { parseWhiteout } from '../whiteout.ts'
import type { DeviceType, FileSystemAdapter } from './adapter.ts'
import { birthOf, newBirthplace } from './birth.ts'
import type { DirectoryNode } from './directory-node.ts'
import { type FileObserver, FileWriter } from './file-writer.ts'
import type { MetadataWriter } from './metadata.ts'
import type { RootDirectory } from './root-directory.ts'
import { clearDirectory, hideName } from './whiteouts.ts'
import { isImageXattr, type XattrFilter } from '../xattrs/image-xattrs.ts'
import { XattrWriter } from './xattrs.ts'

/** Options of {@link MemberWriter}. */
export interface MemberWriterOptions {
  readonly adapter: FileSystemAdapter
  readonly xattrFilter?: XattrFilter | undefined
  readonly onFile?: FileObserver | undefined
}

/** Writes what a {@link TarParser} finds. */
export class MemberWriter implements MemberHandler {
  entries = 0
  readonly #root: RootDirectory
  readonly #metadata: MetadataWriter
  readonly #adapter: FileSystemAdapter
  readonly #xattrs: XattrWriter
  readonly #files: FileWriter
  /** Hard links to what has not come yet. */
  #waiting: Entry[] = []

  constructor(root: RootDirectory, metadata: MetadataWriter, options: MemberWriterOptions) {
    const { adapter, xattrFilter = isImageXattr, onFile } = options
    this.#root = root
    this.#metadata = metadata
    this.#adapter = adapter
    this.#xattrs = new XattrWriter(adapter, xattrFilter, metadata.unsupported, root.handles.descriptors)
    this.#files = new FileWriter(root, metadata, this.#xattrs, onFile)
    // Most are written to no more, and need not be opened again if they are finished now.
    root.handles.onClose = (node, fd) => {
      if (!needsSettling(node) || !staysWritable(node)) return
      metadata.setOpenDirectory(fd, node, node.path)
      node.settled = true
    }
  }

  /** To be called after every wait. */
  resume(): void {
    this.#root.turn++
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
    try {
      this.#files.data(chunk, start, end)
    } catch (error) {
      throw failure(this.#files.entry!.path, error)
    }
  }

  hole(length: number): void {
    this.#files.hole(length)
  }

  end(): void {
    const { entry } = this.#files
    if (entry === undefined) return
    try {
      this.#files.end()
    } catch (error) {
      throw failure(entry.path, error)
    }
  }

  /** Makes the links that waited, and sets what was put off for directories: they are written to no more. */
  finish(): void {
    for (let round = 0; this.#waiting.length > 0; round++) {
      const before = this.#waiting
      this.#waiting = []
      for (const entry of before) this.begin({ entry, offset: 0, storedSize: 0, sparse: undefined })
      this.entries -= before.length
      const [still] = this.#waiting
      const stuck = this.#waiting.length === before.length || round === MAX_LINK_ROUNDS
      if (still !== undefined && stuck) throw linkError(still, 'is missing')
    }
    this.#xattrs.flush()
    for (const { path, node } of this.#root.childrenFirst()) {
      try {
        if (needsSettling(node)) this.#metadata.setDirectory(this.#root.handles, node, path)
        this.#root.handles.release(node)
      } catch (error) {
        throw failure(path, error)
      }
    }
  }

  /** After a failure: leaves no half-written file. Does nothing after success. */
  abandon(): void {
    this.#files.abandon()
    this.#xattrs.abandon()
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
      case 'file':
        this.#replace(parent, name, () => this.#files.open(parent, name, this.#root.at(parent, name), entry))
        wrote(parent, name)
        return true
      case 'directory':
        this.#makeDirectory(parent, name, entry)
        return false
      case 'symlink':
        this.#replace(parent, name, () =>
          symlinkSync(toLocation(entry.linkname), this.#root.at(parent, name)),
        )
        this.#finishNode(parent, name, entry)
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
    const node = parent.children.get(name) ?? this.#replaceByDirectory(parent, name, entry.mode)
    parent.touch()
    this.#describe(node, entry)
  }

  /** A directory that is there stays, with what is in it; anything else, a symlink to one too, goes. */
  #replaceByDirectory(parent: DirectoryNode, name: string, mode: number): DirectoryNode {
    try {
      return this.#root.make(parent, name, mode)
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
    }
    const existing = this.#root.child(parent, name)
    if (existing !== undefined) return existing
    this.#root.remove(parent, name)
    return this.#root.make(parent, name, mode)
  }

  /** Gives a directory all the metadata of its entry; what it had of that is gone. */
  #describe(node: DirectoryNode, entry: Entry): void {
    const { uid, gid, mode, mtime, mtimeNs } = entry
    node.attributes = { uid, gid, mode, mtime, mtimeNs }
    node.explicit = true
    node.settled = false
    const xattrs = this.#xattrs.wanted(entry)
    // A directory made just now has none to be taken away.
    const replace = node.attributed
    if (xattrs.size === 0 && !replace) return
    // Those it has by an earlier entry must be there to be taken away.
    if (replace) this.#xattrs.flush()
    node.attributed = true
    // A default ACL may be one of them.
    const settle = (): void => void (node.birthplace = newBirthplace())
    const location = this.#root.handles.atForAdapter(node, '.')
    this.#xattrs.set(entry.path, xattrs, { location, replace, settle })
  }

  #link(parent: DirectoryNode, name: string, entry: Entry): boolean {
    const targetName = baseOf(entry.linkname)
    const targetParent = this.#root.find(parentOf(entry.linkname))
    if (entry.linkname === '' || targetParent?.children.has(targetName) === true) {
      throw linkError(entry, 'is a directory')
    }
    if (targetParent === undefined) return false
    // What this layer wrote is there, and no directory.
    if (!targetParent.written.has(targetName)) {
      const stats = lstatSync(this.#root.at(targetParent, targetName), { throwIfNoEntry: false })
      if (stats === undefined) return false
      if (stats.isDirectory()) throw linkError(entry, 'is a directory')
    }
    // A file that names itself is there already.
    if (targetParent === parent && targetName === name) return true
    try {
      this.#replace(parent, name, () => this.#makeLink(targetParent, targetName, parent, name))
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
    const location = this.#root.handles.atForAdapter(parent, name)
    if (this.#adapter.makeDevice(location, type, devMajor, devMinor, mode) === 'unsupported') {
      this.#metadata.unsupported.push({ path: entry.path, attribute: 'device' })
      return
    }
    this.#finishNode(parent, name, entry)
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

  #makeLink(targetParent: DirectoryNode, targetName: string, parent: DirectoryNode, name: string): void {
    const target = this.#root.at(targetParent, targetName)
    linkSync(target, this.#root.at(parent, name))
  }

  /** Sets all of a new symlink, device or FIFO. */
  #finishNode(parent: DirectoryNode, name: string, entry: Entry): void {
    wrote(parent, name)
    const location = this.#root.at(parent, name)
    const { birthplace } = parent
    const birth = birthplace.file ?? birthplace.directory ?? birthOf(lstatSync(location), -1, 0)
    birthplace.file ??= birth
    this.#metadata.setLink(location, entry, birth)
    const xattrs = this.#xattrs.wanted(entry)
    if (xattrs.size === 0) return
    this.#xattrs.set(entry.path, xattrs, { location: this.#root.handles.atForAdapter(parent, name) })
  }
}

/** Whether its metadata is still to be set. */
function needsSettling(node: DirectoryNode): boolean {
  return (node.explicit || node.disturbed) && !node.settled
}

/** Whether we can write to it when it has its final mode; its owner is changed by root only. */
function staysWritable({ attributes: { mode = 0o700 } }: DirectoryNode): boolean {
  return (mode & 0o700) === 0o700 || process.geteuid?.() === 0
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
