/**
 * Finding the files of a tar archive.
 *
 * @module
 */
import { posix } from 'node:path'
import { type ByteSource, withSignal } from '@varve/digest'
import { type Extract, extract as createExtract, type Header } from 'tar-stream'
import { OciManifestError, quoted } from '../errors.ts'
import type { ArchiveFiles, Slot } from './files.ts'

/** A link that may lead out; nobody has asked yet. */
interface Link {
  readonly target: string
  readonly isSymbolic: boolean
}

/** What was found so far. */
interface Scan {
  readonly slots: Map<string, Slot>
  readonly links: Map<string, Link>
  readonly repeated: Set<string>
  readonly maxEntries: number
  entries: number
}

const HEADER = 512
/** Names are kept in memory; no file system has longer ones. */
const MAX_NAME = 4096

/**
 * Reads through an archive and notes the place of every file.
 *
 * Files of a layout must be files; what an unknown file is matters only to those who ask for it. Errors of the source
 * pass as they are.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_ARCHIVE` if it is damaged, or has unsafe or contradictory entries;
 *   `_LIMIT` if it has too many.
 */
export async function scanArchive(
  source: ByteSource,
  maxEntries: number,
  signal: AbortSignal | undefined,
): Promise<ArchiveFiles> {
  signal?.throwIfAborted()
  const scan: Scan = { slots: new Map(), links: new Map(), repeated: new Set(), maxEntries, entries: 0 }
  const extract = createExtract()
  const closed = new Promise<void>((resolve) => void extract.once('close', () => resolve()))
  let failure: Error | undefined
  extract.on('error', (error) => {
    failure ??= new OciManifestError('ERR_OCI_MANIFEST_ARCHIVE', 'The archive is damaged', { cause: error })
  })
  extract.on('entry', (header, stream, next) => {
    try {
      note(scan, header, stream.offset + HEADER)
    } catch (error) {
      failure ??= error as OciManifestError
    }
    stream.on('error', () => undefined)
    stream.on('end', () => next())
    stream.resume()
  })
  try {
    for await (const chunk of source.open(withSignal(signal))) {
      if (!extract.write(chunk)) await Promise.race([closed, drained(extract)])
      if (failure !== undefined) throw failure
    }
    extract.end(null)
    await closed
  } finally {
    extract.destroy()
  }
  if (failure !== undefined) throw failure
  for (const name of scan.links.keys()) if (isOfLayout(name)) find(scan, name)
  return {
    has: (name) => scan.slots.has(name) || scan.links.has(name),
    find: (name) => find(scan, name),
  }
}

/** A name without its ornaments. @throws {OciManifestError} `ERR_OCI_MANIFEST_ARCHIVE` if it leads out of the archive. */
export function safeName(name: string): string {
  const parts = name.split('/').filter((part) => part !== '.')
  if (name.startsWith('/') || parts.includes('..')) throw refused(`${quoted(name)} leads out of the archive`)
  return parts.filter((part) => part !== '').join('/')
}

export function refused(why: string): OciManifestError {
  return new OciManifestError('ERR_OCI_MANIFEST_ARCHIVE', `The archive is refused: ${why}`)
}

function drained(extract: Extract): Promise<void> {
  return new Promise((resolve) => void extract.once('drain', () => resolve()))
}

function note(scan: Scan, header: Header, offset: number): void {
  scan.entries += 1
  if (scan.entries > scan.maxEntries) {
    throw new OciManifestError('ERR_OCI_MANIFEST_LIMIT', `More than ${scan.maxEntries} entries`)
  }
  const { type, linkname } = header
  if (header.name.length > MAX_NAME || (linkname?.length ?? 0) > MAX_NAME) {
    throw new OciManifestError('ERR_OCI_MANIFEST_LIMIT', `A name of more than ${MAX_NAME} characters`)
  }
  const name = safeName(header.name)
  const isFile = type === 'file' || type === 'contiguous-file'
  if (type === 'directory') return
  if (isOfLayout(name) && !isFile && type !== 'link') {
    throw refused(`${quoted(name)} is neither a file nor a directory`)
  }
  if (scan.slots.has(name) || scan.links.has(name)) {
    // A blob is verified when it is read, so either copy will do.
    if (name.startsWith('blobs/')) return
    if (isOfLayout(name)) throw twice(name)
    scan.repeated.add(name)
  }
  if (isFile) scan.slots.set(name, { offset, size: header.size })
  else if (linkname) scan.links.set(name, { target: linkname, isSymbolic: type === 'symlink' })
}

function find({ slots, links, repeated }: Scan, name: string): Slot | undefined {
  const passed = new Set<string>()
  for (let at = name; ;) {
    if (passed.has(at)) throw refused(`${quoted(name)} is a link to itself`)
    if (repeated.has(at)) throw twice(at)
    passed.add(at)
    const slot = slots.get(at)
    if (slot !== undefined) return slot
    const link = links.get(at)
    if (link !== undefined) at = targetOf(at, link)
    else if (at === name) return undefined
    else throw refused(`${quoted(name)} is a link to nothing`)
  }
}

/** A hard link names a file of the archive, a symbolic one says how to get there. */
function targetOf(name: string, { target, isSymbolic }: Link): string {
  if (!isSymbolic) return safeName(target)
  if (target.startsWith('/')) throw refused(`${quoted(name)} leads out of the archive`)
  return safeName(posix.join(posix.dirname(name), target))
}

function isOfLayout(name: string): boolean {
  return (
    name === 'oci-layout' || name === 'index.json' || name === 'manifest.json' || name.startsWith('blobs/')
  )
}

function twice(name: string): OciManifestError {
  return refused(`${quoted(name)} is there twice`)
}
