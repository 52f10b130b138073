/** Collection: what stays, what goes, and who else is at work meanwhile. */
import { bytesSource, type Descriptor, describe, type Digest, digestOf } from '@varve/digest'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  ANNOTATION_REFERENCE_DIGEST,
  ANNOTATION_REFERENCE_TYPE,
  copyContent,
  EMPTY_DESCRIPTOR,
  type JsonInput,
  MEDIA_TYPE_OCI_INDEX,
  MEDIA_TYPE_OCI_MANIFEST,
  parsePlatform,
  readImage,
  writeJson,
} from '../src/index.ts'
import { acquireLock } from '../src/layout/lock.ts'
import { collectLayout, type CollectOptions, type ImageLayout, openLayout } from '../src/layout.ts'
import { makeImage, MemoryContent, utf8 } from './fixtures/content.ts'

const HOUR_MS = 3_600_000
/** Nobody else is there. */
const NOW: CollectOptions = { graceMs: 0 }

async function makeLayout(t: Test, name = 'layout'): Promise<ImageLayout> {
  return openLayout(join(t.testdir(), name), { create: true })
}

async function put(
  layout: ImageLayout,
  mediaType: string,
  value: JsonInput | Uint8Array,
): Promise<Descriptor> {
  const bytes = value instanceof Uint8Array ? value : writeJson(value)
  const descriptor = describe(mediaType, bytes)
  await layout.write(descriptor, bytesSource(bytes))
  return descriptor
}

/** An image of its own; gives all digests that it consists of. */
async function putImage(
  layout: ImageLayout,
  text: string,
): Promise<{ root: Descriptor; all: readonly Digest[] }> {
  const content = new MemoryContent()
  const { descriptor } = makeImage(content, text).manifest
  await copyContent(descriptor, content, layout)
  return { root: descriptor, all: [...content.blobs.keys()] as Digest[] }
}

/** A manifest about something else. */
async function putAbout(
  layout: ImageLayout,
  subject: Descriptor,
  more: { readonly [key: string]: JsonInput } = {},
): Promise<Descriptor> {
  await put(layout, EMPTY_DESCRIPTOR.mediaType, utf8('{}'))
  const { mediaType, digest, size } = subject
  return put(layout, MEDIA_TYPE_OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE_OCI_MANIFEST,
    artifactType: 'application/x',
    config: { ...EMPTY_DESCRIPTOR },
    layers: [],
    subject: { mediaType, digest, size },
    ...more,
  })
}

const entry = ({ mediaType, digest, size }: Descriptor): { readonly [key: string]: JsonInput } => ({
  mediaType,
  digest,
  size,
})

const pathOf = (layout: ImageLayout, digest: Digest): string =>
  join(layout.directory, 'blobs', ...digest.split(':'))

const blobsOf = ({ directory }: ImageLayout): string[] =>
  readdirSync(join(directory, 'blobs', 'sha256')).toSorted()

function makeOld(path: string, hours = 48): void {
  const then = new Date(Date.now() - hours * HOUR_MS)
  utimesSync(path, then, then)
}

t.test('M10: what no root needs goes, after a dry run has told so', async (t) => {
  const layout = await makeLayout(t)
  const kept = await putImage(layout, 'kept')
  const gone = await putImage(layout, 'gone')
  await layout.tag('a', kept.root)
  await layout.tag('b', gone.root)
  t.strictSame(await collectLayout(layout, NOW), { kept: 6, removed: [], bytes: 0 }, 'both have names')
  await layout.untag('b')
  const expected = {
    kept: 3,
    removed: gone.all.toSorted((a, b) => (a < b ? -1 : 1)),
    bytes: gone.all.reduce((sum, digest) => sum + readFileSync(pathOf(layout, digest)).byteLength, 0),
  }
  t.strictSame(await collectLayout(layout, { ...NOW, dryRun: true }), expected)
  t.equal(blobsOf(layout).length, 6, 'nothing is gone yet')
  t.strictSame(await collectLayout(layout, NOW), expected)
  t.strictSame(blobsOf(layout), kept.all.map((digest) => digest.slice(7)).toSorted())
  t.strictSame(await collectLayout(layout, NOW), { kept: 3, removed: [], bytes: 0 })
  t.strictSame(readdirSync(layout.directory).toSorted(), ['blobs', 'index.json', 'oci-layout'])
})

