/**
 * Image manifests: one config and its layers.
 *
 * image-spec v1.1.1, manifest.md, and Docker's schema 2, which has the same members.
 *
 * @module
 */
import type { Descriptor } from '@varve/digest'
import { parseDescriptor } from './descriptor.ts'
import { type DocumentKind, MAX_ENTRIES, openDocument, type Parsed, type ParseOptions } from './document.ts'
import { invalid } from './errors.ts'
import { member, optionalString, optionalTextMap, present, requiredArray, type TextMap } from './fields.ts'
import { isManifestType, MEDIA_TYPE_OCI_MANIFEST } from './media-types.ts'

/** The document. */
export interface Manifest {
  readonly schemaVersion: 2
  readonly mediaType?: string
  readonly artifactType?: string
  readonly config: Descriptor
  /** Base first; may be empty. */
  readonly layers: readonly Descriptor[]
  /** The document this one is about. It may be missing wherever this one is. */
  readonly subject?: Descriptor
  readonly annotations?: TextMap
}

const KIND: DocumentKind = {
  name: 'image manifest',
  keys: ['artifactType', 'config', 'layers', 'subject', 'annotations'],
  accepts: isManifestType,
  mediaType: MEDIA_TYPE_OCI_MANIFEST,
}

/**
 * Parses a manifest, OCI or Docker schema 2.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID`, `_LIMIT`, or `_UNSUPPORTED` for Docker's schema 1 and for a
 *   digest of another algorithm.
 * @throws {DigestError} if the bytes are not those of `options.descriptor`.
 */
export function parseManifest(bytes: Uint8Array, options: ParseOptions = {}): Parsed<Manifest> {
  const { fields, descriptor, mediaType } = openDocument(bytes, KIND, options)
  if (member(fields, 'config') === undefined) throw invalid('config', 'Missing')
  const layers = requiredArray(fields, 'layers', options.maxEntries ?? MAX_ENTRIES)
  const subject = member(fields, 'subject')
  const value = present<Manifest>({
    schemaVersion: 2,
    mediaType,
    artifactType: optionalString(fields, 'artifactType'),
    config: parseDescriptor(member(fields, 'config'), 'config'),
    layers: layers.map((layer, index) => parseDescriptor(layer, `layers[${index}]`)),
    subject: subject === undefined ? undefined : parseDescriptor(subject, 'subject'),
    annotations: optionalTextMap(fields, 'annotations'),
  })
  return { bytes, descriptor, value }
}
