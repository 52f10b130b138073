/** Where blobs are: both keepers of it, and what they keep. */
import { createMemoryRefStore, type RefStore } from '@varve/cache-store'
import { createLocalStore } from '@varve/cache-store/local'
import { digestOf } from '@varve/digest'
import fc from 'fast-check'
import t from 'tap'
import { type BlobLocations, createMemoryLocations, createStoredLocations } from '../src/index.ts'
import { decodeRecord, encodeRecord } from '../src/locations/record.ts'
import { content, utf8 } from './fixtures.ts'

const BLOB = digestOf(utf8('blob'))
const LAYER = digestOf(utf8('layer'))
const HUB = 'docker.io'

const keepers: readonly (readonly [name: string, make: () => BlobLocations])[] = [
  ['memory', createMemoryLocations],
  ['a store', () => createStoredLocations(createMemoryRefStore())],
]

for (const [name, make] of keepers) {
  t.test(`§6.5: ${name} keeps places by registry, the latest noted first`, async (t) => {
    const locations = make()
    t.strictSame(await locations.repositoriesOf(BLOB, HUB), [])
    for (const repository of ['library/a', 'library/b', 'library/a']) {
      await locations.add(BLOB, { registry: HUB, repository })
    }
    await locations.add(BLOB, { registry: 'localhost:5000', repository: 'c' })
    t.strictSame(await locations.repositoriesOf(BLOB, HUB), ['library/a', 'library/b'])
    t.strictSame(await locations.repositoriesOf(LAYER, HUB), [])
    await locations.drop(BLOB, { registry: HUB, repository: 'library/a' })
    await locations.drop(BLOB, { registry: HUB, repository: 'library/never' })
    t.strictSame(await locations.repositoriesOf(BLOB, HUB), ['library/b'])
    t.strictSame(await locations.repositoriesOf(BLOB, 'localhost:5000'), ['c'])
  })

  t.test(`§6.5: ${name} keeps which blobs hold a layer`, async (t) => {
    const locations = make()
    const gzip = content(utf8('gzip'), 'application/vnd.oci.image.layer.v1.tar+gzip').descriptor
    const zstd = content(utf8('zstd'), 'application/vnd.oci.image.layer.v1.tar+zstd').descriptor
    for (const layer of [
      gzip,
      zstd,
      { ...gzip, annotations: { secret: 'x' }, urls: ['https://x.example'] },
    ]) {
      await locations.addLayer(LAYER, layer)
    }
    t.strictSame(await locations.layersOf(LAYER), [gzip, zstd], 'and nothing else of their descriptors')
    t.equal(await locations.diffIDOf(gzip.digest), LAYER)
    t.equal(await locations.diffIDOf(BLOB), undefined)
    t.strictSame(await locations.layersOf(BLOB), [])
  })

  t.test(`§6.5: ${name} does not grow without end`, async (t) => {
    const locations = make()
    for (let index = 0; index < 100; index += 1) {
      await locations.add(BLOB, { registry: HUB, repository: `r${index}` })
      await locations.addLayer(LAYER, content(utf8(String(index))).descriptor)
    }
    const repositories = await locations.repositoriesOf(BLOB, HUB)
    t.equal(repositories.length, 32)
    t.equal(repositories[0], 'r99')
    t.equal((await locations.layersOf(LAYER)).length, 16)
  })
}

t.test('§6.5: places that many note at once in a store all survive', async (t) => {
  const store = await createLocalStore({ directory: t.testdir() })
  const repositories = Array.from({ length: 12 }, (_, index) => `r${index}`)
  await Promise.all(
    repositories.map((repository) =>
      createStoredLocations(store.refs).add(BLOB, { registry: HUB, repository }),
    ),
  )
  const found = await createStoredLocations(store.refs).repositoriesOf(BLOB, HUB)
  t.strictSame(found.toSorted(), repositories.toSorted())
})

t.test('§6.5: what is known already is not written again', async (t) => {
  const refs = createMemoryRefStore()
  let writes = 0
  const counted: RefStore = {
    ...refs,
    update: (...args) => {
      writes += 1
      return refs.update(...args)
    },
  }
  const locations = createStoredLocations(counted)
  for (let time = 0; time < 5; time += 1) await locations.add(BLOB, { registry: HUB, repository: 'a' })
  t.equal(writes, 1)
})

t.test('§6.5: a store that fails makes them forget, and nothing else', async (t) => {
  const fail = async (): Promise<never> => Promise.reject(new Error('The disk is full'))
  const locations = createStoredLocations({ read: fail, update: fail, list: fail })
  await locations.add(BLOB, { registry: HUB, repository: 'a' })
  await locations.addLayer(LAYER, content(utf8('x')).descriptor)
  t.strictSame(await locations.repositoriesOf(BLOB, HUB), [])
  t.strictSame(await locations.layersOf(LAYER), [])
})

t.test('S8: a damaged document gives what makes sense of it', async (t) => {
  const nothing = { places: [], layers: [], diffID: undefined }
  const damaged = [
    '',
    '[',
    'null',
    '7',
    '"x"',
    '[]',
    '{}',
    '{"places":7,"layers":{"length":9},"diffID":"../x"}',
  ]
  for (const text of damaged) t.strictSame(decodeRecord(utf8(text)), nothing, text)
  const layer = { mediaType: 'a/b', digest: BLOB, size: 1 }
  const mixed = {
    __proto__: { places: [['evil', 'x']] },
    places: [['docker.io', '../x'], ['docker.io', 'ok'], ['', 'x'], 'x', null, [7, 'x'], ['docker.io']],
    layers: [
      layer,
      { ...layer, size: -1 },
      { ...layer, size: 1.5 },
      { ...layer, digest: 'sha256:..' },
      null,
      7,
    ],
    diffID: LAYER,
  }
  t.strictSame(decodeRecord(utf8(JSON.stringify(mixed))), {
    places: [{ registry: 'docker.io', repository: 'ok' }],
    layers: [layer],
    diffID: LAYER,
  })
})

t.test('any bytes are a record, and a record comes back as it was', async () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => Array.isArray(decodeRecord(bytes).places)))
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const record = decodeRecord(utf8(JSON.stringify({ places: value, layers: [value], diffID: value })))
      const again = decodeRecord(encodeRecord(record))
      return JSON.stringify(again) === JSON.stringify(record)
    }),
  )
})
