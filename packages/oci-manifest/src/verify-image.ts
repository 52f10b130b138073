/**
 * Checking images: everything that is wrong, not only the first thing.
 *
 * @module
 */
import {
  assertExpected,
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
import { inlineContent } from './descriptor.ts'
import { OciManifestError, type OciManifestErrorCode, quoted } from './errors.ts'
import { assertNesting, childrenOf, notFound, readBytes, readDocument, visit, type Visited } from './graph.ts'
import { assertInStep } from './history.ts'
import type { Document } from './image-index.ts'
import type { Manifest } from './manifest.ts'
import {
  isConfigType,
  isDocumentType,
  isMediaTypeName,
  isNondistributableType,
  MEDIA_TYPE_OCI_EMPTY,
} from './media-types.ts'
import { canDecompress, type DecompressOptions, readDiffID } from './verify/diff-id.ts'

/** One thing that is wrong. */
export interface Finding {
  readonly code: OciManifestErrorCode | DigestErrorCode
  readonly message: string
  /** What it is wrong with. */
  readonly descriptor: Descriptor
  /** Where in that document, as in `at` of an error. */
  readonly at?: string
}

/** How to check. */
export interface VerifyImageOptions extends ContentOptions, DecompressOptions {}

/** A check in progress. */
interface Check {
  readonly reader: ContentReader
  readonly options: VerifyImageOptions
  /** What each digest was referred to as. */
  readonly kinds: Visited
  /** Digests with the size they were referred to by, each of which is checked once. */
  readonly checked: Set<string>
  /** Of bytes that are right. */
  readonly sizes: Map<Digest, number>
  /** By digest and compression. */
  readonly diffIDs: Map<string, Digest>
  readonly findings: Finding[]
}

/**
 * Reads again everything below `descriptor`, and reports whatever is missing, changed or contradictory: digests, sizes,
 * diffIDs, inline data, document structure, media types, one digest under two types, history out of step with the
 * layers. Memory does not grow with the size of a layer.
 *
 * An empty result means the image is whole. Errors of the reader itself, and an abort, are thrown.
 */
export async function verifyImage(
  reader: ContentReader,
  descriptor: Descriptor,
  options: VerifyImageOptions = {},
): Promise<readonly Finding[]> {
  const check: Check = {
    reader,
    options,
    kinds: new Map(),
    checked: new Set(),
    sizes: new Map(),
    diffIDs: new Map(),
    findings: [],
  }
  await checkContent(check, descriptor, 0)
  return check.findings
}

async function checkContent(
  check: Check,
  descriptor: Descriptor,
  depth: number,
  diffID?: Digest,
): Promise<void> {
  await reporting(check, descriptor, () => void visit(check.kinds, descriptor))
  await reporting(check, descriptor, () => void inlineContent(descriptor))
  if (!isMediaType(descriptor.mediaType)) {
    report(check, descriptor, `Not a media type: ${quoted(descriptor.mediaType)}`, 'mediaType')
  }
  await reporting(check, descriptor, async () => {
    if (!isDocumentType(descriptor.mediaType)) {
      await checkBlob(check, descriptor, diffID)
      return
    }
    if (!isFirst(check, descriptor)) return
    assertNesting(depth)
    const found = await readDocument(check.reader, descriptor, check.options)
    check.sizes.set(descriptor.digest, descriptor.size)
    checkTypes(check, descriptor, found)
    const diffIDs =
      found.kind === 'manifest' ? await checkManifest(check, descriptor, found.document.value) : []
    // The config is the first child of a manifest, its layers follow.
    for (const [index, child] of childrenOf(found).entries()) {
      await checkContent(check, child, depth + 1, diffIDs[index - 1])
    }
  })
}

/**
 * Whether these bytes are still to be read.
 *
 * @throws {DigestError} `ERR_DIGEST_SIZE` if they are, and had another size.
 */
function isFirst({ checked, sizes }: Check, descriptor: Descriptor): boolean {
  const { digest } = descriptor
  const key = keyOf(descriptor)
  if (checked.has(key)) return false
  checked.add(key)
  const known = sizes.get(digest)
  if (known !== undefined) assertExpected({ digest, size: known }, descriptor)
  return true
}

function keyOf({ digest, size }: Descriptor): string {
  return `${digest} ${size}`
}

/** What a document says about itself. Its subject may be missing, but not be something else. */
function checkTypes(check: Check, descriptor: Descriptor, { document }: Document): void {
  const { artifactType, subject } = document.value
  if (artifactType !== undefined && !isMediaType(artifactType)) {
    report(check, descriptor, `Not a media type: ${quoted(artifactType)}`, 'artifactType')
  }
  if (subject === undefined) return
  visit(check.kinds, subject)
  inlineContent(subject)
}

/** What a manifest and its config say of each other; gives the diffIDs of the layers, where there are any. */
async function checkManifest(
  check: Check,
  descriptor: Descriptor,
  manifest: Manifest,
): Promise<readonly Digest[]> {
  const { config, layers } = manifest
  if (config.mediaType === MEDIA_TYPE_OCI_EMPTY && manifest.artifactType === undefined) {
    report(check, descriptor, 'An empty config, and no artifactType', 'artifactType')
  }
  if (!isConfigType(config.mediaType)) return []
  const parsed = await readConfig(check, config)
  if (parsed === undefined) return []
  const diffIDs = parsed.rootfs.diff_ids
  if (parsed.history !== undefined) {
    const { history } = parsed
    await reporting(check, config, () => assertInStep(history, layers.length))
  }
  if (diffIDs.length !== layers.length) {
    report(check, config, `${diffIDs.length} diffIDs for ${layers.length} layers`, 'rootfs.diff_ids')
    return []
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
  await reporting(check, descriptor, () => {
    config = parseConfig(bytes, { descriptor }).value
  })
  return config
}

async function checkBlob(check: Check, descriptor: Descriptor, diffID: Digest | undefined): Promise<void> {
  const { digest, mediaType, size } = descriptor
  const { signal } = check.options
  const wanted = diffID !== undefined && canDecompress(mediaType, check.options) ? diffID : undefined
  const key = `${digest} ${mediaType}`
  if (
    isFirst(check, descriptor) ||
    (wanted !== undefined && !check.diffIDs.has(key) && check.sizes.has(digest))
  ) {
    const source = await check.reader.read(descriptor, withSignal(signal))
    if (source === undefined) {
      if (isNondistributableType(mediaType)) {
        // Elsewhere the same bytes may be referred to as what must be here.
        check.checked.delete(keyOf(descriptor))
        return
      }
      throw notFound(descriptor)
    }
    const open = (): AsyncIterable<Uint8Array> => verify(source.open(withSignal(signal)), descriptor)
    if (wanted === undefined) await digestStream(open())
    else check.diffIDs.set(key, await readDiffID(descriptor, open, wanted, check.options))
    check.sizes.set(digest, size)
  }
  const actual = check.diffIDs.get(key)
  if (wanted === undefined || actual === undefined || actual === wanted) return
  report(check, descriptor, `Its diffID is ${actual}, the config says ${wanted}`)
}

/** Parameters are not allowed by image-spec, but cosign writes them. */
function isMediaType(text: string): boolean {
  return isMediaTypeName(text.replace(/ ?;.*$/, ''))
}

async function reporting(
  check: Check,
  descriptor: Descriptor,
  work: () => void | Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isFinding(error)) throw error
    const at = error instanceof OciManifestError ? error.at : undefined
    check.findings.push({
      code: error.code,
      message: error.message,
      descriptor,
      ...(at === undefined ? {} : { at }),
    })
  }
}

function report(check: Check, descriptor: Descriptor, message: string, at?: string): void {
  check.findings.push({
    code: 'ERR_OCI_MANIFEST_INVALID',
    message,
    descriptor,
    ...(at === undefined ? {} : { at }),
  })
}

function isFinding(error: unknown): error is OciManifestError | DigestError {
  return error instanceof OciManifestError || error instanceof DigestError
}
