import t, { type Test } from 'tap'
import * as fc from 'fast-check'
import { type Algorithm, createHasher, hashBytes, HEX_LENGTH } from '../src/hash.ts'
import { utf8 } from './support.ts'

const ALPHABET_448 = 'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'
const ALPHABET_896 =
  'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno' +
  'ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu'
const MILLION = 'a'.repeat(1_000_000)

type Vector = readonly [title: string, algorithm: Algorithm, input: Uint8Array, hex: string]

// FIPS 180-4 examples, as published by NIST, and the hash of nothing.
const FIPS_VECTORS: readonly Vector[] = [
  ['nothing', 'sha256', utf8(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', 'sha256', utf8('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    '448 bits',
    'sha256',
    utf8(ALPHABET_448),
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  ['a million', 'sha256', utf8(MILLION), 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
  [
    'nothing',
    'sha512',
    utf8(''),
    'cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce' +
      '47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e',
  ],
  [
    'abc',
    'sha512',
    utf8('abc'),
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a' +
      '2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
  ],
  [
    '896 bits',
    'sha512',
    utf8(ALPHABET_896),
    '8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018' +
      '501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909',
  ],
  [
    'a million',
    'sha512',
    utf8(MILLION),
    'e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb' +
      'de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b',
  ],
]

// BLAKE3 test_vectors.json, the first 32 bytes of "hash"; the input counts 0 to 250 and starts over.
const BLAKE3_VECTORS: readonly Vector[] = [
  ['0 bytes', 'blake3', counting(0), 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
  ['1 byte', 'blake3', counting(1), '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213'],
  ['one chunk', 'blake3', counting(1024), '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7'],
  [
    'two chunks',
    'blake3',
    counting(1025),
    'd00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444',
  ],
]

const VECTORS = [...FIPS_VECTORS, ...BLAKE3_VECTORS]

t.test('native hashing matches the published vectors', async (t) => checkVectors(t))

t.test('runtimes without node:crypto match the same vectors', async (t) => {
  let asked = 0
  t.intercept(process, 'getBuiltinModule', { value: () => void asked++ })
  checkVectors(t)
  t.equal(asked, 2 * FIPS_VECTORS.length, 'the runtime was asked for its own, except for blake3')
})

t.test('runtimes without a process get the same hash', async (t) => {
  const native = hashBytes(utf8('abc'), 'sha256')
  const { process: saved } = globalThis
  let portable: string
  try {
    Reflect.set(globalThis, 'process', undefined)
    portable = hashBytes(utf8('abc'), 'sha256')
  } finally {
    Reflect.set(globalThis, 'process', saved)
  }
  t.equal(portable, native)
})

t.test('the hash does not depend on how the bytes were cut, nor on who computes it', async (t) => {
  const runtime = process.getBuiltinModule.bind(process)
  let portable = false
  t.intercept(process, 'getBuiltinModule', { value: (id: string) => (portable ? undefined : runtime(id)) })
  const hashes = (chunks: readonly Uint8Array[], algorithm: Algorithm): readonly string[] => {
    const hasher = createHasher(algorithm)
    for (const chunk of chunks) hasher.update(chunk)
    return [hasher.hex(), hashBytes(Uint8Array.from(chunks.flatMap((chunk) => [...chunk])), algorithm)]
  }
  const algorithms = fc.constantFrom<Algorithm>('sha256', 'sha512', 'blake3')
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), algorithms, (chunks, algorithm) => {
      portable = false
      const native = hashes(chunks, algorithm)
      portable = true
      return new Set([...native, ...hashes(chunks, algorithm)]).size === 1
    }),
  )
  t.pass('for every input tried')
})

t.test('a chunk may be reused once it was taken', async (t) => {
  for (const algorithm of ['sha256', 'blake3'] as const) {
    const hasher = createHasher(algorithm)
    const chunk = utf8('abc')
    hasher.update(chunk)
    chunk.fill(0)
    t.equal(hasher.hex(), hashBytes(utf8('abc'), algorithm))
  }
})

function checkVectors(t: Test): void {
  for (const [title, algorithm, input, hex] of VECTORS) {
    const hasher = createHasher(algorithm)
    hasher.update(input)
    t.equal(hasher.hex(), hex, `${algorithm} of ${title}, streamed`)
    t.equal(hashBytes(input, algorithm), hex, `${algorithm} of ${title}, at once`)
    t.equal(hex.length, HEX_LENGTH[algorithm])
  }
}

function counting(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index % 251)
}
