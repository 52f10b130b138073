/** Garbage: what collections of the store leave alone, what they take, and what is left of a handler that dies. */
import { type CollectionReport, createMemoryStore } from '@varve/cache-store'
import { createLocalStore, type LocalStore } from '@varve/cache-store/local'
import { bytesSource } from '@varve/digest'
import t from 'tap'
import { createRegistryHandler, pruneRepositories, type RegistryHandlerOptions } from '../src/server.ts'
import { caller, type Caller, content, image, indexOf, noise, utf8 } from './server-fixtures.ts'

function open(store: LocalStore, options: Partial<RegistryHandlerOptions> = {}): Caller {
  const { blobs, refs, pins } = store
  return caller(createRegistryHandler({ blobs, refs, pins, allowDelete: true, ...options }))
}

/** Collects everything that can be; what was written just before is not spared for the ticks of a clock. */
async function collectAll(store: LocalStore): Promise<CollectionReport> {
  await new Promise((resolve) => setTimeout(resolve, 30))
  return store.collect({ maxAgeMs: 0, graceMs: 0 })
}

const statusesOf = async (client: Caller, paths: readonly string[]): Promise<number[]> => {
  const found: number[] = []
  for (const path of paths) found.push((await client.call('GET', path)).status)
  return found
}

t.test('V17: a collection of the store takes what no repository holds, and nothing else', async (t) => {
  const store = await createLocalStore({ directory: t.testdir({}), durability: 'rename' })
  const client = open(store)
  const [kept, deleted, loose] = [image([noise(5000)]), image([noise(5000)]), content(noise(3000))]
  const shared = content(noise(2000))
  await client.putImage('r', 'kept', kept)
  await client.putImage('r', 'deleted', deleted)
  for (const repository of ['r', 's']) {
    await client.putBlob(repository, shared.bytes, shared.descriptor.digest)
  }
  await store.blobs.put(loose.descriptor.digest, bytesSource(loose.bytes))
  const where = (await client.call('POST', '/v2/r/blobs/uploads/')).headers.get('location') ?? ''
  await client.call('PATCH', where, { body: utf8('abc') })
  await client.call('DELETE', `/v2/r/manifests/${deleted.descriptor.digest}`)
  for (const { descriptor } of [...deleted.blobs, shared]) {
    await client.call('DELETE', `/v2/r/blobs/${descriptor.digest}`)
  }

  await collectAll(store)
  const all = [...kept.blobs, kept].map(({ descriptor }) => descriptor.digest)
  t.strictSame(await store.blobs.missing(all), new Set(), 'what is tagged is there')
  const gone = new Set([
    deleted.descriptor.digest,
    deleted.blobs[1]!.descriptor.digest,
    loose.descriptor.digest,
  ])
  t.strictSame(await store.blobs.missing(gone), gone, 'what is deleted is not')
  t.strictSame(
    await statusesOf(client, ['/v2/r/manifests/kept', `/v2/r/blobs/${kept.blobs[1]!.descriptor.digest}`]),
    [200, 200],
  )
  t.equal(
    (await client.call('HEAD', `/v2/s/blobs/${shared.descriptor.digest}`)).status,
    200,
    'held elsewhere',
  )
  t.equal(
    (await client.call('PATCH', where, { body: utf8('def') })).headers.get('range'),
    '0-5',
    'an upload goes on',
  )
  const { digest } = content(utf8('abcdef')).descriptor
  t.equal((await client.call('PUT', `${where}?digest=${digest}`)).status, 201)
})

t.test(
  'V17: a collection between the bytes of a push and its place in a repository takes nothing',
  async (t) => {
    const store = await createLocalStore({ directory: t.testdir({}), durability: 'rename' })
    const { refs } = store
    let collections = 0
    const collecting = {
      ...refs,
      update: async (...[name, ...rest]: Parameters<typeof refs.update>) => {
        if (/\/(?:blobs|manifests)\//.test(name)) {
          await collectAll(store)
          collections += 1
        }
        return refs.update(name, ...rest)
      },
    }
    const client = open(store, { refs: collecting })
    const pushed = image()
    t.equal((await client.putImage('r', 'v1', pushed)).status, 201)
    t.equal(
      (await client.call('POST', `/v2/s/blobs/uploads/?mount=${pushed.blobs[1]!.descriptor.digest}`)).status,
      201,
    )
    t.equal(collections, 4)
    const paths = [pushed, ...pushed.blobs].map(({ descriptor: { digest } }, at) =>
      at === 0 ? `/v2/r/manifests/${digest}` : `/v2/r/blobs/${digest}`,
    )
    t.strictSame(await statusesOf(client, paths), [200, 200, 200])
    t.strictSame((await collectAll(store)).kept.leased.count, 0, 'and no lease is left')
  },
)