t.test('M10: nested indexes, attestations, subjects and referrers of referrers stay', async (t) => {
  const layout = await makeLayout(t)
  const image = await putImage(layout, 'image')
  const subject = await putImage(layout, 'subject')
  const attestation = await putAbout(layout, image.root)
  const signature = await putAbout(layout, attestation)
  const unrelated = await putAbout(layout, { ...image.root, digest: digestOf(utf8('nowhere')) })
  const inner = await put(layout, MEDIA_TYPE_OCI_INDEX, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE_OCI_INDEX,
    manifests: [
      { ...entry(image.root), platform: { os: 'linux', architecture: 'amd64' } },
      {
        ...entry(attestation),
        platform: { os: 'unknown', architecture: 'unknown' },
        annotations: {
          [ANNOTATION_REFERENCE_TYPE]: 'attestation-manifest',
          [ANNOTATION_REFERENCE_DIGEST]: image.root.digest,
        },
      },
      { ...entry(image.root), digest: digestOf(utf8('a platform that is not here')) },
    ],
    subject: entry(subject.root),
  })
  const outer = await put(layout, MEDIA_TYPE_OCI_INDEX, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE_OCI_INDEX,
    manifests: [entry(inner)],
  })
  const aboutIndex = await putAbout(layout, outer)
  await layout.tag('nested', outer)
  const { removed, kept } = await collectLayout(layout, NOW)
  t.strictSame(removed, [unrelated.digest])
  t.equal(kept, blobsOf(layout).length)
  for (const each of [inner, attestation, signature, aboutIndex, subject.root, image.root, outer]) {
    t.ok(await layout.has(each), each.digest)
  }
  t.equal(
    (await readImage(layout, outer, { platform: parsePlatform('linux/amd64') })).descriptor.digest,
    image.root.digest,
  )
  await layout.untag('nested')
  await collectLayout(layout, NOW)
  t.strictSame(blobsOf(layout), [], 'without a root nothing stays, whatever refers to each other')
})

t.test('M10: what a document of an unknown type names stays', async (t) => {
  const layout = await makeLayout(t)
  const image = await putImage(layout, 'image')
  const blob = await put(layout, 'text/plain', utf8('a blob'))
  const future = await put(layout, 'application/vnd.future.index+json', {
    parts: [image.root.digest, blob.digest],
  })
  const layers = await put(layout, 'application/x', { unrelated: blob.digest })
  await layout.tag('future', future)
  t.strictSame((await collectLayout(layout, NOW)).removed, [layers.digest])
  t.ok(await layout.has(blob))
  t.ok(await layout.has(image.root))
})

t.test('M10: nothing goes if a document that is needed cannot be read', async (t) => {
  const broken: readonly (readonly [why: string, damage: (bytes: Buffer) => Uint8Array, code: string])[] = [
    ['damaged', (bytes) => bytes.fill(0x20), 'ERR_DIGEST_MISMATCH'],
    ['cut off', (bytes) => bytes.subarray(1), 'ERR_DIGEST_SIZE'],
  ]
  for (const [why, damage, code] of broken) {
    const layout = await makeLayout(t, why)
    const { root } = await putImage(layout, 'image')
    await putImage(layout, 'garbage')
    await layout.tag('a', root)
    writeFileSync(pathOf(layout, root.digest), damage(readFileSync(pathOf(layout, root.digest))))
    await t.rejects(collectLayout(layout, NOW), { code }, why)
    t.equal(blobsOf(layout).length, 6, why)
  }
  const odd: readonly (readonly [why: string, value: JsonInput, code: string])[] = [
    ['two kinds at once', { schemaVersion: 2, manifests: [], layers: [] }, 'ERR_OCI_MANIFEST_INVALID'],
    [
      'a digest of another algorithm',
      {
        schemaVersion: 2,
        manifests: [{ mediaType: 'x/y', digest: 'md5:00', size: 1 }],
      },
      'ERR_OCI_MANIFEST_UNSUPPORTED',
    ],
  ]
  for (const [why, value, code] of odd) {
    const layout = await makeLayout(t, why)
    await putImage(layout, 'garbage')
    await layout.tag('a', await put(layout, MEDIA_TYPE_OCI_INDEX, value))
    await t.rejects(collectLayout(layout, NOW), { code }, why)
    t.equal(blobsOf(layout).length, 4, why)
  }
  const none = await makeLayout(t, 'none')
  writeFileSync(join(none.directory, 'index.json'), '{}')
  await t.rejects(collectLayout(none), { code: 'ERR_OCI_MANIFEST_INVALID' })
  await t.rejects(collectLayout({ directory: t.testdir() }), { code: 'ERR_OCI_MANIFEST_LAYOUT' })
})

