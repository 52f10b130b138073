import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { bytesSource, describe, type Digest, digestOf, hexOf } from '@varve/digest'
import fc from 'fast-check'
import t from 'tap'
import { type ActionRecord, createMemoryActionIndex, createMemoryBlobStore } from '../src/index.ts'
import { canonicalJson, type Json } from '../src/canonical-json.ts'
import { isEmptyDigest } from '../src/empty-blob.ts'
import { createLocalStore } from '../src/local.ts'
import { decodeRecord, encodeRecord } from '../src/record.ts'
import { seal, unseal } from '../src/seal.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const KEY = digestOf(utf8('the key document'))
const RECORD: ActionRecord = {
  kv: 1,
  key: KEY,
  keyDoc: KEY,
  outputs: [
    {
      ...describe('application/vnd.oci.image.layer.v1.tar', utf8('a layer')),
      annotations: { note: 'ä' },
      artifactType: 'application/x',
      urls: ['https://example.org/'],
      data: 'YQ==',
    },
  ],
  diffIDs: [digestOf(utf8('a layer'))],
  createdAt: '2026-01-02T03:04:05Z',
  durationMs: 1.5,
  builder: 'varve/0.1.0',
  aliasOf: digestOf(utf8('content key'), 'blake3'),
}

t.test('canonical JSON has one spelling, and is JSON', async (t) => {
  t.equal(
    canonicalJson({ b: [1, 'x', null], a: { d: true, c: undefined } }),
    '{"a":{"d":true},"b":[1,"x",null]}',
  )
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value)
      t.equal(canonicalJson(JSON.parse(text) as Json), text)
      t.same(JSON.parse(text), JSON.parse(JSON.stringify(value)))
    }),
  )
})

t.test('what was sealed unseals, and nothing else does', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.nat(), fc.integer({ min: 1, max: 255 }), (payload, at, change) => {
      const sealed = seal(payload)
      t.strictSame(unseal(sealed), payload)
      const flipped = sealed.with(at % sealed.byteLength, (sealed[at % sealed.byteLength] ?? 0) ^ change)
      t.equal(unseal(flipped), undefined, 'flipped')
      t.equal(unseal(sealed.subarray(0, at % sealed.byteLength)), undefined, 'truncated')
      t.equal(unseal(Uint8Array.of(...sealed, change)), undefined, 'extended')
    }),
  )
})

t.test('a record is a line of canonical JSON and a line with its digest', async (t) => {
  const [line = '', digest, rest] = new TextDecoder().decode(encodeRecord(RECORD, 'main')).split('\n')
  t.equal(digest, digestOf(utf8(line)))
  t.equal(rest, '')
  t.equal(line, canonicalJson(JSON.parse(line) as Json))
  t.same(decodeRecord(encodeRecord(RECORD, 'main'), KEY, 'main'), RECORD)
})

t.test('a record under another key or scope is none', async (t) => {
  const bytes = encodeRecord(RECORD, 'pr-17')
  t.equal(decodeRecord(bytes, KEY, 'main'), undefined)
  t.equal(decodeRecord(bytes, digestOf(utf8('another')), 'pr-17'), undefined)
})

t.test('what is sealed well and no record is none', async (t) => {
  const good = JSON.parse(JSON.stringify(RECORD)) as Record<string, unknown>
  const layer = (RECORD.outputs as unknown[])[0] as Record<string, unknown>
  const rejected: ReadonlyArray<readonly [why: string, document: unknown]> = [
    ['a list', []],
    ['null', null],
    ['no record', { scope: 'main' }],
    ['a record that is a text', { scope: 'main', record: 'x' }],
    ...Object.entries({
      kv: 2,
      key: 'sha256:short',
      keyDoc: undefined,
      outputs: {},
      diffIDs: ['../../etc/passwd'],
      createdAt: 'yesterday',
      durationMs: -1,
      builder: 1,
      aliasOf: 'x',
    }).map(([name, value]) => [name, { scope: 'main', record: { ...good, [name]: value } }] as const),
    ...Object.entries({
      mediaType: 1,
      digest: 'md5:x',
      size: 1.5,
      annotations: { a: 1 },
      artifactType: 1,
      urls: [1],
      data: 1,
    }).map(
      ([name, value]) =>
        [
          `output.${name}`,
          { scope: 'main', record: { ...good, outputs: [{ ...layer, [name]: value }] } },
        ] as const,
    ),
  ]
  t.ok(decodeRecord(sealed({ scope: 'main', record: good }), KEY, 'main'))
  for (const [why, document] of rejected) t.equal(decodeRecord(sealed(document), KEY, 'main'), undefined, why)
  t.equal(decodeRecord(seal(utf8('{')), KEY, 'main'), undefined, 'no JSON')
  t.equal(decodeRecord(seal(Uint8Array.of(0xff)), KEY, 'main'), undefined, 'no text')
  t.equal(decodeRecord(new Uint8Array(5_000_000), KEY, 'main'), undefined, 'too large')

  const hostile = JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>
  const annotated = { ...good, outputs: [{ ...layer, annotations: hostile }] }
  const record = decodeRecord(sealed({ scope: 'main', record: annotated }), KEY, 'main')
  t.strictSame(Object.keys(record?.outputs[0]?.annotations ?? {}).toSorted(), ['__proto__', 'constructor'])
})