t.test(
  'V5: another handler over the same store goes on with an upload, in its own repository only',
  async (t) => {
    const directory = t.testdir({})
    const { bytes, descriptor } = content(noise(900))
    const local = async () => createLocalStore({ directory, durability: 'rename' })
    const memory = createMemoryStore()
    for (const openStore of [local, async () => memory]) {
      const handler = async () => caller(createRegistryHandler(await openStore()))
      const first = await handler()
      const where = (await first.call('POST', '/v2/r/blobs/uploads/')).headers.get('location') ?? ''
      const untouched = (await first.call('POST', '/v2/r/blobs/uploads/')).headers.get('location') ?? ''
      await first.call('PATCH', where, { body: bytes.subarray(0, 300) })

      const second = await handler()
      t.equal((await second.call('GET', where.replace('/r/', '/s/'))).status, 404, 'of another repository')
      t.equal((await second.call('GET', untouched)).status, 404, 'nothing of it had arrived')
      t.equal((await second.call('GET', `${where}x`)).status, 404, 'an id of nobody')
      t.equal((await second.call('GET', where)).headers.get('range'), '0-299')
      t.equal(
        (await first.call('PATCH', where, { body: bytes.subarray(300) })).status,
        416,
        'the first has lost it',
      )
      const rest = await second.call('PATCH', where, {
        body: bytes.subarray(300),
        headers: { 'content-range': '300-899' },
      })
      t.equal(rest.headers.get('range'), '0-899')
      t.equal((await second.call('PUT', `${where}?digest=${descriptor.digest}`)).status, 201)
      t.equal((await (await handler()).call('GET', where)).status, 404, 'it is over')

      const cancelled = (await first.call('POST', '/v2/r/blobs/uploads/')).headers.get('location') ?? ''
      await first.call('PATCH', cancelled, { body: utf8('abc') })
      t.equal((await (await handler()).call('DELETE', cancelled)).status, 204)
      t.equal((await (await handler()).call('GET', cancelled)).status, 404)
    }
  },
)

t.test('a store that is full is said so, and what had arrived can be resumed', async (t) => {
  const limits = { maxBytes: 300_000 }
  const store = await createLocalStore({ directory: t.testdir({}), durability: 'rename', limits })
  const errors: unknown[] = []
  const client = open(store, { onError: (error) => errors.push(error) })
  const where = (await client.call('POST', '/v2/r/blobs/uploads/')).headers.get('location') ?? ''
  t.equal((await client.call('PATCH', where, { body: noise(100_000) })).status, 202)
  const full = await client.call('PATCH', where, { body: noise(400_000) })
  t.equal(full.status, 503)
  t.ok(full.headers.get('retry-after'))
  t.equal((await client.call('GET', where)).headers.get('range'), '0-99999')
  t.match(errors, [{ code: 'ERR_CACHE_STORE_FULL' }], 'the owner is told why')
})

t.test('V17: pruning takes blobs of no manifest, and manifests of no tag if it is told to', async (t) => {
  const { blobs, refs } = createMemoryStore()
  let now = 0
  const clock = () => now
  const client = caller(createRegistryHandler({ blobs, refs, allowDelete: true, now: clock }))
  const tagged = image()
  const child = image()
  const referrer = image([], { subject: tagged.descriptor })
  const untagged = image()
  const lost = image([], { subject: untagged.descriptor })
  await client.putImage('r', 'v1', tagged)
  await client.putImage('r', child.descriptor.digest, child)
  await client.putManifest('r', 'multi', indexOf([child]))
  for (const pushed of [referrer, untagged, lost])
    await client.putImage('r', pushed.descriptor.digest, pushed)
  const orphan = content(noise(700))
  await client.putBlob('r', orphan.bytes, orphan.descriptor.digest)
  now = 1000
  const recent = content(noise(10))
  await client.putBlob('r', recent.bytes, recent.descriptor.digest)

  const prune = (more: object) => pruneRepositories({ blobs, refs, now: clock, graceMs: 500, ...more })
  const nothing = { count: 0, bytes: 0 }
  const one = { manifests: nothing, blobs: { count: 1, bytes: 700 } }
  t.strictSame(await prune({ dryRun: true }), one)
  t.equal((await client.call('HEAD', `/v2/r/blobs/${orphan.descriptor.digest}`)).status, 200)
  t.strictSame(await prune({ graceMs: 5000 }), { manifests: nothing, blobs: nothing }, 'all is recent')
  t.strictSame(await prune({}), one)
  t.equal((await client.call('HEAD', `/v2/r/blobs/${orphan.descriptor.digest}`)).status, 404)
  t.equal((await client.call('HEAD', `/v2/r/blobs/${recent.descriptor.digest}`)).status, 200)
  t.equal((await client.call('POST', `/v2/s/blobs/uploads/?mount=${orphan.descriptor.digest}`)).status, 202)

  const report = await prune({ untagged: true })
  t.equal(report.manifests.count, 2)
  t.equal(report.blobs.count, 1, 'the layer of the one; its config is of others, too')
  const statusOf = async ({ descriptor: { digest } }: typeof tagged) =>
    (await client.call('HEAD', `/v2/r/manifests/${digest}`)).status
  t.strictSame(
    await Promise.all([tagged, child, referrer, untagged, lost].map(statusOf)),
    [200, 200, 200, 404, 404],
  )
  const referrers = await client.call('GET', `/v2/r/referrers/${untagged.descriptor.digest}`)
  t.strictSame(((await referrers.json()) as { manifests: unknown[] }).manifests, [])
  t.strictSame(await prune({ untagged: true }), { manifests: nothing, blobs: nothing }, 'that was all')
})

