import { createMemoryStore } from '@varve/cache-store'
import t from 'tap'
import { createRegistryHandler } from '../src/server.ts'
import { createQuota } from '../src/server/quota.ts'
import { caller, codeOf, content, image, memoryHandler, noise, utf8 } from './server-fixtures.ts'

t.test('V17: a repository holds as many bytes as its quota, and no more', async (t) => {
  const { call, putBlob } = caller(memoryHandler({ quota: { repositoryBytes: 1000 }, allowDelete: true }))
  const blobs = [noise(600), noise(300), noise(101)].map((bytes) => content(bytes))
  const [first, second, third] = blobs.map(({ descriptor }) => descriptor.digest)
  t.equal((await putBlob('r', blobs[0]!.bytes, first!)).status, 201)
  t.equal((await putBlob('r', blobs[1]!.bytes, second!)).status, 201)
  const refused = await putBlob('r', blobs[2]!.bytes, third!)
  t.equal(refused.status, 403, 'a streamed one')
  t.equal(await codeOf(refused), 'DENIED')
  t.equal((await call('HEAD', `/v2/r/blobs/${third}`)).status, 404)
  t.equal((await putBlob('other', blobs[2]!.bytes, third!)).status, 201, 'another repository has its own')
  t.equal(
    (await putBlob('r', blobs[0]!.bytes, first!)).status,
    403,
    'who is full takes nothing, not even this',
  )
  t.equal((await call('POST', `/v2/r/blobs/uploads/?mount=${third}&from=other`)).status, 403, 'a mount')
  t.equal((await call('DELETE', `/v2/r/blobs/${first}`)).status, 202)
  t.equal((await call('POST', `/v2/r/blobs/uploads/?mount=${third}&from=other`)).status, 201, 'room again')
  t.equal((await putBlob('r', noise(599), content(noise(1)).descriptor.digest)).status, 400)
  const last = content(noise(599))
  t.equal((await putBlob('r', last.bytes, last.descriptor.digest)).status, 201, 'what failed cost nothing')
})

t.test('V17: what is announced and does not fit is refused before its first byte', async (t) => {
  const { call } = caller(memoryHandler({ quota: { totalBytes: 1000 } }))
  let isRead = false
  const body = (): ReadableStream<Uint8Array> =>
    new ReadableStream(
      {
        pull(controller) {
          isRead = true
          controller.enqueue(utf8('x'))
        },
      },
      { highWaterMark: 0 },
    )
  const { digest } = content(noise(1)).descriptor
  const headers = { 'content-length': '1001' }
  t.equal(
    (await call('POST', `/v2/r/blobs/uploads/?digest=${digest}`, { body: body(), headers })).status,
    403,
  )
  const where = (await call('POST', '/v2/r/blobs/uploads/')).headers.get('location') ?? ''
  t.equal((await call('PATCH', where, { body: body(), headers })).status, 403)
  t.notOk(isRead)
  t.equal((await call('PATCH', where, { body: body() })).status, 403, 'an endless one ends')
  t.equal((await call('GET', where)).headers.get('range'), '0-999')
})

t.test('V17: manifests count, all repositories count, and so does what was there before', async (t) => {
  const { blobs, refs } = createMemoryStore()
  const pushed = image([noise(500)])
  const size = pushed.bytes.byteLength + pushed.blobs.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
  t.equal((await caller(createRegistryHandler({ blobs, refs })).putImage('r', 'v1', pushed)).status, 201)
  const open = (totalBytes: number) =>
    caller(createRegistryHandler({ blobs, refs, allowDelete: true, quota: { totalBytes } }))
  const tight = open(2 * size - 1)
  t.equal((await tight.putImage('s', 'v1', pushed)).status, 403, 'the manifest is one byte too much')
  t.equal((await tight.call('HEAD', '/v2/s/manifests/v1')).status, 404)
  t.equal((await tight.call('DELETE', `/v2/r/manifests/${pushed.descriptor.digest}`)).status, 202)
  t.equal((await tight.putManifest('s', 'v1', pushed)).status, 201)
  t.equal((await tight.putManifest('s', 'v2', pushed)).status, 201, 'another tag costs nothing')
})

