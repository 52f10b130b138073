import assert from 'node:assert/strict'
import { type Digest, digestOf, hexOf } from '@varve/digest'
import fc from 'fast-check'
import t from 'tap'
import { CacheStoreError } from '../src/errors.ts'
import {
  encodeActionResult,
  MAX_ACTION_RESULT,
  type OutputFile,
  recordOf,
} from '../src/http/action-result.ts'
import { bytesField, readFields, varintField } from '../src/http/protobuf.ts'
import { connectionFailure } from '../src/http/failure.ts'
import { backOff, parseRetryAfter, Transient } from '../src/http/retry.ts'
import { MAX_RECORD } from '../src/record.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const bytes = fc.uint8Array({ maxLength: 300 })

t.test('fields are written as the encoding guide says', async (t) => {
  // https://protobuf.dev/programming-guides/encoding/: "A Simple Message" and "Length-Delimited Records".
  t.strictSame(varintField(1, 150), hex('08 96 01'))
  t.strictSame(bytesField(2, utf8('testing')), hex('12 07 74 65 73 74 69 6e 67'))
  t.strictSame(bytesField(3, varintField(1, 150)), hex('1a 03 08 96 01'))
  t.strictSame(varintField(1, 0), hex(''), 'a default takes no bytes')
})

t.test('fields are read as they were written', async () => {
  const number = fc.integer({ min: 1, max: 2 ** 29 - 1 })
  const value = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
  const field = fc.oneof(
    fc.record({ number, bytes }, { noNullPrototype: true }),
    fc.record({ number, value }, { noNullPrototype: true }),
  )
  fc.assert(
    fc.property(fc.array(field, { maxLength: 20 }), (fields) => {
      const message = Buffer.concat(
        fields.map((each) =>
          'bytes' in each ? bytesField(each.number, each.bytes) : varintField(each.number, each.value),
        ),
      )
      assert.deepEqual(readFields(new Uint8Array(message)), fields)
    }),
    { numRuns: 200 },
  )
})

t.test('any other bytes are no message, or one, but never an error', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (message) => {
      for (const field of readFields(message) ?? []) {
        if (field.number < 1) throw new Error('A field without a number')
      }
      recordOf(message)
    }),
    { numRuns: 2000 },
  )
  const refused: ReadonlyArray<readonly [what: string, message: Uint8Array]> = [
    ['a tag and nothing else', hex('08')],
    ['a varint without an end', hex('08 ff ff')],
    ['a varint of more than 64 bits', hex('08 ff ff ff ff ff ff ff ff ff ff 01')],
    ['fewer bytes than announced', hex('12 05 01 02')],
    ['a length of 2^63', hex('12 80 80 80 80 80 80 80 80 80 01')],
    ['half of a fixed number', hex('0d 01 02')],
    ['half of a long one', hex('09 01 02 03 04')],
    ['a group', hex('0b 0c')],
    ['a wire type that is none', hex('0f')],
    ['the field number 0', hex('02 00')],
    ['too many fields', new Uint8Array(2 * 100_001).map((_, at) => (at % 2 === 0 ? 8 : 1))],
  ]
  for (const [what, message] of refused) t.equal(readFields(message), undefined, what)
  t.strictSame(readFields(hex('0d 01 02 03 04 09 01 02 03 04 05 06 07 08 10 01')), [
    { number: 1 },
    { number: 1 },
    { number: 2, value: 1 },
  ])
})

t.test('an ActionResult names its files and carries the record', async () => {
  const file: fc.Arbitrary<OutputFile> = fc.record({
    path: fc.string({ minLength: 1, maxLength: 20 }),
    digest: bytes.map((content) => digestOf(content)),
    size: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  })
  fc.assert(
    fc.property(fc.array(file, { maxLength: 5 }), bytes, (files, record) => {
      const message = encodeActionResult(files, record)
      assert.deepEqual(recordOf(message), record)
      assert.deepEqual(
        filesIn(message),
        files.map(({ path, digest, size }) => ({ path: utf8(path), hash: utf8(hexOf(digest)), size })),
      )
    }),
    { numRuns: 200 },
  )
})

