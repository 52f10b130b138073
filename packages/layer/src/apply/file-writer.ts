/**
 * The regular file that is being written.
 *
 * @module
 */
import { createDigester, type Digest, type Digester } from '@varve/digest'
import { closeSync, constants, ftruncateSync, openSync, unlinkSync, writeSync } from 'node:fs'
import type { Entry } from '../entry.ts'
import type { Location } from '../location.ts'
import { type Birth, observeBirth } from './birth.ts'
import type { DirectoryNode } from './directory-node.ts'
import type { MetadataWriter } from './metadata.ts'
import type { RootDirectory } from './root-directory.ts'
import type { XattrWriter } from './xattrs.ts'

/** Told of each regular file and what was written to it; the path is that in the root, symlinks resolved. */
export type FileObserver = (path: string, digest: Digest) => void

/** A new file, and nothing that stands in its place. */
const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

const ZEROS = Buffer.alloc(64 * 1024)

/** Writes one regular file after the other. */
export class FileWriter {
  readonly #root: RootDirectory
  readonly #metadata: MetadataWriter
  readonly #xattrs: XattrWriter
  readonly #observe: FileObserver | undefined
  #entry: Entry | undefined
  #parent!: DirectoryNode
  #name = ''
  #fd = -1
  #birth: Birth | undefined
  #position = 0
  /** Which nobody has written yet. */
  #endsInHole = false
  #digester: Digester | undefined

  constructor(
    root: RootDirectory,
    metadata: MetadataWriter,
    xattrs: XattrWriter,
    observe: FileObserver | undefined,
  ) {
    this.#root = root
    this.#metadata = metadata
    this.#xattrs = xattrs
    this.#observe = observe
  }

  /** The entry of the file that is open. */
  get entry(): Entry | undefined {
    return this.#entry
  }

  /** Makes the file of a name; fails with `EEXIST` if the name is taken. */
  open(parent: DirectoryNode, name: string, location: Location, entry: Entry): void {
    // setuid is lost by a write, and must not be there before the owner is right.
    const mode = entry.mode & 0o777
    const fd = openSync(location, CREATE_FLAGS, mode)
    this.#entry = entry
    this.#parent = parent
    this.#name = name
    this.#fd = fd
    this.#position = 0
    this.#endsInHole = false
    this.#digester = this.#observe === undefined ? undefined : createDigester()
    const { birthplace } = parent
    this.#birth = birthplace.file = observeBirth(birthplace.file, this.#root.turn, mode, fd)
  }

  data(chunk: Buffer, start: number, end: number): void {
    for (let at = start; at < end;) {
      const written = writeSync(this.#fd, chunk, at, end - at, this.#position)
      at += written
      this.#position += written
    }
    this.#endsInHole = false
    this.#digester?.update(chunk.subarray(start, end))
  }

  hole(length: number): void {
    this.#position += length
    this.#endsInHole = true
    if (this.#digester === undefined) return
    for (let left = length; left > 0; left -= ZEROS.length) {
      this.#digester.update(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS)
    }
  }

  /** Sets the metadata: owner, mode, attributes, time, in this order. */
  end(): void {
    const entry = this.#entry!
    const fd = this.#fd
    const birth = this.#birth
    if (this.#endsInHole) ftruncateSync(fd, this.#position)
    const xattrs = this.#xattrs.wanted(entry)
    this.#metadata.setFileOwner(fd, entry, birth)
    if (xattrs.size > 0) {
      // Some attributes may only be set by whoever may write to the file.
      this.#metadata.setWritable(fd, entry)
      const settle = (): void => this.#metadata.setFileMode(fd, entry, undefined)
      const location = this.#root.handles.atForAdapter(this.#parent, this.#name)
      if (this.#xattrs.defers) this.#fd = -1
      this.#xattrs.set(entry.path, xattrs, { location, fd, settle })
    } else this.#metadata.setFileMode(fd, entry, birth)
    if (this.#fd !== -1) closeSync(fd)
    this.#entry = undefined
    if (this.#digester !== undefined) {
      this.#observe!(this.#parent.pathOf(this.#name), this.#digester.finish().digest)
    }
  }

  /** After a failure: leaves no half-written file. */
  abandon(): void {
    if (this.#entry === undefined) return
    this.#entry = undefined
    if (this.#fd !== -1) closeSync(this.#fd)
    try {
      unlinkSync(this.#root.at(this.#parent, this.#name))
    } catch {
      // The failure that brought us here says more.
    }
  }
}