t.test('M10: what is young stays, and what a writer relies on counts as young', async (t) => {
  const layout = await makeLayout(t)
  const image = await putImage(layout, 'half written')
  t.strictSame((await collectLayout(layout)).removed, [], 'by default a day')
  for (const digest of image.all) makeOld(pathOf(layout, digest), 25)
  t.equal((await collectLayout(layout, { dryRun: true })).removed.length, 3)
  t.equal((await collectLayout(layout, { graceMs: 30 * HOUR_MS })).removed.length, 0)

  const content = new MemoryContent()
  makeImage(content, 'half written')
  await copyContent(image.root, content, layout)
  t.strictSame((await collectLayout(layout)).removed, [], 'a copy that found it there keeps it')

  for (const digest of image.all) makeOld(pathOf(layout, digest))
  await layout.tag('again', image.root)
  await layout.untag('again')
  t.strictSame((await collectLayout(layout)).removed, [], 'a tag keeps all of it, not only the manifest')

  for (const digest of image.all) makeOld(pathOf(layout, digest))
  t.equal((await collectLayout(layout)).removed.length, 3)
})

t.test('files that are no blobs are left alone, leftovers are not', async (t) => {
  const layout = await makeLayout(t)
  const { root, all } = await putImage(layout, 'image')
  await layout.tag('a', root)
  const others = [
    'README',
    'blobs/sha256/README',
    `blobs/sha256/${'A'.repeat(64)}`,
    'blobs/blake3/x',
    `blobs/md5/${'0'.repeat(32)}`,
  ]
  for (const algorithm of ['blake3', 'md5']) mkdirSync(join(layout.directory, 'blobs', algorithm))
  const hex = 'a'.repeat(64)
  const leftovers = [
    '.varve-00000000-0000-0000-0000-000000000000.tmp',
    `.varve-sha256-${hex}.partial`,
    `.varve-sha256-${hex}.0123456789abcdef-12-0123456789abcdef.partial`,
  ]
  for (const name of [...others, ...leftovers]) {
    writeFileSync(join(layout.directory, name), '12345')
    makeOld(join(layout.directory, name), 23)
  }
  const there = (): string[] =>
    [...others, ...leftovers].filter((name) => existsSync(join(layout.directory, name)))
  t.strictSame(await collectLayout(layout), { kept: all.length, removed: [], bytes: 0 }, 'not yet')
  t.strictSame(there(), [...others, ...leftovers])
  const expected = { kept: all.length, removed: [], bytes: 15 }
  t.strictSame(await collectLayout(layout, { graceMs: HOUR_MS, dryRun: true }), expected)
  t.strictSame(there(), [...others, ...leftovers])
  t.strictSame(await collectLayout(layout, { graceMs: HOUR_MS }), expected)
  t.strictSame(there(), others)
})

t.test('a collection has the lock, and can be stopped', async (t) => {
  const layout = await makeLayout(t)
  await putImage(layout, 'garbage')
  const lock = await acquireLock(join(layout.directory, 'index.json.lock'))
  await t.rejects(collectLayout(layout, { ...NOW, lockTimeoutMs: 50 }), { code: 'ERR_OCI_MANIFEST_LOCKED' })
  await lock.release()
  const reason = new Error('enough')
  await t.rejects(collectLayout(layout, { ...NOW, signal: AbortSignal.abort(reason) }), reason)
  t.equal(blobsOf(layout).length, 3)
  t.notOk(existsSync(join(layout.directory, 'index.json.lock')))
})

t.test('L3: a collection that loses its lock stops, and leaves the lock alone', async (t) => {
  const layout = await makeLayout(t)
  for (let number = 0; number < 100; number += 1) await put(layout, 'text/plain', utf8(`garbage ${number}`))
  const path = join(layout.directory, 'index.json.lock')
  const collecting = collectLayout(layout, NOW)
  collecting.catch(() => undefined)
  while (!existsSync(path) || readFileSync(path).byteLength === 0) await new Promise(setImmediate)
  writeFileSync(path, 'somebody else')
  await t.rejects(collecting, { code: 'ERR_OCI_MANIFEST_LOCKED', message: /taken away/ })
  t.ok(blobsOf(layout).length > 0)
  t.equal(readFileSync(path, 'utf8'), 'somebody else')
})

t.test('images written and named while collections run are whole', async (t) => {
  const layout = await makeLayout(t)
  const other = await openLayout(layout.directory)
  const content = new MemoryContent()
  const images = Array.from(
    { length: 12 },
    (_, number) => makeImage(content, `image ${number}`).manifest.descriptor,
  )
  // All of it is there already, old and without a name: every copy relies on what is about to go.
  for (const image of images) await copyContent(image, content, layout)
  for (const name of blobsOf(layout)) makeOld(join(layout.directory, 'blobs', 'sha256', name))
  const done = new AbortController()
  const collecting = (async () => {
    let removed = 0
    while (!done.signal.aborted) removed += (await collectLayout(other, { graceMs: HOUR_MS })).removed.length
    return removed
  })()
  for (const [number, image] of images.entries()) {
    await copyContent(image, content, layout)
    await layout.tag(`image-${number}`, image)
  }
  done.abort()
  await collecting
  for (const image of images) {
    const { manifest } = await readImage(layout, image)
    for (const each of [manifest.value.config, ...manifest.value.layers]) t.ok(await layout.has(each))
  }
})

