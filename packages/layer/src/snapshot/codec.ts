/**
 * Snapshots as bytes.
 *
 * The format is ours and private: a heading with its version, the entries in the order of the tree, each path as what it
 * shares with the one before and the rest, and a SHA-256 of all that at the end. Numbers have seven bits a byte; times
 * in stamps are doubles, since they are compared bit by bit.
 *
 * @module
 */
import { type Digest, digestOf, formatDigest, hexOf } from '@varve/digest'
import { resolve } from 'node:path'
import { createEntry, type Entry, type EntryType } from '../entry.ts'
import { toLocation } from '../location.ts'
import { comparePaths, decodePath, encodePath, isCleanPath } from '../path.ts'
import { Snapshot } from '../snapshot.ts'
import { ByteReader, ByteWriter, compact, damaged } from './bytes.ts'
import { RecordedContent, recordedDigest } from './content.ts'
import { STAMP_LENGTH, Stamps } from './stamps.ts'

const HEADING: Uint8Array = Buffer.from('varve snapshot 1\n')

/** Bytes of a SHA-256. */
const CHECKSUM = 32

/** Their order is part of the format. */
const TYPES: readonly EntryType[] = ['file', 'directory', 'symlink', 'hardlink', 'char', 'block', 'fifo']

const HAS_XATTRS = 8
const HAS_DIGEST = 16

/** Numbers of a stamp that are integers; the rest are times. */
const INTEGERS = 8

/**
 * Writes a snapshot: about 100 bytes an entry and its name.
 *
 * @throws {LayerError} `ERR_LAYER_ENTRY` for a number that an owner or time option made up and that is no integer.
 */
export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  const writer = new ByteWriter()
  writer.raw(HEADING)
  writer.double(snapshot.time)
  writer.integer(snapshot.entries.length)
  let before: Uint8Array = new Uint8Array()
  for (const [index, entry] of snapshot.entries.entries()) {
    const path = encodePath(entry.path)
    const shared = sharedLength(before, path)
    writer.integer(shared)
    writer.bytes(path.subarray(shared))
    before = path
    writeEntry(writer, entry)
    const stamp = snapshot.stamps.at(index)
    for (let at = 0; at < STAMP_LENGTH; at++) {
      if (at < INTEGERS) writer.integer(stamp[at]!)
      else writer.double(stamp[at]!)
    }
  }
  writer.raw(Buffer.from(hexOf(digestOf(writer.written())), 'hex'))
  return writer.written()
}

/**
 * Reads a snapshot of a directory that is now at `root`.
 *
 * @throws {LayerError} `ERR_LAYER_SNAPSHOT` if the bytes are damaged, or of another version.
 */
export function decodeSnapshot(bytes: Uint8Array, root: string): Snapshot {
  const end = bytes.byteLength - CHECKSUM
  if (end < HEADING.byteLength) throw damaged('is too short')
  if (Buffer.compare(bytes.subarray(0, HEADING.byteLength), HEADING) !== 0)
    throw damaged('has another heading')
  const checksum = Buffer.from(bytes.subarray(end)).toString('hex')
  if (hexOf(digestOf(bytes.subarray(0, end))) !== checksum) throw damaged('does not match its checksum')
  const reader = new ByteReader(bytes.subarray(HEADING.byteLength, end))
  const directory = resolve(root)
  const location = toLocation(directory)
  const time = reader.double()
  const count = reader.count()
  const entries: Entry[] = []
  const stamps = new Stamps()
  const stamp: number[] = []
  let before: Uint8Array = new Uint8Array()
  for (let index = 0; index < count; index++) {
    const shared = reader.integer()
    if (shared > before.byteLength) throw damaged('has a path that continues nothing')
    before = Buffer.concat([before.subarray(0, shared), reader.bytes()])
    const path = decodePath(before)
    checkPath(path, entries.at(-1)?.path)
    entries.push(readEntry(reader, path, (size) => new RecordedContent(location, path, size)))
    for (let at = 0; at < STAMP_LENGTH; at++) stamp[at] = at < INTEGERS ? reader.integer() : reader.double()
    stamps.append(stamp)
  }
  if (!reader.isAtEnd()) throw damaged('has something behind its end')
  return new Snapshot(directory, time, entries, stamps)
}

function writeEntry(writer: ByteWriter, entry: Entry): void {
  const { xattrs, content } = entry
  const digest = content === undefined ? undefined : recordedDigest(content)
  const flags = (xattrs === undefined ? 0 : HAS_XATTRS) | (digest === undefined ? 0 : HAS_DIGEST)
  writer.integer(TYPES.indexOf(entry.type) | flags)
  for (const number of [entry.mode, entry.uid, entry.gid, entry.size]) writer.integer(number)
  // Times before 1970 are negative.
  writer.integer(entry.mtime < 0 ? -2 * entry.mtime - 1 : 2 * entry.mtime)
  for (const number of [entry.mtimeNs, entry.devMajor, entry.devMinor]) writer.integer(number)
  writer.bytes(encodePath(entry.linkname))
  if (xattrs !== undefined) {
    writer.integer(xattrs.size)
    for (const [name, value] of xattrs) {
      writer.bytes(encodePath(name))
      writer.bytes(value)
    }
  }
  if (digest !== undefined) writer.raw(Buffer.from(hexOf(digest), 'hex'))
}

function readEntry(reader: ByteReader, path: string, contentOf: (size: number) => RecordedContent): Entry {
  const flags = reader.integer()
  const type = TYPES[flags & 7]
  if (type === undefined || flags >= 32) throw damaged('has an entry of no known type')
  const [mode, uid, gid, size] = [reader.integer(), reader.integer(), reader.integer(), reader.integer()]
  const time = reader.integer()
  const [mtimeNs, devMajor, devMinor] = [reader.integer(), reader.integer(), reader.integer()]
  const linkname = decodePath(reader.bytes())
  if (mode > 0o7777 || mtimeNs > 999_999_999) throw damaged('has a number out of range')
  const xattrs = (flags & HAS_XATTRS) === 0 ? undefined : readXattrs(reader)
  const content = type === 'file' ? contentOf(size) : undefined
  if ((flags & HAS_DIGEST) !== 0) {
    const digest: Digest = formatDigest('sha256', Buffer.from(reader.raw(CHECKSUM)).toString('hex'))
    if (content === undefined) throw damaged('has a digest of what is no file')
    content.digest = digest
  }
  const mtime = compact(time % 2 === 1 ? -(time + 1) / 2 : time / 2)
  return createEntry({
    path,
    type,
    mode,
    uid,
    gid,
    size,
    mtime,
    mtimeNs,
    linkname,
    devMajor,
    devMinor,
    xattrs,
    content,
  })
}

function readXattrs(reader: ByteReader): Map<string, Uint8Array> {
  const xattrs = new Map<string, Uint8Array>()
  for (let left = reader.count(); left > 0; left--) {
    const name = decodePath(reader.bytes())
    xattrs.set(name, Uint8Array.from(reader.bytes()))
  }
  return xattrs
}

function checkPath(path: string, before: string | undefined): void {
  const first = before === undefined
  if (first ? path !== '' : !isCleanPath(path) || comparePaths(before, path) >= 0) {
    throw damaged('has paths that are no tree')
  }
}

function sharedLength(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.byteLength, b.byteLength)
  let at = 0
  while (at < length && a[at] === b[at]) at++
  return at
}
