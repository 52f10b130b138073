import t from 'tap'
import { describe, digestOf } from '../src/index.ts'
import { utf8 } from './support.ts'

const MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json'

t.test('a descriptor has type, digest and size of the bytes, and nothing else', async (t) => {
  const bytes = utf8('{"schemaVersion":2} ÿ')
  t.strictSame(describe(MEDIA_TYPE, bytes), { mediaType: MEDIA_TYPE, digest: digestOf(bytes), size: 22 })
})

t.test('the algorithm is the caller’s choice', async (t) => {
  t.strictSame(describe(MEDIA_TYPE, new Uint8Array(), 'sha512').digest, digestOf(new Uint8Array(), 'sha512'))
})

t.test('a view into a larger buffer is described by its own bytes only', async (t) => {
  const view = utf8('..abc..').subarray(2, 5)
  t.strictSame(describe(MEDIA_TYPE, view), describe(MEDIA_TYPE, utf8('abc')))
})
