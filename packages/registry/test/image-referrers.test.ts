/** What belongs to an image goes along with it: signatures, attestations, whatever refers to it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { bytesSource, type Descriptor } from '@varve/digest'
import { readArchive } from '@varve/oci-manifest/archive'
import { openLayout } from '@varve/oci-manifest/layout'
import t from 'tap'
import { archiveTarget, type Companion, copyImage, type Repository } from '../src/index.ts'
import { memoryHandler } from './fixtures.ts'
import {
  ATTESTATION,
  EMPTY,
  type Handler,
  type Made,
  makeArtifact,
  makeImage,
  makeManifest,
  makeSigned,
  NOTATION,
  open,
  push,
  pushSigned,
} from './image-fixtures.ts'

/** A registry of before the referrers API. */
function withoutReferrers(inner: Handler): Handler {
  return async (request) => {
    if (request.url.includes('/referrers/')) return new Response('404 page not found', { status: 404 })
    const response = await inner(request)
    response.headers.delete('oci-subject')
    return response
  }
}

for (const [what, wrap] of [
  ['the referrers API', (inner: Handler) => inner],
  ['tags for referrers', withoutReferrers],
] as const) {
  t.test(`§6.2 referrers go along, from and to a registry with ${what}`, async (t) => {
    const source = await open(t, wrap(memoryHandler()))
    const target = await open(t)
    const directory = t.testdir({})
    const signed = makeSigned()
    const from = source.repository('from')
    await pushSigned(from, signed)
    const companions = [signed.notation, signed.bundle, signed.deep, signed.cosign]
    const digestsOf = (all: readonly Descriptor[]) => all.map(({ digest }) => digest).toSorted()
    const expected = digestsOf(companions.map(({ root }) => root.descriptor))

    const layout = await openLayout(join(directory, 'layout'), { create: true })
    const first = await copyImage({ image: 'v1', from, to: layout, referrers: true })
    t.strictSame(digestsOf(first.referrers), expected)
    t.strictSame([...(await layout.tags()).keys()], [signed.cosignTag, 'v1'].toSorted())

    const path = join(directory, 'signed.tar')
    const second = await copyImage({ image: 'v1', from: layout, to: archiveTarget(path), referrers: true })
    t.strictSame(digestsOf(second.referrers), expected)

    const to = source.repository('back')
    const third = await copyImage({ image: 'v1', from: await readArchive(path), to, referrers: true })
    t.strictSame(digestsOf(third.referrers), expected)
    const other = target.repository('other')
    const fourth = await copyImage({ image: 'v1', from: to, to: other, referrers: true })
    t.strictSame(digestsOf(fourth.referrers), expected)

    for (const repository of [to, other]) {
      t.strictSame(await repository.resolve('v1'), signed.index.root.descriptor)
      t.strictSame((await repository.resolve(signed.cosignTag)).digest, signed.cosign.root.descriptor.digest)
      const listed = async (subject: Made) =>
        digestsOf(await repository.referrers(subject.root.descriptor.digest))
      t.strictSame(await listed(signed.index), digestsOf([signed.notation.root.descriptor]))
      t.strictSame(
        await listed(signed.index.amd64),
        digestsOf([signed.bundle, signed.index.attestation].map(({ root }) => root.descriptor)),
      )
      t.strictSame(await listed(signed.bundle), digestsOf([signed.deep.root.descriptor]))
    }
    const again = await copyImage({ image: 'v1', from: to, to: other, referrers: true })
    t.equal(again.copied, 0)
  })
}

t.test('§6.2 referrers are not copied unless wanted, and only those that are', async (t) => {
  const { repository } = await open(t)
  const signed = makeSigned()
  const from = repository('from')
  await pushSigned(from, signed)
  const none = await copyImage({ image: 'v1', from, to: repository('none') })
  t.strictSame(none.referrers, [])
  const seen: Companion[] = []
  const some = await copyImage({
    image: 'v1',
    from,
    to: repository('some'),
    referrers(companion) {
      seen.push(companion)
      return companion.descriptor.artifactType === NOTATION || companion.tag !== undefined
    },
  })
  t.strictSame(
    new Set(some.referrers.map(({ digest }) => digest)),
    new Set([signed.notation, signed.cosign].map(({ root }) => root.descriptor.digest)),
    'and nothing that is about what was left out',
  )
  t.match(
    seen.find(({ tag }) => tag !== undefined),
    { tag: signed.cosignTag, subject: signed.index.root.descriptor.digest },
  )
  const bare = await copyImage({
    image: 'v1',
    from,
    to: repository('bare'),
    referrers: true,
    attestations: false,
  })
  t.notOk(bare.referrers.some(({ artifactType }) => artifactType === ATTESTATION))
})

