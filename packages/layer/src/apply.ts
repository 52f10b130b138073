/**
 * Layers on disk: image-spec layer.md, "Applying Changesets".
 *
 * @module
 */
import { algorithmOf, assertExpected, createDigester, type Digest } from '@varve/digest'
import { resolve } from 'node:path'
import { defaultAdapter, type FileSystemAdapter } from './apply/adapter.ts'
import { MemberWriter } from './apply/member-writer.ts'
import { MetadataWriter, type OwnerRule } from './apply/metadata.ts'
import type { ApplyReport } from './apply/report.ts'
import { RootDirectory } from './apply/root-directory.ts'
import { decompress } from './compression/decompress.ts'
import { LayerError, quoted } from './errors.ts'
import { toLocation } from './location.ts'
import type { Limits } from './tar/limits.ts'
import { TarParser } from './tar/parser.ts'

/** Options of {@link apply}. */
export interface ApplyOptions {
  /** What the uncompressed bytes must hash to, those after the end marker included. */
  readonly diffID?: Digest
  readonly limits?: Partial<Limits>
  /** Default: `keep` when the process is root, else `ignore`. An owner that may not be set is reported. */
  readonly owner?: OwnerRule
  /** Default: devices and FIFOs with the host's `mknod` when the process is root; attributes are reported. */
  readonly adapter?: FileSystemAdapter
  /** Whether what could not be set is reported (default), or ends the apply with an error. */
  readonly unsupported?: 'report' | 'error'
  readonly signal?: AbortSignal
}

/**
 * Applies a layer, compressed or not, to an existing directory.
 *
 * Nothing outside of `root` is created, changed or read: every path and every hard link is resolved inside, symlinks
 * too. Whiteouts hide what was there before, wherever in the layer they come. Directory modes and times are set last,
 * also those of directories that were only written into. Times are set to the microsecond.
 *
 * A failure leaves a part of the layer in `root`. Whoever needs all or nothing applies to a copy and renames it; no
 * other process may change `root` meanwhile.
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
  const directory = openRoot(root, metadata)
  const replaced: string[] = []
  directory.onReplace = (path) => void replaced.push(path)
  const writer = new MemberWriter(directory, metadata, options.adapter ?? defaultAdapter())
  try {
    const parser = new TarParser(writer, options)
    const digester = createDigester(diffID === undefined ? 'sha256' : algorithmOf(diffID))
    for await (const chunk of decompress(source, options)) {
      signal?.throwIfAborted()
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

function openRoot(root: string, metadata: MetadataWriter): RootDirectory {
  try {
    return new RootDirectory(toLocation(resolve(root)), metadata)
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
