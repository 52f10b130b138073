/**
 * What every document has in common: bytes, a descriptor, and a strict view.
 *
 * @module
 */
import {
  algorithmOf,
  assertExpected,
  type Descriptor,
  describe,
  digestOf,
  type OciAlgorithm,
} from '@varve/digest'
import { invalid, OciManifestError, quoted } from './errors.ts'
import { type Fields, objectFields, optionalInteger, optionalString } from './fields.ts'
import { type JsonLimits, type JsonObject, parseJson } from './json.ts'
import {
  isDocumentType,
  isIndexType,
  isManifestType,
  isMediaTypeName,
  isSchema1Type,
  MEDIA_TYPE_DOCKER_LIST,
  MEDIA_TYPE_DOCKER_MANIFEST,
} from './media-types.ts'

/**
 * A document: the bytes as received or written, which are what gets stored and pushed, beside a view of them.
 *
 * Fields that are not known here are in the bytes and not in the view.
 */
export interface Parsed<T> {
  readonly bytes: Uint8Array
  readonly descriptor: Descriptor
  readonly value: T
}

/** What is known of a document before it is read. */
export interface ParseOptions extends JsonLimits {
  /** What referred to the document. The bytes are checked against it, and it becomes the result's descriptor. */
  readonly descriptor?: Descriptor
  /** The type it was delivered as, without parameters; the descriptor's goes first. */
  readonly mediaType?: string
  /** Entries in each array. Default 16 384. */
  readonly maxEntries?: number
}

/** The default of {@link ParseOptions}`.maxEntries`. */
export const MAX_ENTRIES = 16_384

/**
 * The keys that tell kinds of documents apart. A document with one that belongs to another kind could be read as
 * either: CVE-2021-41190.
 */
const KIND_KEYS: readonly string[] = ['config', 'fsLayers', 'history', 'layers', 'manifests']

/** How a kind of document looks. */
export interface DocumentKind {
  readonly name: string
  readonly keys: readonly string[]
  readonly accepts: (mediaType: string) => boolean
  /** The media type of a document that does not say. */
  readonly mediaType: string
}

/** A document opened as one of a kind. */
export interface OpenedDocument {
  readonly fields: Fields
  readonly descriptor: Descriptor
  /** `mediaType` as the document itself states it. */
  readonly mediaType: string | undefined
}

/**
 * Reads the bytes as a manifest or an index, refusing whatever could be something else.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID`, `_LIMIT`, or `_UNSUPPORTED` for Docker's schema 1.
 * @throws {DigestError} if the bytes are not those of `options.descriptor`.
 */
export function openDocument(bytes: Uint8Array, kind: DocumentKind, options: ParseOptions): OpenedDocument {
  const fields = objectFields(parseJson(bytes, options), '', [
    'schemaVersion',
    'mediaType',
    ...kind.keys,
    ...KIND_KEYS,
  ])
  const expected = options.descriptor?.mediaType ?? options.mediaType
  const stated = optionalString(fields, 'mediaType')
  refuseSchema1(fields.object, stated, expected)
  if (optionalInteger(fields, 'schemaVersion') !== 2) throw invalid('schemaVersion', 'Expected 2')
  if (expected !== undefined && stated !== undefined && stated !== expected) {
    throw invalid('mediaType', `Delivered as ${quoted(expected)}, but says ${quoted(stated)}`)
  }
  const mediaType = stated ?? expected ?? kind.mediaType
  if (!kind.accepts(mediaType))
    throw invalid('mediaType', `Not the type of an ${kind.name}: ${quoted(mediaType)}`)
  // Without it, the same bytes would be a valid OCI document as well: one digest, two types.
  if (
    stated === undefined &&
    (mediaType === MEDIA_TYPE_DOCKER_LIST || mediaType === MEDIA_TYPE_DOCKER_MANIFEST)
  ) {
    throw invalid('mediaType', 'Missing, though schema 2 requires it')
  }
  refuseForeignKeys(fields.object, kind)
  return { fields, descriptor: describeDocument(bytes, mediaType, options.descriptor), mediaType: stated }
}

/**
 * Checks a type that is to be written: RFC 6838, as image-spec asks of every `artifactType`.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID`
 */
export function assertMediaType(text: string, at: string): void {
  if (!isMediaTypeName(text)) throw invalid(at, `Not a media type: ${quoted(text)}`)
}

/** The given descriptor, after a check, or one made from the bytes. */
export function describeDocument(
  bytes: Uint8Array,
  mediaType: string,
  given: Descriptor | undefined,
): Descriptor {
  if (given === undefined) return { mediaType, digest: digestOf(bytes), size: bytes.byteLength }
  const algorithm = algorithmOf(given.digest) as OciAlgorithm
  assertExpected({ digest: digestOf(bytes, algorithm), size: bytes.byteLength }, given)
  return given
}

/** Describes what a document became, with a digest of the same algorithm. */
export function describeLike(before: Descriptor, mediaType: string, bytes: Uint8Array): Descriptor {
  return describe(mediaType, bytes, algorithmOf(before.digest) as OciAlgorithm)
}

/** @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if a key belongs to another kind of document. */
export function refuseForeignKeys(object: JsonObject, kind: Pick<DocumentKind, 'name' | 'keys'>): void {
  for (const key of KIND_KEYS) {
    if (object.has(key) && !kind.keys.includes(key)) throw invalid(key, `Not a key of an ${kind.name}`)
  }
}

/**
 * Which kind of document the bytes are: by what they were delivered as, else by what they say, else by their keys.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_UNSUPPORTED` if the type is not one of a manifest or an index.
 */
export function kindOf(bytes: Uint8Array, options: ParseOptions): 'manifest' | 'index' {
  const { object } = objectFields(parseJson(bytes, options), '', ['mediaType', ...KIND_KEYS])
  const stated = object.get('mediaType')
  const mediaType = options.descriptor?.mediaType ?? options.mediaType ?? stated
  if (typeof mediaType !== 'string') return object.has('manifests') ? 'index' : 'manifest'
  if (isIndexType(mediaType)) return 'index'
  if (isManifestType(mediaType) || isSchema1Type(mediaType)) return 'manifest'
  throw new OciManifestError(
    'ERR_OCI_MANIFEST_UNSUPPORTED',
    `Not a manifest or an index: ${quoted(mediaType)}`,
    {
      at: 'mediaType',
    },
  )
}

function refuseSchema1(object: JsonObject, stated: string | undefined, expected: string | undefined): void {
  const typed = [stated, expected].some((each) => each !== undefined && isSchema1Type(each))
  // Some registries label it with the type that was asked for; a modern document never has this version.
  const version = object.get('schemaVersion')
  const old = version !== null && typeof version === 'object' && 'text' in version && version.text === '1'
  if (!typed && !(old && (expected === undefined || isDocumentType(expected)))) return
  throw new OciManifestError('ERR_OCI_MANIFEST_UNSUPPORTED', 'A manifest of Docker schema 1', {
    at: 'schemaVersion',
  })
}
