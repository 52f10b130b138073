/**
 * Descriptors inside documents.
 *
 * image-spec v1.1.1, descriptor.md.
 *
 * @module
 */
import { assertExpected, algorithmOf, type Descriptor, digestOf } from '@varve/digest'
import { invalid } from './errors.ts'
import {
  digestAt,
  type Fields,
  member,
  objectFields,
  optionalInteger,
  optionalString,
  optionalStrings,
  optionalTextMap,
  placeOf,
  present,
  requiredString,
} from './fields.ts'
import type { JsonValue } from './json.ts'
import { type JsonInput, sortedMap } from './json-writer.ts'
import { type Platform, platformInput } from './platform.ts'
import { DESCRIPTOR_ORDER } from './rewrite/members.ts'

// Anything visible: unknown types must pass, but none may carry a line break into a header.
const MEDIA_TYPE = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/
// RFC 4648 §4, with padding. Split in two, since a group repeated two million times overflows a regular expression.
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/
// Nothing may hide in the spare bits of the last character.
const BASE64_END = /(?:^|[A-Za-z0-9+/]{4}|[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)$/

/**
 * Views a JSON value as a descriptor; `at` is its place for errors. Fields that are not known are left out.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID`, or `ERR_OCI_MANIFEST_UNSUPPORTED` for a digest of an algorithm
 *   that cannot be verified here.
 */
export function parseDescriptor(value: JsonValue | undefined, at: string): Descriptor {
  return readDescriptor(descriptorFields(value, at))
}

/** Opens a descriptor for readers that need more of it than {@link parseDescriptor} gives. */
export function descriptorFields(value: JsonValue | undefined, at: string): Fields {
  return objectFields(value, at, DESCRIPTOR_ORDER)
}

export function readDescriptor(fields: Fields): Descriptor {
  const size = optionalInteger(fields, 'size')
  if (size === undefined) throw invalid(placeOf(fields, 'size'), 'Missing')
  return present<Descriptor>({
    mediaType: mediaTypeAt(fields),
    digest: digestAt(member(fields, 'digest'), placeOf(fields, 'digest')),
    size,
    urls: optionalStrings(fields, 'urls'),
    annotations: optionalTextMap(fields, 'annotations'),
    data: dataAt(fields),
    artifactType: optionalString(fields, 'artifactType'),
  })
}

/**
 * The content that a descriptor carries with it, checked against its size and digest; `undefined` if it carries none.
 *
 * @throws {DigestError} `ERR_DIGEST_SIZE` or `ERR_DIGEST_MISMATCH`
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if `data` is not base64.
 */
export function inlineContent(descriptor: Descriptor): Uint8Array | undefined {
  const { data, digest, size } = descriptor
  if (data === undefined) return undefined
  if (!isBase64(data)) throw invalid('data', 'Not base64')
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0))
  // The size first: it is cheaper, and says more.
  assertExpected(
    {
      size: bytes.byteLength,
      digest: bytes.byteLength === size ? digestOf(bytes, algorithmOf(digest)) : digest,
    },
    descriptor,
  )
  return bytes
}

/** A descriptor as it is written: keys in the order of the specification's own implementation. */
export function descriptorInput(descriptor: Descriptor & { readonly platform?: Platform }): {
  readonly [key: string]: JsonInput | undefined
} {
  const { mediaType, digest, size, urls, annotations, data, platform, artifactType } = descriptor
  return {
    mediaType,
    digest,
    size,
    urls,
    annotations: annotations && sortedMap(annotations),
    data,
    platform: platform && platformInput(platform),
    artifactType,
  }
}

function mediaTypeAt(fields: Fields): string {
  const mediaType = requiredString(fields, 'mediaType')
  if (!MEDIA_TYPE.test(mediaType)) throw invalid(placeOf(fields, 'mediaType'), 'Not a media type')
  return mediaType
}

function dataAt(fields: Fields): string | undefined {
  const data = optionalString(fields, 'data')
  if (data !== undefined && !isBase64(data)) throw invalid(placeOf(fields, 'data'), 'Not base64')
  return data
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && BASE64.test(text) && BASE64_END.test(text.slice(-4))
}
