import { DeleteObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { bytesSource, digestOf, digestStream, hexOf, readAll, streamSource, verify } from '@varve/digest'
import t, { type Test } from 'tap'
import { FLIGHT_TABLE_CHECKS, STORE_CHECKS } from '../src/conformance.ts'
import { createS3Store, type S3Capabilities, type S3Options, type S3Store } from '../src/s3.ts'
import {
  clientOf,
  createBucket,
  CREDENTIALS,
  needsCeph,
  needsVersitygw,
  startCeph,
  startVersitygw,
} from './support/s3-servers.ts'

const MIB = 1024 * 1024
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const increment = (old: Uint8Array | undefined): Uint8Array =>
  utf8(String(Number(new TextDecoder().decode(old ?? utf8('0'))) + 1))

interface Peer {
  readonly name: string
  readonly options: ReturnType<typeof needsCeph>
  readonly start: (t: Test) => Promise<string>
  /** What is known of the version that is tested. */
  readonly expected: Partial<S3Capabilities>
}

const PEERS: readonly Peer[] = [
  {
    name: 'Ceph RADOS Gateway',
    options: needsCeph(),
    start: startCeph,
    expected: { atomicCreate: true, checksPayload: true, list: true, tellsAbsence: true },
  },
  {
    name: 'versitygw',
    options: needsVersitygw(),
    start: startVersitygw,
    expected: {
      atomicCreate: true,
      ifMatch: 'quoted',
      conditionalDelete: true,
      conditionalMultipart: true,
      checksPayload: true,
      list: true,
      tellsAbsence: true,
    },
  },
]

t.setTimeout(600_000)

for (const peer of PEERS) {
  t.test(`D7: ${peer.name}`, peer.options, async (t) => {
    const endpoint = await peer.start(t)
    const bucket = await createBucket(endpoint)
    const open = async (t: Test, options: Partial<S3Options> = {}): Promise<S3Store> => {
      const store = await createS3Store({ bucket, endpoint, credentials: CREDENTIALS, ...options })
      t.teardown(() => store.close())
      return store
    }
    const { capabilities } = await open(t)
    t.comment(`${peer.name} can ${JSON.stringify(capabilities)}`)

    await t.test('is found out', async (t) => {
      t.match(capabilities, peer.expected)
      const client = clientOf(endpoint)
      t.teardown(() => client.destroy())
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
      t.strictSame(Contents, [], 'and nothing is left of that')
    })

    for (const [number, check] of STORE_CHECKS.entries()) {
      await t.test(`D13: ${check.name}`, async (t) => check.run(await open(t, { prefix: `check/${number}` })))
    }
    for (const [number, check] of FLIGHT_TABLE_CHECKS.entries()) {
      await t.test(`D13: flights: ${check.name}`, async (t) => {
        await check.run((await open(t, { prefix: `flight/${number}` })).flights!)
      })
    }

    await t.test('R27: of 50 who create one mark at once one does', async (t) => {
      const { flights } = await open(t)
      for (let round = 0; round < 5; round += 1) {
        const tags = await Promise.all(
          Array.from({ length: 50 }, (_, number) => flights!.create(`main/${round}`, utf8(String(number)))),
        )
        t.equal(tags.filter((tag) => tag !== undefined).length, 1)
      }
    })

    await t.test('R9: stores that increment one ref at once lose nothing', async (t) => {
      const stores = await Promise.all(Array.from({ length: 8 }, () => open(t)))
      await Promise.all(
        stores.map(async ({ refs }) => {
          for (let round = 0; round < 10; round += 1) await refs.update('count', increment)
        }),
      )
      t.strictSame(await stores[0]!.refs.read('count'), utf8('80'))
    })

    await t.test('a blob goes up and down in parts, and is what it was', async (t) => {
      const { blobs } = await open(t)
      const block = crypto.getRandomValues(new Uint8Array(64 * 1024))
      const size = 80 * MIB + 5
      const source = streamSource(function* () {
        for (let at = 0; at < size; at += block.byteLength) {
          const chunk = block.slice(0, Math.min(block.byteLength, size - at))
          new DataView(chunk.buffer).setUint32(0, at)
          yield chunk
        }
      }, size)
      const { digest } = await digestStream(source.open())
      t.equal(await blobs.put(digest, source), 'stored')
      t.equal(await blobs.put(digest, source), 'existed')
      const blob = (await blobs.get(digest))!
      t.equal(blob.size, size)
      let read = 0
      for await (const chunk of verify(blob.open(), { digest, size })) read += chunk.byteLength
      t.equal(read, size)
      t.equal(
        await blobs
          .put(
            digestOf(utf8('x')),
            streamSource(() => source.open(), undefined),
          )
          .catch((error) => error.code),
        'ERR_DIGEST_MISMATCH',
      )
      t.equal(await blobs.delete(digest), true)
    })

    await t.test('R13: 1,500 digests are looked for by lists', async (t) => {
      const store = await open(t, { prefix: 'many', requestBudget: 400 })
      const texts = Array.from({ length: 120 }, (_, number) => utf8(`blob ${number}`))
      await Promise.all(texts.map((text) => store.blobs.put(digestOf(text), bytesSource(text))))
      const absent = Array.from({ length: 1_380 }, (_, number) => digestOf(utf8(`absent ${number}`)))
      const missing = await store.blobs.missing([...texts.map((text) => digestOf(text)), ...absent])
      t.strictSame([...missing].toSorted(), absent.toSorted())
    })

    await t.test('what is old is made new by a copy onto itself', async (t) => {
      const { blobs } = await open(t, { prefix: 'renewed', ttlMs: 3 })
      const bytes = utf8('hello')
      await blobs.put(digestOf(bytes), bytesSource(bytes))
      // Ages are in whole seconds.
      await new Promise((resolve) => setTimeout(resolve, 2_100))
      t.equal((await blobs.missing([digestOf(bytes)])).size, 0)
      t.strictSame(await readAll((await blobs.get(digestOf(bytes)))!.open(), 10), new Uint8Array(bytes))
    })

    await t.test('a sweep leaves the newest, and what it leaves is whole', async (t) => {
      const store = await open(t, { prefix: 'swept' })
      for (let number = 0; number < 10; number += 1) {
        const bytes = utf8(`document ${number}`)
        const key = digestOf(bytes)
        await store.blobs.put(key, bytesSource(bytes))
        const createdAt = new Date().toISOString()
        await store.actions.put(
          { kv: 1, key, keyDoc: key, outputs: [], diffIDs: [], createdAt, durationMs: 1, builder: 'test' },
          { scope: 'main' },
        )
      }
      const all = await store.sweep({ maxBytes: 0 }, { dryRun: true })
      t.match(all, { overBudget: true, kept: { recent: { count: 20 } } }, 'everything is young')
      const maxBytes = Math.floor(all.before.bytes / 2)
      const report = await store.sweep({ maxBytes, graceMs: 0 })
      t.ok(report.after.bytes <= maxBytes && report.after.count > 0, JSON.stringify(report))
      t.strictSame((await store.sweep({ maxBytes, graceMs: 0 })).before, report.after)
    })

    await t.test('a blob that somebody else removes after a hit is missing', async (t) => {
      const { blobs } = await open(t, { prefix: 'gone' })
      const bytes = new Uint8Array(100_000).fill(7)
      const digest = digestOf(bytes)
      await blobs.put(digest, bytesSource(bytes))
      const blob = (await blobs.get(digest))!
      const client = clientOf(endpoint)
      t.teardown(() => client.destroy())
      await client.send(
        new DeleteObjectCommand({ Bucket: bucket, Key: `gone/v1/blobs/sha256/${hexOf(digest)}` }),
      )
      await t.rejects(readAll(blob.open(), 200_000), { code: 'ERR_CACHE_STORE_MISSING' })
    })

    await t.test('what is wrong is said when a store is opened', async (t) => {
      await t.rejects(createS3Store({ bucket: 'no-such-bucket', endpoint, credentials: CREDENTIALS }), {
        code: 'ERR_CACHE_STORE_CONFIG',
        hint: /Create it/,
      })
      const secretAccessKey = 'a wrong secret'
      await t.rejects(createS3Store({ bucket, endpoint, credentials: { ...CREDENTIALS, secretAccessKey } }), {
        code: 'ERR_CACHE_STORE_DENIED',
        hint: /credentials/,
      })
      await t.rejects(
        createS3Store({ bucket, endpoint, credentials: { accessKeyId: 'nobody', secretAccessKey } }),
        {
          code: 'ERR_CACHE_STORE_DENIED',
        },
      )
    })
  })
}

t.test('without credentials anywhere, opening says so', async (t) => {
  const home = t.testdir()
  const hidden = {
    HOME: home,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: home,
    AWS_SHARED_CREDENTIALS_FILE: home,
  }
  const before = { ...process.env }
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name]
  Object.assign(process.env, hidden)
  t.teardown(() => {
    for (const name of Object.keys(hidden)) delete process.env[name]
    Object.assign(process.env, before)
  })
  await t.rejects(createS3Store({ bucket: 'cache', endpoint: 'http://127.0.0.1:9' }), {
    code: 'ERR_CACHE_STORE_DENIED',
    hint: /AWS_ACCESS_KEY_ID/,
  })
})

t.test('where no server is, opening says so', async (t) => {
  await t.rejects(
    createS3Store({ bucket: 'cache', endpoint: 'http://127.0.0.1:9', credentials: CREDENTIALS, attempts: 2 }),
    { code: 'ERR_CACHE_STORE_UNAVAILABLE' },
  )
})
