/**
 * Finding the files of a tar archive.
 *
 * @module
 */
import { algorithmOf, type ByteSource, type Digest, hexOf, parseDigest, withSignal } from '@varve/digest'
import { type Extract, extract as createExtract, type Header } from 'tar-stream'
import { OciManifestError, quoted } from '../errors.ts'

/** Where a file's bytes are. */
export interface Slot {
  readonly offset: number
  readonly size: number
}

/** Files found, and hard links to them that came first. */
interface Scan {
  readonly slots: Map<string, Slot>
  readonly links: Map<string, string>
  readonly maxEntries: number
  entries: number
}

const HEADER = 512

/** The entry of a blob. */
export function blobName(digest: Digest): string {
  // Once more, for what comes from plain JavaScript: a digest becomes a name here.
  const checked = parseDigest(digest)
  return `blobs/${algorithmOf(checked)}/${hexOf(checked)}`
}

/**
 * Reads through an archive and notes the place of every file that has to do with a layout.
 *
 * Errors of the source pass as they are.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_ARCHIVE` if it is damaged, or has unsafe or contradictory entries;
 *   `_LIMIT` if it has too many.
 */
export async function scanArchive(
  source: ByteSource,
  maxEntries: number,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, Slot>> {
  signal?.throwIfAborted()
  const scan: Scan = { slots: new Map(), links: new Map(), maxEntries, entries: 0 }
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
  for (const [name, target] of scan.links) follow(scan, name, target)
  return scan.slots
}

function drained(extract: Extract): Promise<void> {
  return new Promise((resolve) => void extract.once('drain', () => resolve()))
}

function note(scan: Scan, header: Header, offset: number): void {
  scan.entries += 1
  if (scan.entries > scan.maxEntries) {
    throw new OciManifestError('ERR_OCI_MANIFEST_LIMIT', `More than ${scan.maxEntries} entries`)
  }
  const name = safeName(header.name)
  if (!isOfLayout(name) || header.type === 'directory') return
  if (scan.slots.has(name) || scan.links.has(name)) {
    // A blob is verified when it is read, so either copy will do.
    if (name.startsWith('blobs/')) return
    throw refused(`${quoted(name)} is there twice`)
  }
  if (header.type === 'file' || header.type === 'contiguous-file')
    scan.slots.set(name, { offset, size: header.size })
  else if (header.type === 'link') scan.links.set(name, safeName(header.linkname))
  else throw refused(`${quoted(name)} is neither a file nor a directory`)
}

/** A hard link has the bytes of the file it names, which may be a link itself. */
function follow({ slots, links }: Scan, name: string, first: string): void {
  const seen = new Set([name])
  let target: string | undefined = first
  while (target !== undefined && !slots.has(target)) {
    if (seen.has(target)) throw refused(`${quoted(name)} is a link to itself`)
    seen.add(target)
    target = links.get(target)
  }
  const slot = target === undefined ? undefined : slots.get(target)
  if (slot === undefined) throw refused(`${quoted(name)} is a link to nothing`)
  slots.set(name, slot)
}

function isOfLayout(name: string): boolean {
  return (
    name === 'oci-layout' || name === 'index.json' || name === 'manifest.json' || name.startsWith('blobs/')
  )
}

function safeName(name: string): string {
  const parts = name.split('/').filter((part) => part !== '.')
  if (name.startsWith('/') || parts.includes('..')) throw refused(`${quoted(name)} leads out of the archive`)
  return parts.filter((part) => part !== '').join('/')
}

function refused(why: string): OciManifestError {
  return new OciManifestError('ERR_OCI_MANIFEST_ARCHIVE', `The archive is refused: ${why}`)
}
