/**
 * Conformance as data: requests, and what a registry must answer. Rows are those of the requirements, V for the
 * distribution-spec and S for threats.
 *
 * @module
 */
import { digestOf } from '@varve/digest'
import { content, image, indexOf, json, noise, OCI_INDEX, OCI_MANIFEST, utf8 } from './server-fixtures.ts'

const blob = content(noise(2048))
const empty = content(new Uint8Array())
const big = content(noise(300_000))
const wide = content(noise(500), 'application/octet-stream', 'sha512')
/** What the repository holds. */
export const pulled = image([blob.bytes])
const absent = digestOf(utf8('absent'))
const B = `/v2/a/b/blobs/${blob.descriptor.digest}`

/** Requests to a repository `a/b` that holds `pulled` as `v1`, and what they are answered. */
export interface Row {
  readonly row: string
  readonly title: string
  readonly request: readonly [
    method: string,
    path: string,
    headers?: Record<string, string>,
    body?: Uint8Array,
  ]
  readonly status: number
  readonly headers?: Record<string, string | null>
  readonly code?: string
  readonly body?: Uint8Array
}

const range = (value: string) => ({ range: value })
const slice = (start: number, end: number) => blob.bytes.subarray(start, end)

export const ROWS: readonly Row[] = [
  { row: 'V1', title: 'the base', request: ['GET', '/v2/'], status: 200 },
  {
    row: 'V1',
    title: 'tags of an unknown repository',
    request: ['GET', '/v2/x/tags/list'],
    status: 404,
    code: 'NAME_UNKNOWN',
  },
  {
    row: 'V1',
    title: 'referrers of an unknown repository',
    request: ['GET', `/v2/x/referrers/${absent}`],
    status: 200,
    headers: { 'content-type': OCI_INDEX },
  },
  {
    row: 'V2',
    title: 'a missing blob',
    request: ['GET', `/v2/a/b/blobs/${absent}`],
    status: 404,
    code: 'BLOB_UNKNOWN',
  },
  { row: 'V2', title: 'a missing blob, HEAD', request: ['HEAD', `/v2/a/b/blobs/${absent}`], status: 404 },
  {
    row: 'V2',
    title: 'a missing tag',
    request: ['GET', '/v2/a/b/manifests/nope'],
    status: 404,
    code: 'MANIFEST_UNKNOWN',
  },
  {
    row: 'V2',
    title: 'a missing manifest',
    request: ['GET', `/v2/a/b/manifests/${absent}`],
    status: 404,
    code: 'MANIFEST_UNKNOWN',
  },
  {
    row: 'V2',
    title: 'a malformed digest',
    request: ['GET', '/v2/a/b/blobs/sha256:12'],
    status: 400,
    code: 'DIGEST_INVALID',
  },
  {
    row: 'V2',
    title: 'a malformed digest in a push',
    request: ['PUT', '/v2/a/b/manifests/sha256:12', {}, pulled.bytes],
    status: 400,
    code: 'DIGEST_INVALID',
  },
  {
    row: 'V2',
    title: 'referrers of a malformed digest',
    request: ['GET', '/v2/a/b/referrers/sha256:12'],
    status: 400,
    code: 'DIGEST_INVALID',
  },
  {
    row: 'V3',
    title: 'POST only',
    request: ['POST', `/v2/n/blobs/uploads/?digest=${big.descriptor.digest}`, {}, big.bytes],
    status: 201,
    headers: { location: `/v2/n/blobs/${big.descriptor.digest}` },
  },
  {
    row: 'V3',
    title: 'POST only, empty',
    request: ['POST', `/v2/n/blobs/uploads/?digest=${empty.descriptor.digest}`],
    status: 201,
  },
  {
    row: 'V3',
    title: 'POST only, sha512',
    request: ['POST', `/v2/n/blobs/uploads/?digest=${wide.descriptor.digest}`, {}, wide.bytes],
    status: 201,
    headers: { 'docker-content-digest': wide.descriptor.digest },
  },
  {
    row: 'V3',
    title: 'an algorithm of another world',
    request: ['POST', '/v2/n/blobs/uploads/?digest-algorithm=md5'],
    status: 400,
    code: 'UNSUPPORTED',
  },
  {
    row: 'V6',
    title: 'POST only, wrong digest',
    request: ['POST', `/v2/n/blobs/uploads/?digest=${absent}`, {}, blob.bytes],
    status: 400,
    code: 'DIGEST_INVALID',
  },
  {
    row: 'V6',
    title: 'POST only, wrong length',
    request: [
      'POST',
      `/v2/n/blobs/uploads/?digest=${blob.descriptor.digest}`,
      { 'content-length': '5' },
      blob.bytes,
    ],
    status: 400,
    code: 'SIZE_INVALID',
  },
  {
    row: 'V6',
    title: 'POST only, unknown algorithm',
    request: ['POST', '/v2/n/blobs/uploads/?digest=md5:00', {}, blob.bytes],
    status: 400,
    code: 'DIGEST_INVALID',
  },
  {
    row: 'V7',
    title: 'a mount',
    request: ['POST', `/v2/m/blobs/uploads/?mount=${blob.descriptor.digest}&from=a/b`],
    status: 201,
    headers: { location: `/v2/m/blobs/${blob.descriptor.digest}` },
  },
  {
    row: 'V7',
    title: 'a mount from where it is not',
    request: ['POST', `/v2/m/blobs/uploads/?mount=${absent}&from=a/b`],
    status: 202,
  },
  {
    row: 'V7',
    title: 'a mount from anywhere',
    request: ['POST', `/v2/o/blobs/uploads/?mount=${blob.descriptor.digest}`],
    status: 201,
    headers: { location: `/v2/o/blobs/${blob.descriptor.digest}` },
  },
  {
    row: 'V7',
    title: 'a mount from anywhere of what is nowhere',
    request: ['POST', `/v2/o/blobs/uploads/?mount=${absent}`],
    status: 202,
  },
  {
    row: 'V9',
    title: 'a whole blob',
    request: ['GET', B],
    status: 200,
    headers: { 'content-length': '2048', 'docker-content-digest': blob.descriptor.digest },
    body: blob.bytes,
  },
  {
    row: 'V9',
    title: 'the head of a blob',
    request: ['HEAD', B],
    status: 200,
    headers: { 'content-length': '2048', 'accept-ranges': 'bytes' },
    body: utf8(''),
  },
  {
    row: 'V9',
    title: 'a manifest',
    request: ['GET', '/v2/a/b/manifests/v1'],
    status: 200,
    headers: {
      'content-type': OCI_MANIFEST,
      'content-length': String(pulled.bytes.byteLength),
      'docker-content-digest': pulled.descriptor.digest,
    },
    body: pulled.bytes,
  },
  {
    row: 'V9',
    title: 'the head of a manifest',
    request: ['HEAD', `/v2/a/b/manifests/${pulled.descriptor.digest}`],
    status: 200,
    headers: { 'content-length': String(pulled.bytes.byteLength) },
    body: utf8(''),
  },
  {
    row: 'V10',
    title: '500-1499',
    request: ['GET', B, range('bytes=500-1499')],
    status: 206,
    headers: { 'content-range': 'bytes 500-1499/2048', 'content-length': '1000' },
    body: slice(500, 1500),
  },
  {
    row: 'V10',
    title: '500-',
    request: ['GET', B, range('bytes=500-')],
    status: 206,
    headers: { 'content-range': 'bytes 500-2047/2048', 'content-length': '1548' },
    body: slice(500, 2048),
  },
  {
    row: 'V10',
    title: '-500',
    request: ['GET', B, range('bytes=-500')],
    status: 206,
    headers: { 'content-range': 'bytes 1548-2047/2048', 'content-length': '500' },
    body: slice(1548, 2048),
  },
  {
    row: 'V10',
    title: '2000-5000',
    request: ['GET', B, range('bytes=2000-5000')],
    status: 206,
    headers: { 'content-range': 'bytes 2000-2047/2048' },
    body: slice(2000, 2048),
  },
  {
    row: 'V10',
    title: '500-0',
    request: ['GET', B, range('bytes=500-0')],
    status: 416,
    headers: { 'content-range': 'bytes */2048' },
  },
  { row: 'V10', title: '5000-10000', request: ['GET', B, range('bytes=5000-10000')], status: 416 },
  {
    row: 'V10',
    title: 'several ranges',
    request: ['GET', B, range('bytes=0-1,4-5')],
    status: 200,
    body: blob.bytes,
  },
  {
    row: 'V10',
    title: 'a range of another version',
    request: ['GET', B, { range: 'bytes=0-1', 'if-range': '"other"' }],
    status: 200,
  },
  {
    row: 'V11',
    title: 'a body of another digest',
    request: ['PUT', `/v2/a/b/manifests/${absent}`, { 'content-type': OCI_MANIFEST }, pulled.bytes],
    status: 400,
    code: 'DIGEST_INVALID',
  },
  {
    row: 'V11',
    title: 'a missing layer',
    request: ['PUT', '/v2/a/b/manifests/x', { 'content-type': OCI_MANIFEST }, image().bytes],
    status: 404,
    code: 'MANIFEST_BLOB_UNKNOWN',
  },
  {
    row: 'V11',
    title: 'a missing child',
    request: ['PUT', '/v2/a/b/manifests/x', { 'content-type': OCI_INDEX }, indexOf([image()]).bytes],
    status: 404,
    code: 'MANIFEST_BLOB_UNKNOWN',
  },
  {
    row: 'V13',
    title: 'tags',
    request: ['GET', '/v2/a/b/tags/list'],
    status: 200,
    body: json({ name: 'a/b', tags: ['v1'] }),
  },
  {
    row: 'V13',
    title: 'repositories',
    request: ['GET', '/v2/_catalog'],
    status: 200,
    body: json({ repositories: ['a/b'] }),
  },
  {
    row: 'V14',
    title: 'a delete that is not allowed',
    request: ['DELETE', B],
    status: 405,
    code: 'UNSUPPORTED',
  },
  {
    row: 'V14',
    title: 'a tag delete that is not allowed',
    request: ['DELETE', '/v2/a/b/manifests/v1'],
    status: 405,
    code: 'UNSUPPORTED',
  },
  {
    row: 'S7',
    title: 'a manifest that is also an index',
    request: [
      'PUT',
      '/v2/a/b/manifests/x',
      { 'content-type': OCI_MANIFEST },
      json({ ...JSON.parse(new TextDecoder().decode(pulled.bytes)), manifests: [] }),
    ],
    status: 400,
    code: 'MANIFEST_INVALID',
  },
  {
    row: 'S7',
    title: 'a manifest sent as an index',
    request: ['PUT', '/v2/a/b/manifests/x', { 'content-type': OCI_INDEX }, pulled.bytes],
    status: 400,
    code: 'MANIFEST_INVALID',
  },
  {
    row: 'S7',
    title: 'a manifest of no type',
    request: ['PUT', '/v2/a/b/manifests/x', { 'content-type': 'text/plain' }, pulled.bytes],
    status: 400,
    code: 'MANIFEST_INVALID',
  },
  {
    row: 'S8',
    title: 'a digest that climbs',
    request: ['GET', '/v2/a/b/blobs/sha256:..%2f..%2fx'],
    status: 400,
    code: 'DIGEST_INVALID',
  },
  {
    row: 'S8',
    title: 'upper-case hexadecimal',
    request: ['GET', B.toUpperCase().replace('/V2/A/B/BLOBS/SHA256', '/v2/a/b/blobs/sha256')],
    status: 400,
    code: 'DIGEST_INVALID',
  },
  {
    row: 'S11',
    title: 'a repository that climbs',
    request: ['GET', '/v2/a/%2e%2e%2fb/tags/list'],
    status: 400,
    code: 'NAME_INVALID',
  },
  {
    row: 'S11',
    title: 'a repository in upper case',
    request: ['GET', '/v2/A/tags/list'],
    status: 400,
    code: 'NAME_INVALID',
  },
  {
    row: 'S11',
    title: 'a repository with an empty part',
    request: ['GET', '/v2/a//b/tags/list'],
    status: 400,
    code: 'NAME_INVALID',
  },
  {
    row: 'S11',
    title: 'a repository too long',
    request: ['GET', `/v2/${'a'.repeat(256)}/tags/list`],
    status: 400,
    code: 'NAME_INVALID',
  },
  { row: 'S11', title: 'no such endpoint', request: ['GET', '/v1/a/tags/list'], status: 404 },
  { row: 'S11', title: 'no such list', request: ['GET', '/v2/a/b/tags/other'], status: 404 },
  {
    row: 'S17',
    title: 'another repository’s blob',
    request: ['GET', `/v2/z/blobs/${blob.descriptor.digest}`],
    status: 404,
    code: 'BLOB_UNKNOWN',
  },
  {
    row: 'S17',
    title: 'n that is negative',
    request: ['GET', '/v2/a/b/tags/list?n=-1'],
    status: 400,
    code: 'PAGINATION_NUMBER_INVALID',
  },
  {
    row: 'S17',
    title: 'n that is no number',
    request: ['GET', '/v2/a/b/tags/list?n=NaN'],
    status: 400,
    code: 'PAGINATION_NUMBER_INVALID',
  },
  {
    row: 'S17',
    title: 'n that is huge',
    request: ['GET', `/v2/a/b/tags/list?n=${'9'.repeat(400)}`],
    status: 200,
  },
  {
    row: 'S17',
    title: 'a manifest above the limit, announced',
    request: [
      'PUT',
      '/v2/a/b/manifests/x',
      { 'content-type': OCI_MANIFEST, 'content-length': '4194305' },
      utf8('{'),
    ],
    status: 413,
    code: 'SIZE_INVALID',
  },
  {
    row: 'S17',
    title: 'a manifest above the limit',
    request: ['PUT', '/v2/a/b/manifests/x', { 'content-type': OCI_MANIFEST }, noise(4194305)],
    status: 413,
    code: 'SIZE_INVALID',
  },
  {
    row: 'S17',
    title: 'a length that is none',
    request: ['PUT', '/v2/a/b/manifests/x', { 'content-length': 'x' }, utf8('{')],
    status: 400,
    code: 'SIZE_INVALID',
  },
  {
    row: 'S17',
    title: 'a bad tag',
    request: ['PUT', '/v2/a/b/manifests/-x', {}, utf8('{')],
    status: 400,
    code: 'TAG_INVALID',
  },
  {
    row: 'S17',
    title: 'an unknown upload',
    request: ['PATCH', '/v2/a/b/blobs/uploads/123', {}, utf8('x')],
    status: 404,
    code: 'BLOB_UPLOAD_UNKNOWN',
  },
  {
    row: 'S17',
    title: 'an unknown method',
    request: ['POST', '/v2/a/b/tags/list'],
    status: 405,
    code: 'UNSUPPORTED',
  },
]