t.test(
  'pruning leaves a repository alone whose manifest cannot be read, and stops when it is told to',
  async (t) => {
    const { blobs, refs } = createMemoryStore()
    const client = caller(createRegistryHandler({ blobs, refs }))
    const pushed = image()
    const orphan = content(noise(70))
    await client.putImage('r', 'v1', pushed)
    await client.putBlob('r', orphan.bytes, orphan.descriptor.digest)
    const how = { blobs, refs, graceMs: 0, now: () => Date.now() + 1000 }
    const reason = new Error('enough')
    await t.rejects(pruneRepositories({ ...how, signal: AbortSignal.abort(reason) }), reason)
    await blobs.delete(pushed.descriptor.digest)
    t.equal((await pruneRepositories(how)).blobs.count, 0)
    t.equal((await client.call('HEAD', `/v2/r/blobs/${orphan.descriptor.digest}`)).status, 200)
  },
)

t.test('V17: what an image pushed during a pruning needs stays, however old it is', async (t) => {
  const { blobs, refs } = createMemoryStore()
  let now = 0
  const client = caller(createRegistryHandler({ blobs, refs, now: () => now }))
  const old = image()
  const late = image([noise(50)])
  const referrer = image([], { subject: late.descriptor })
  await client.putImage('r', 'v1', old)
  // Pushed long ago, and named by nothing yet.
  for (const { bytes, descriptor } of late.blobs) await client.putBlob('r', bytes, descriptor.digest)
  await client.putImage('r', late.descriptor.digest, late)
  await client.putImage('r', referrer.descriptor.digest, referrer)
  const both = indexOf([late])
  const lone = content(noise(60))
  await client.putBlob('r', lone.bytes, lone.descriptor.digest)
  const withLone = image([lone.bytes])
  now = 1_000_000
  let isPushed = false
  const watched = {
    ...blobs,
    // What pruning has read by now says nothing of what is pushed now.
    get: async (...asked: Parameters<typeof blobs.get>) => {
      const found = await blobs.get(...asked)
      if (!isPushed) {
        isPushed = true
        t.equal((await client.putManifest('r', 'late', both)).status, 201)
        t.equal((await client.putManifest('r', 'lone', withLone)).status, 201)
      }
      return found
    },
  }
  await pruneRepositories({ blobs: watched, refs, untagged: true, graceMs: 500_000, now: () => now })
  t.ok(isPushed)
  for (const { descriptor } of [...late.blobs, ...withLone.blobs]) {
    t.equal((await client.call('HEAD', `/v2/r/blobs/${descriptor.digest}`)).status, 200)
  }
  t.equal((await client.call('HEAD', `/v2/r/manifests/${late.descriptor.digest}`)).status, 200)
})

t.test('V17: pruning takes manifests that lead to each other in a circle', async (t) => {
  const { blobs, refs } = createMemoryStore()
  const client = caller(createRegistryHandler({ blobs, refs, now: () => 0 }))
  const child = image()
  const parent = indexOf([child])
  const referrer = indexOf([parent], { subject: child.descriptor })
  await client.putImage('r', child.descriptor.digest, child)
  for (const each of [parent, referrer]) {
    t.equal((await client.putManifest('r', each.descriptor.digest, each)).status, 201)
  }
  const report = await pruneRepositories({ blobs, refs, untagged: true, graceMs: 1, now: () => 1000 })
  t.equal(report.manifests.count, 3)
})
