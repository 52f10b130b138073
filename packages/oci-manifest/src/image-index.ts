/**
 * Image indexes: manifests by platform, also as the list of roots in a layout.
 *
 * image-spec v1.1.1, image-index.md, and Docker's manifest list, which has the same members.
 *
 * @module
 */
import type { Descriptor } from '@varve/digest'
import { descriptorFields, parseDescriptor, readDescriptor } from './descriptor.ts'
import {
  type DocumentKind,
  kindOf,
  MAX_ENTRIES,
  openDocument,
  type Parsed,
  type ParseOptions,
} from './document.ts'
import {
  member,
  optionalString,
  optionalTextMap,
  placeOf,
  present,
  requiredArray,
  type TextMap,
} from './fields.ts'
import type { JsonValue } from './json.ts'
import { type Manifest, parseManifest } from './manifest.ts'
import { isIndexType, MEDIA_TYPE_OCI_INDEX } from './media-types.ts'
import { type Platform, readPlatform } from './platform.ts'

/** The document. */
export interface ImageIndex {
  readonly schemaVersion: 2
  readonly mediaType?: string
  readonly artifactType?: string
  /** In order of preference; may be empty. */
  readonly manifests: readonly IndexEntry[]
  /** The document this one is about. It may be missing wherever this one is. */
  readonly subject?: Descriptor
  readonly annotations?: TextMap
}

/** A manifest, or another index, and where it runs. */
export interface IndexEntry extends Descriptor {
  readonly platform?: Platform
}

/** A manifest or an index, whichever the bytes were. */
export type Document =
  | { readonly kind: 'manifest'; readonly document: Parsed<Manifest> }
  | { readonly kind: 'index'; readonly document: Parsed<ImageIndex> }

const KIND: DocumentKind = {
  name: 'image index',
  keys: ['artifactType', 'manifests', 'subject', 'annotations'],
  accepts: isIndexType,
  mediaType: MEDIA_TYPE_OCI_INDEX,
}

/**
 * Parses an index or a manifest list.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID`, `_LIMIT`, or `_UNSUPPORTED` for Docker's schema 1 and for a
 *   digest of another algorithm.
 * @throws {DigestError} if the bytes are not those of `options.descriptor`.
 */
export function parseIndex(bytes: Uint8Array, options: ParseOptions = {}): Parsed<ImageIndex> {
  const { fields, descriptor, mediaType } = openDocument(bytes, KIND, options)
  const manifests = requiredArray(fields, 'manifests', options.maxEntries ?? MAX_ENTRIES)
  const subject = member(fields, 'subject')
  const value = present<ImageIndex>({
    schemaVersion: 2,
    mediaType,
    artifactType: optionalString(fields, 'artifactType'),
    manifests: manifests.map((entry, index) => readEntry(entry, `manifests[${index}]`)),
    subject: subject === undefined ? undefined : parseDescriptor(subject, 'subject'),
    annotations: optionalTextMap(fields, 'annotations'),
  })
  return { bytes, descriptor, value }
}

/**
 * Parses whichever of a manifest and an index the bytes are: by what they were delivered as, else by their
 * `mediaType`, else by their members.
 *
 * @throws {OciManifestError} as {@link parseManifest} and {@link parseIndex}; `ERR_OCI_MANIFEST_UNSUPPORTED` for any
 *   other media type.
 */
export function parseDocument(bytes: Uint8Array, options: ParseOptions = {}): Document {
  return kindOf(bytes, options) === 'index'
    ? { kind: 'index', document: parseIndex(bytes, options) }
    : { kind: 'manifest', document: parseManifest(bytes, options) }
}

function readEntry(value: JsonValue, at: string): IndexEntry {
  const fields = descriptorFields(value, at)
  const platform = member(fields, 'platform')
  return present<IndexEntry>({
    ...readDescriptor(fields),
    platform: platform === undefined ? undefined : readPlatform(platform, placeOf(fields, 'platform')),
  })
}