t.test('V17: two uploads at the same time do not share the same room', async (t) => {
  const { putBlob } = caller(memoryHandler({ quota: { repositoryBytes: 1000 } }))
  const blobs = [content(noise(600)), content(noise(600))]
  const statuses = await Promise.all(
    blobs.map(async ({ bytes, descriptor }) => (await putBlob('r', bytes, descriptor.digest)).status),
  )
  t.strictSame(
    statuses.toSorted((a, b) => a - b),
    [201, 403],
  )
})

t.test('what other processes did is counted after a while', async (t) => {
  const { blobs, refs } = createMemoryStore()
  let now = 0
  const quota = { totalBytes: 1000 }
  const [one, two] = [0, 1].map(() => caller(createRegistryHandler({ blobs, refs, quota, now: () => now })))
  const push = async (client: typeof one, size: number): Promise<number | undefined> => {
    const { bytes, descriptor } = content(noise(size))
    return (await client?.putBlob('r', bytes, descriptor.digest))?.status
  }
  t.equal(await push(one, 100), 201)
  t.equal(await push(two, 800), 201)
  now += 11 * 60_000
  t.equal(await push(one, 200), 403)
})

t.test('V17: what is added while all is counted again does not share the same room', async (t) => {
  let now = 0
  const quota = createQuota(createMemoryStore().refs, { repositoryBytes: 1000 }, () => now)
  t.equal(await quota.room('r', 0), 1000)
  now += 11 * 60_000
  const added = Array.from({ length: 8 }, () => quota.adding('r', 400, async () => true))
  const outcomes = (await Promise.allSettled(added)).map(({ status }) => status)
  t.equal(outcomes.filter((outcome) => outcome === 'fulfilled').length, 2)
  t.equal(await quota.room('r', 0), 200)
})

t.test('V17: unfinished uploads together hold no more than a quota, until they end', async (t) => {
  let now = 0
  const { call } = caller(
    memoryHandler({ quota: { repositoryBytes: 1000 }, limits: { uploadIdleMs: 100 }, now: () => now }),
  )
  const begin = async (): Promise<string> =>
    (await call('POST', '/v2/r/blobs/uploads/')).headers.get('location') ?? ''
  const [first, second, third] = [await begin(), await begin(), await begin()]
  const send = async (where: string, size: number): Promise<number> =>
    (await call('PATCH', where, { body: noise(size) })).status
  t.equal(await send(first, 600), 202)
  t.equal(await send(second, 600), 403)
  t.equal(await send(second, 400), 202)
  t.equal(await send(third, 1), 403)
  t.equal((await call('DELETE', first)).status, 204)
  t.equal(await send(third, 600), 202)
  t.equal(await send(second, 1), 403)
  const absent = `sha256:${'0'.repeat(64)}`
  t.equal((await call('PUT', `${third}?digest=${absent}`)).status, 400)
  t.equal(await send(second, 600), 202, 'also one that fails has ended')
  now += 200
  t.equal(await send(await begin(), 1000), 202, 'and so has one that was forgotten')
})

t.test('V17: an upload that is taken over counts like others', async (t) => {
  const { blobs, refs } = createMemoryStore()
  const open = () => caller(createRegistryHandler({ blobs, refs, quota: { repositoryBytes: 1000 } }))
  const [before, after] = [open(), open()]
  const begin = async ({ call }: typeof before): Promise<string> =>
    (await call('POST', '/v2/r/blobs/uploads/')).headers.get('location') ?? ''
  const left = await begin(before)
  t.equal((await before.call('PATCH', left, { body: noise(600) })).status, 202)
  const other = await begin(after)
  t.equal((await after.call('PATCH', other, { body: noise(500) })).status, 202)
  t.equal((await after.call('GET', left)).status, 403)
  t.equal((await after.call('DELETE', other)).status, 204)
  t.equal((await after.call('GET', left)).status, 404, 'what had no room is gone')
})