t.test('what is no record is not written', async (t) => {
  const blobs = createMemoryBlobStore()
  const actions = createMemoryActionIndex(blobs)
  const bad = { ...RECORD, durationMs: NaN }
  await t.rejects(actions.put(bad, { scope: 'main' }), TypeError)
  const large = { ...RECORD, builder: 'x'.repeat(5_000_000) }
  await t.rejects(actions.put(large, { scope: 'main' }), { code: 'ERR_CACHE_STORE_LIMIT' })
})

t.test('the empty blob is known by its name', async (t) => {
  for (const algorithm of ['sha256', 'sha512', 'blake3'] as const) {
    t.equal(isEmptyDigest(digestOf(new Uint8Array(), algorithm)), true)
    t.equal(isEmptyDigest(digestOf(utf8('x'), algorithm)), false)
  }
})

t.test('a damaged record file is a miss, and is replaced', async (t) => {
  const directory = t.testdir()
  const { blobs, actions } = await createLocalStore({ directory })
  await blobs.put(KEY, bytesSource(utf8('the key document')))
  await blobs.put(digestOf(utf8('a layer')), bytesSource(utf8('a layer')))
  const path = recordFile(directory, 'main', KEY)
  const damages: ReadonlyArray<readonly [what: string, damage: (bytes: Uint8Array) => Uint8Array]> = [
    ['flipped', (bytes) => bytes.with(20, (bytes[20] ?? 0) ^ 1)],
    ['truncated', (bytes) => bytes.subarray(0, 50)],
    ['extended', (bytes) => Uint8Array.of(...bytes, 0x0a)],
    ['zeroed', (bytes) => new Uint8Array(bytes.byteLength)],
    ['emptied', () => new Uint8Array()],
    ['grown beyond all bounds', () => new Uint8Array(5_000_000)],
  ]
  for (const [what, damage] of damages) {
    await actions.put(RECORD, { scope: 'main' })
    t.same(await actions.get(KEY, ['main']), RECORD)
    chmodSync(path, 0o644)
    writeFileSync(path, damage(readFileSync(path)))
    t.equal(await actions.get(KEY, ['main']), undefined, what)
    t.equal(await actions.put(RECORD, { scope: 'main' }), 'created', what)
    t.same(await actions.get(KEY, ['main']), RECORD, what)
  }

  rmSync(path)
  writeFileSync(join(directory, 'elsewhere'), encodeRecord(RECORD, 'main'))
  symlinkSync(join(directory, 'elsewhere'), path)
  t.equal(await actions.get(KEY, ['main']), undefined, 'a link')
  t.equal(await actions.put(RECORD, { scope: 'main' }), 'created', 'a link')

  rmSync(path)
  mkdirSync(path)
  t.equal(await actions.get(KEY, ['main']), undefined, 'a directory')
  t.equal(await actions.put(RECORD, { scope: 'main' }), 'created', 'a directory')
  t.same(await actions.get(KEY, ['main']), RECORD)
  t.strictSame(readdirSync(join(directory, 'ingest')), [])
})

t.test('a record file copied to another scope or key is a miss there', async (t) => {
  const directory = t.testdir()
  const { blobs, actions } = await createLocalStore({ directory })
  await blobs.put(KEY, bytesSource(utf8('the key document')))
  await blobs.put(digestOf(utf8('a layer')), bytesSource(utf8('a layer')))
  await actions.put(RECORD, { scope: 'pr-17' })
  const other = digestOf(utf8('another'))
  for (const path of [recordFile(directory, 'main', KEY), recordFile(directory, 'pr-17', other)]) {
    mkdirSync(dirname(path), { recursive: true })
    copyFileSync(recordFile(directory, 'pr-17', KEY), path)
  }
  t.equal(await actions.get(KEY, ['main']), undefined)
  t.equal(await actions.get(other, ['pr-17']), undefined)
  t.same(await actions.get(KEY, ['main', 'pr-17']), RECORD)
})

t.test('keys of other algorithms do not meet', async (t) => {
  const { blobs, actions } = await createLocalStore({ directory: t.testdir() })
  await blobs.put(KEY, bytesSource(utf8('the key document')))
  const twin = `blake3:${hexOf(KEY)}` as Digest
  const record = { ...RECORD, outputs: [] }
  t.equal(await actions.put(record, { scope: 'main' }), 'created')
  t.equal(await actions.put({ ...record, key: twin }, { scope: 'main' }), 'created')
  t.equal((await actions.get(KEY, ['main']))?.key, KEY)
  t.equal((await actions.get(twin, ['main']))?.key, twin)
})

function sealed(document: unknown): Uint8Array {
  return seal(utf8(JSON.stringify(document)))
}

function recordFile(directory: string, scope: string, key: Digest): string {
  return join(directory, 'ac', scope, hexOf(key).slice(0, 2), hexOf(key))
}
