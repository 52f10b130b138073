/**
 * Layers on disk: image-spec layer.md, "Applying Changesets".
 *
 * @module
 */
import { algorithmOf, assertExpected, createDigester, type Digest } from '@varve/digest'
import { resolve } from 'node:path'
import { defaultAdapter, type FileSystemAdapter } from './apply/adapter.ts'
import { MemberWriter } from './apply/member-writer.ts'
import type { FileObserver } from './apply/file-writer.ts'
import { MetadataWriter } from './apply/metadata.ts'
import type { OwnerRule } from './apply/owners.ts'
import type { ApplyReport } from './apply/report.ts'
import { RootDirectory } from './apply/root-directory.ts'
import { decompress } from './compression/decompress.ts'
import { LayerError, quoted } from './errors.ts'
import { toLocation } from './location.ts'
import type { Limits } from './tar/limits.ts'
import { TarParser } from './tar/parser.ts'
import type { XattrFilter } from './xattrs/image-xattrs.ts'

/** Options of {@link apply}. */
export interface ApplyOptions {
  /** What the uncompressed bytes must hash to, those after the end marker included. */
  readonly diffID?: Digest
  readonly limits?: Partial<Limits>
  /** Default: `keep` when the process is root, else `ignore`. An owner that may not be set is reported. */
  readonly owner?: OwnerRule
  /** Default: devices and FIFOs with the host's `mknod` when the process is root; attributes are reported. */
  readonly adapter?: FileSystemAdapter
  /** Which extended attributes are set. Default {@link isImageXattr}; what it refuses is not reported. */
  readonly xattrFilter?: XattrFilter
  /** Whether what could not be set is reported (default), or ends the apply with an error. */
  readonly unsupported?: 'report' | 'error'
  /**
   * Told of each regular file when it is complete, and of the digest of its content. The path is that in the root, with
   * symlinked parents resolved. A later entry of the layer may still replace the file. Costs a second hash of all bytes.
   */
  readonly onFile?: FileObserver
  readonly signal?: AbortSignal
}

/**
 * Applies a layer, compressed or not, to an existing directory.
 *
 * Nothing outside of `root` is created, changed or read: every path and every hard link is resolved inside, symlinks
 * too. Whiteouts hide what was there before, wherever in the layer they come. Directory modes and times are set last,
 * also those of directories that were only written into. Times are set to the microsecond.
 *
 * A failure leaves a part of the layer in `root`; {@link unpack} is all or nothing. On Linux another process that
 * changes `root` meanwhile can make the apply fail, or spoil what is in `root`, and not lead it outside.
 *
 * @throws {LayerError} `ERR_LAYER_APPLY`, `ERR_LAYER_UNSAFE`, `ERR_LAYER_LINK`, `ERR_LAYER_WHITEOUT`, `ERR_LAYER_READ`
 *   if `root` is not a directory, `ERR_LAYER_UNSUPPORTED` with `unsupported: 'error'`; as {@link decompress} and
 *   {@link decodeTar}. `DigestError` `ERR_DIGEST_MISMATCH` if the bytes are not those of `diffID`.
 */
export async function apply(
  root: string,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ApplyOptions = {},
): Promise<ApplyReport> {
  const { diffID, signal } = options
  signal?.throwIfAborted()
  const metadata = new MetadataWriter(options.owner ?? (process.geteuid?.() === 0 ? 'keep' : 'ignore'))
  const directory = openRoot(root)
  const replaced: string[] = []
  directory.onReplace = (path) => void replaced.push(path)
  const { adapter = defaultAdapter(), xattrFilter, onFile } = options
  const writer = new MemberWriter(directory, metadata, { adapter, xattrFilter, onFile })
  try {
    const parser = new TarParser(writer, options)
    const digester = createDigester(diffID === undefined ? 'sha256' : algorithmOf(diffID))
    for await (const chunk of decompress(source, options)) {
      signal?.throwIfAborted()
      writer.resume()
      digester.update(chunk)
      parser.write(chunk)
      if (options.unsupported === 'error') refuse(metadata)
    }
    parser.finish()
    const actual = digester.finish()
    if (diffID !== undefined) assertExpected(actual, { digest: diffID })
    writer.finish()
    if (options.unsupported === 'error') refuse(metadata)
    const { digest, size } = actual
    return { diffID: digest, size, entries: writer.entries, unsupported: metadata.unsupported, replaced }
  } finally {
    writer.abandon()
    directory.close()
  }
}

function openRoot(root: string): RootDirectory {
  try {
    return new RootDirectory(toLocation(resolve(root)))
  } catch (error) {
    if (error instanceof LayerError) throw error
    throw new LayerError('ERR_LAYER_READ', `Cannot use ${quoted(root)} as a root`, { path: '', cause: error })
  }
}

function refuse({ unsupported: [first] }: MetadataWriter): void {
  if (first === undefined) return
  const { path, attribute } = first
  throw new LayerError('ERR_LAYER_UNSUPPORTED', `Cannot set the ${attribute} of ${quoted(path)}`, { path })
}