t.test('referrers are found wherever they are', async (t) => {
  const layout = await makeLayout(t)
  const image = await putImage(layout, 'image')
  const { digest } = image.root
  t.strictSame(await layout.referrers(digest), [])
  const annotations = { k: 'v' }
  const loose = await putAbout(layout, image.root, { annotations })
  const typed = await putAbout(layout, image.root, { artifactType: 'application/y' })
  const index = await put(layout, MEDIA_TYPE_OCI_INDEX, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE_OCI_INDEX,
    manifests: [],
    subject: entry(image.root),
  })
  const old = await put(layout, MEDIA_TYPE_OCI_MANIFEST, {
    schemaVersion: 2,
    config: { ...EMPTY_DESCRIPTOR, mediaType: 'application/vnd.old.config' },
    layers: [],
    subject: entry(image.root),
  })
  await putAbout(layout, loose)
  await put(layout, 'text/plain', utf8('{"subject":1}'))
  await put(layout, 'text/plain', utf8('{"subject"'))
  const expected = [
    { ...loose, artifactType: 'application/x', annotations },
    { ...typed, artifactType: 'application/y' },
    index,
    { ...old, artifactType: 'application/vnd.old.config' },
  ].toSorted((a, b) => (a.digest < b.digest ? -1 : 1))
  t.same(await layout.referrers(digest), expected)
  t.same(await layout.referrers(digest, { artifactType: 'application/y' }), [
    expected.find((each) => each.digest === typed.digest),
  ])

  // As clients write them where a registry has no list: under a tag made of the digest.
  const unaware = await putImage(layout, 'a signature of old')
  const listed = await put(layout, MEDIA_TYPE_OCI_INDEX, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE_OCI_INDEX,
    manifests: [
      { ...entry(unaware.root), artifactType: 'application/z' },
      { ...entry(unaware.root), digest: digestOf(utf8('not here')) },
      { ...entry(loose), artifactType: 'application/lie' },
    ],
  })
  await layout.tag(digest.replace(':', '-'), listed)
  const all = await layout.referrers(digest)
  t.equal(all.length, 5, 'without what is not here, and each once')
  t.match(
    all.find((each) => each.digest === unaware.root.digest),
    { artifactType: 'application/z' },
  )
  t.match(
    all.find((each) => each.digest === loose.digest),
    { artifactType: 'application/x' },
  )
  const reason = new Error('enough')
  await t.rejects(layout.referrers(digest, { signal: AbortSignal.abort(reason) }), reason)
})

t.test('M10: whatever refers to whatever, what is needed stays and the rest goes', async (t) => {
  // Each document refers to documents before it, and may be about one of them; some have names.
  const graphs = fc.array(
    fc.record({
      children: fc.array(fc.nat(9), { maxLength: 3 }),
      subject: fc.option(fc.nat(9)),
      isNamed: fc.boolean(),
    }),
    { minLength: 1, maxLength: 10 },
  )
  await fc.assert(
    fc.asyncProperty(graphs, async (nodes) => {
      const layout = await openLayout(mkdtempSync(join(t.testdir({}), 'graph-')), { create: true })
      const documents: Descriptor[] = []
      for (const [number, { children, subject }] of nodes.entries()) {
        const about = documents[subject ?? -1]
        const index = {
          schemaVersion: 2,
          mediaType: MEDIA_TYPE_OCI_INDEX,
          manifests: children.flatMap((child) => documents[child] ?? []).map(entry),
          ...(about === undefined ? {} : { subject: entry(about) }),
          annotations: { number: String(number) },
        }
        documents.push(await put(layout, MEDIA_TYPE_OCI_INDEX, index))
      }
      const needed = new Set<number>()
      const add = (number: number): void => {
        if (needed.has(number) || documents[number] === undefined) return
        needed.add(number)
        const { children = [], subject = null } = nodes[number] ?? {}
        for (const child of children) if (child < number) add(child)
        if (subject !== null && subject < number) add(subject)
        for (const [other, each] of nodes.entries()) if (each.subject === number && number < other) add(other)
      }
      for (const [number, { isNamed }] of nodes.entries()) {
        if (!isNamed) continue
        await layout.tag(`n-${number}`, documents[number] as Descriptor)
        add(number)
      }
      const { removed, kept } = await collectLayout(layout, NOW)
      const gone = documents.filter((_, number) => !needed.has(number)).map(({ digest }) => digest)
      t.strictSame(removed.toSorted(), gone.toSorted())
      t.equal(kept, needed.size)
    }),
    { numRuns: 25 },
  )
})