t.test('what a server adds to an ActionResult is passed over', async (t) => {
  const message = encodeActionResult([], utf8('record'))
  const metadata = bytesField(9, bytesField(1, utf8('worker')))
  t.strictSame(recordOf(new Uint8Array([...metadata, ...message, ...metadata])), utf8('record'))
  t.strictSame(recordOf(new Uint8Array([...message, ...bytesField(5, utf8('last'))])), utf8('last'))
  t.equal(recordOf(metadata), undefined, 'and it needs a record')
  t.equal(recordOf(new Uint8Array([...message, ...varintField(4, 1)])), undefined, 'of a success')
})

t.test('the largest record with its outputs fits', async (t) => {
  // The least that an output takes in a record, as canonical JSON.
  const least = JSON.stringify({ digest: digestOf(utf8('')), mediaType: '', size: 0 }).length + 1
  const digest: Digest = digestOf(utf8(''))
  const files = Array.from({ length: Math.ceil(MAX_RECORD / least) }, (_, number) => ({
    path: `output-${number}`,
    digest,
    size: 2 ** 50,
  }))
  const message = encodeActionResult(files, new Uint8Array(MAX_RECORD))
  t.ok(message.byteLength <= MAX_ACTION_RESULT)
  t.equal(recordOf(message)?.byteLength, MAX_RECORD)
})

t.test('what breaks a connection has a code, and passes or not', async (t) => {
  const causes: ReadonlyArray<readonly [cause: string, code: string, passes: boolean]> = [
    ['ECONNRESET', 'UNAVAILABLE', true],
    ['ECONNREFUSED', 'UNAVAILABLE', true],
    ['EAI_AGAIN', 'UNAVAILABLE', true],
    ['HPE_INVALID_CHUNK_SIZE', 'UNAVAILABLE', true],
    ['ENOTFOUND', 'UNAVAILABLE', false],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'CONFIG', false],
    ['CERT_HAS_EXPIRED', 'CONFIG', false],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'CONFIG', false],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'CONFIG', false],
    ['EPROTO', 'CONFIG', false],
    ['HPE_INVALID_CONSTANT', 'CONFIG', false],
  ]
  for (const [name, code, passes] of causes) {
    const cause = Object.assign(new Error(name), { code: name })
    const failure = connectionFailure(cause, 'GET x')
    t.equal(failure instanceof Transient, passes, name)
    const error = failure instanceof Transient ? failure.error : failure
    t.match(error, { name: 'CacheStoreError', code: `ERR_CACHE_STORE_${code}`, cause })
  }
  const ours = new CacheStoreError('ERR_CACHE_STORE_MISSING', 'gone')
  t.equal(connectionFailure(ours, 'GET x'), ours)
})

t.test('pauses grow, to an end, and are never the same', async (t) => {
  for (const random of [0, 1]) {
    const waits = [1, 2, 3, 4, 5, 6, 50].map((failures) => backOff(failures, random))
    t.strictSame(
      waits,
      waits.toSorted((a, b) => a - b),
    )
  }
  t.strictSame([backOff(1, 0), backOff(1, 1)], [100, 200])
  t.strictSame([backOff(1000, 0), backOff(1000, 1)], [2500, 5000])
})

t.test('Retry-After is seconds or a date', async (t) => {
  // The examples of RFC 9110 section 10.2.3.
  t.equal(parseRetryAfter('120'), 120_000)
  const date = 'Fri, 31 Dec 1999 23:59:59 GMT'
  t.equal(parseRetryAfter(date, Date.parse(date) - 5000), 5000)
  t.equal(parseRetryAfter(date), 0, 'in the past')
  for (const value of [undefined, 'soon', '', '-1x']) t.equal(parseRetryAfter(value), undefined)
})

function filesIn(message: Uint8Array): unknown[] {
  return (readFields(message) ?? [])
    .filter((field) => field.number === 2)
    .map((field) => {
      const [path, digest] = readFields(field.bytes!) ?? []
      const [hash, size] = readFields(digest!.bytes!) ?? []
      return { path: path?.bytes, hash: hash?.bytes, size: size?.value ?? 0 }
    })
}
