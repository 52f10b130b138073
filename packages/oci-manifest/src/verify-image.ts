/**
 * Checking images: everything that is wrong, not only the first thing.
 *
 * @module
 */
import {
  algorithmOf,
  type Descriptor,
  type Digest,
  DigestError,
  type DigestErrorCode,
  digestStream,
  verify,
  withSignal,
} from '@varve/digest'
import { type ImageConfig, parseConfig } from './config.ts'
import type { ContentOptions, ContentReader } from './content.ts'
import { OciManifestError, type OciManifestErrorCode } from './errors.ts'
import { assertNesting, childrenOf, notFound, readBytes, readDocument, visit, type Visited } from './graph.ts'
import { assertInStep } from './history.ts'
import type { Manifest } from './manifest.ts'
import {
  compressionOf,
  isConfigType,
  isDocumentType,
  isNondistributableType,
  type LayerCompression,
  MEDIA_TYPE_OCI_EMPTY,
} from './media-types.ts'

/** One thing that is wrong. */
export interface Finding {
  readonly code: OciManifestErrorCode | DigestErrorCode
  readonly message: string
  /** What it is wrong with. */
  readonly descriptor: Descriptor
}

/** How to check. */
export interface VerifyImageOptions extends ContentOptions {
  /**
   * Undoes what `gzip` cannot: called for layers compressed with zstd. Without it their bytes are checked, and their
   * diffIDs are not.
   */
  readonly decompress?: (
    compression: LayerCompression,
    source: AsyncIterable<Uint8Array>,
  ) => AsyncIterable<Uint8Array>
}

/** A check in progress. */
interface Check {
  readonly reader: ContentReader
  readonly options: VerifyImageOptions
  readonly visited: Visited
  readonly findings: Finding[]
}

/**
 * Reads again everything below `descriptor`, and reports whatever is missing, changed or contradictory: digests, sizes,
 * diffIDs, document structure, history out of step with the layers.
 *
 * An empty result means the image is whole. Errors of the reader itself, and an abort, are thrown.
 */
export async function verifyImage(
  reader: ContentReader,
  descriptor: Descriptor,
  options: VerifyImageOptions = {},
): Promise<readonly Finding[]> {
  const check: Check = { reader, options, visited: new Map(), findings: [] }
  await checkContent(check, descriptor, 0)
  return check.findings
}

async function checkContent(
  check: Check,
  descriptor: Descriptor,
  depth: number,
  diffID?: Digest,
): Promise<void> {
  await reporting(check, descriptor, async () => {
    if (!visit(check.visited, descriptor)) return
    if (!isDocumentType(descriptor.mediaType)) {
      await checkBlob(check, descriptor, diffID)
      return
    }
    assertNesting(depth)
    const found = await readDocument(check.reader, descriptor, check.options)
    const diffIDs =
      found.kind === 'manifest' ? await checkManifest(check, descriptor, found.document.value) : []
    // The config is the first child of a manifest, its layers follow.
    for (const [index, child] of childrenOf(found).entries()) {
      await checkContent(check, child, depth + 1, diffIDs[index - 1])
    }
  })
}

/** What a manifest and its config say of each other; gives the diffIDs of the layers, where there are any. */
async function checkManifest(
  check: Check,
  descriptor: Descriptor,
  manifest: Manifest,
): Promise<readonly Digest[]> {
  const { config, layers } = manifest
  if (config.mediaType === MEDIA_TYPE_OCI_EMPTY && manifest.artifactType === undefined) {
    report(check, descriptor, 'An empty config, and no artifactType')
  }
  if (!isConfigType(config.mediaType)) return []
  const parsed = await readConfig(check, config)
  if (parsed === undefined) return []
  const diffIDs = parsed.rootfs.diff_ids
  if (diffIDs.length !== layers.length) {
    report(check, config, `${diffIDs.length} diffIDs for ${layers.length} layers`)
    return []
  }
  if (parsed.history !== undefined) {
    const { history } = parsed
    await reporting(check, config, async () => assertInStep(history, layers.length))
  }
  return diffIDs
}

/** The config, or nothing if it cannot be read, which is then reported where its bytes are checked, or here. */
async function readConfig(check: Check, descriptor: Descriptor): Promise<ImageConfig | undefined> {
  let bytes: Uint8Array
  try {
    bytes = await readBytes(check.reader, descriptor, check.options)
  } catch (error) {
    if (isFinding(error)) return undefined
    throw error
  }
  let config: ImageConfig | undefined
  await reporting(check, descriptor, async () => {
    config = parseConfig(bytes, { descriptor }).value
  })
  return config
}

async function checkBlob(check: Check, descriptor: Descriptor, diffID: Digest | undefined): Promise<void> {
  const { signal } = check.options
  const source = await check.reader.read(descriptor, withSignal(signal))
  if (source === undefined) {
    if (isNondistributableType(descriptor.mediaType)) return
    throw notFound(descriptor)
  }
  const bytes = (): AsyncIterable<Uint8Array> => verify(source.open(withSignal(signal)), descriptor)
  const plain = diffID === undefined ? undefined : uncompressed(descriptor, bytes, check.options)
  if (plain === undefined || diffID === undefined) {
    await digestStream(bytes())
    return
  }
  let actual: Digest
  try {
    actual = (await digestStream(plain, algorithmOf(diffID))).digest
  } catch (error) {
    if (isFinding(error) || signal?.aborted === true) throw error
    // Wrong bytes break the decompressor before their digest is known; read once more to tell the two apart.
    await digestStream(bytes())
    throw new OciManifestError('ERR_OCI_MANIFEST_INVALID', 'The layer does not decompress', { cause: error })
  }
  if (actual !== diffID) report(check, descriptor, `Its diffID is ${actual}, the config says ${diffID}`)
}

function uncompressed(
  { mediaType }: Descriptor,
  bytes: () => AsyncIterable<Uint8Array>,
  { decompress }: VerifyImageOptions,
): AsyncIterable<Uint8Array> | undefined {
  const compression = compressionOf(mediaType)
  if (compression === 'none') return bytes()
  if (compression === 'gzip') return ReadableStream.from(bytes()).pipeThrough(new DecompressionStream('gzip'))
  return compression === undefined ? undefined : decompress?.(compression, bytes())
}

async function reporting(check: Check, descriptor: Descriptor, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isFinding(error)) throw error
    check.findings.push({ code: error.code, message: error.message, descriptor })
  }
}

function report(check: Check, descriptor: Descriptor, message: string): void {
  check.findings.push({ code: 'ERR_OCI_MANIFEST_INVALID', message, descriptor })
}

function isFinding(error: unknown): error is OciManifestError | DigestError {
  return error instanceof OciManifestError || error instanceof DigestError
}