t.test('a signature is there before the name of what it signs', async (t) => {
  const source = await open(t)
  const target = await open(t)
  const signed = makeSigned()
  await pushSigned(source.repository('from'), signed)
  await copyImage({
    image: 'v1',
    from: source.repository('from'),
    to: target.repository('to'),
    referrers: true,
  })
  const puts = target.requests.filter((each) => each.startsWith('PUT') && each.includes('/manifests/'))
  t.match(puts.at(-1), /manifests\/v1$/)
})

t.test('a referrer whose push broke off before it was listed is listed by the next copy', async (t) => {
  const source = await open(t)
  let isFull = true
  const inner = withoutReferrers(memoryHandler())
  const target = await open(t, async (request) => {
    const isList = request.method === 'PUT' && request.url.includes('/manifests/sha256-')
    return isList && isFull ? new Response(null, { status: 403 }) : inner(request)
  })
  const made = makeImage('app', 'amd64')
  const signature = makeArtifact(NOTATION, made.root, 'signature')
  await push(source.repository('from'), made, 'v1')
  await push(source.repository('from'), signature)
  const to = target.repository('to')
  const copy = () => copyImage({ image: 'v1', from: source.repository('from'), to, referrers: true })
  await t.rejects(copy(), { code: 'ERR_REGISTRY_DENIED' })
  t.ok(await to.has(signature.root.descriptor))
  t.strictSame(await to.referrers(made.root.descriptor.digest), [])
  isFull = false
  await copy()
  t.match(await to.referrers(made.root.descriptor.digest), [{ digest: signature.root.descriptor.digest }])
  t.equal((await copy()).copied, 0)
})

t.test('S10: referrers in circles, without end, or too deep', async (t) => {
  const made = makeImage('app', 'amd64')
  const chain: Made[] = [made]
  for (let depth = 0; depth < 12; depth++) chain.push(makeArtifact(NOTATION, chain.at(-1)!.root, `${depth}`))
  const { repository } = await open(t)
  for (const each of chain) await push(repository('deep'), each)
  const copy = (from: Repository, to: Repository) =>
    copyImage({ image: made.root.descriptor, from, to, referrers: true })
  await t.rejects(copy(repository('deep'), repository('x')), { code: 'ERR_REGISTRY_LIMIT' })

  const layout = await openLayout(t.testdir({}), { create: true })
  await copyImage({ image: made.root.descriptor, from: repository('deep'), to: layout, tags: ['v1'] })
  // A source that lies: everything is about everything.
  const circle = [made, ...chain.slice(1, 3)].map(({ root }) => root.descriptor)
  const liar = {
    read: (descriptor: Descriptor) => layout.read(descriptor),
    resolve: () => made.root.descriptor,
    referrers: async () => circle,
  }
  for (const each of chain.slice(1, 3)) {
    for (const { descriptor, bytes } of each.all) await layout.write(descriptor, bytesSource(bytes))
  }
  const { referrers } = await copyImage({ from: liar, to: repository('y'), tags: [], referrers: true })
  t.equal(referrers.length, 2, 'each once')
})

t.test('S10: large referrers without end do not fill the memory of a copy to an archive', async (t) => {
  const made = makeImage('app', 'amd64')
  const layout = await openLayout(t.testdir({}), { create: true })
  const padding = 'x'.repeat(4_000_000)
  const large = Array.from({ length: 18 }, (_, number) => {
    const members = { config: EMPTY.descriptor, layers: [EMPTY.descriptor], artifactType: NOTATION }
    const annotations = { number: String(number), padding }
    return makeManifest({ ...members, subject: made.root.descriptor, annotations }, [EMPTY])
  })
  for (const { all } of [made, ...large]) {
    for (const { descriptor, bytes } of all) await layout.write(descriptor, bytesSource(bytes))
  }
  let reads = 0
  const about = large.map(({ root }) => root.descriptor)
  const from = {
    read: (descriptor: Descriptor) => {
      if (descriptor.size > padding.length) reads++
      return layout.read(descriptor)
    },
    resolve: () => made.root.descriptor,
    referrers: async (subject: string) => (subject === made.root.descriptor.digest ? about : []),
  }
  const path = join(t.testdirName, 'out.tar')
  const copying = copyImage({ from, to: archiveTarget(path), referrers: true })
  await t.rejects(copying, { code: 'ERR_REGISTRY_LIMIT', message: /bytes of referrers/ })
  t.equal(reads, 17)
  t.notOk(existsSync(path))
})
