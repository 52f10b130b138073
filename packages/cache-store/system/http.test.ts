import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesSource, type Digest, digestOf, hexOf, readAll } from '@varve/digest'
import t, { type Test } from 'tap'
import { ACTION_CHECKS, BLOB_CHECKS, INGEST_CHECKS } from '../src/conformance.ts'
import { createHttpTier, type HttpTier, type HttpTierOptions } from '../src/http.ts'
import { type ActionRecord, type BlobStore, createMemoryRefStore } from '../src/index.ts'
import { CERTIFICATE, KEY } from '../test/fixtures/http-certificate.ts'
import { needsBazelRemote, startBazelRemote, startNginx } from './support/http-servers.ts'
import { needs } from '@varve/testing/peers'

/** The protocol names blobs by sha256 and by nothing else. */
const NEEDS_OTHER_ALGORITHMS = [
  'every algorithm names blobs',
  'a commit checks the digest, by any algorithm, and the size',
]

/** bazel-remote removes nothing on request. */
const NEEDS_DELETE = [
  'a big blob in chunks of any size comes back',
  'delete forgets, and says whether there was something',
  'a record is a miss while an output or the key document is absent, and a later scope answers',
  'a record whose outputs are gone does not stand in the way of another result',
]

const bazelRemote = needsBazelRemote()
const nginx = needs('nginx')

t.test('D13: the contract, against bazel-remote, which looks into entries', bazelRemote, async (t) => {
  await walkContract(t, [...NEEDS_OTHER_ALGORITHMS, ...NEEDS_DELETE], async (t) => {
    const { url } = await startBazelRemote(t, t.testdir())
    return url
  })
})

t.test('D13: the contract, against nginx with WebDAV, which looks into nothing', nginx, async (t) => {
  const { url } = await startNginx(t, t.testdir())
  let stores = 0
  await walkContract(t, NEEDS_OTHER_ALGORITHMS, async () => `${url}/store-${(stores += 1)}`)
})

t.test('bazel-remote reads an entry as an ActionResult of all blobs', bazelRemote, async (t) => {
  const { url } = await startBazelRemote(t, t.testdir())
  const tier = tierFor(t, { url })
  await recordIn(tier)
  const entry = await fetch(`${url}/${AC_PATH}`, { headers: { accept: 'application/json' } })
  t.match(await entry.json(), {
    outputFiles: [
      {
        path: 'key-document',
        digest: { hash: hexOf(RECORD.key), sizeBytes: String(KEY_DOCUMENT.byteLength) },
      },
      { path: 'output-0', digest: { hash: hexOf(digestOf(LAYER)), sizeBytes: String(LAYER.byteLength) } },
    ],
  })
  t.strictSame((await tier.actions.get(RECORD.key, ['main']))?.outputs, RECORD.outputs)
})

t.test('R11: bazel-remote does not serve an entry that lacks a blob', bazelRemote, async (t) => {
  const { url } = await startBazelRemote(t, t.testdir())
  const tier = tierFor(t, { url })
  await putBytes(tier.blobs, KEY_DOCUMENT)
  t.equal(await tier.actions.put(RECORD, { scope: 'main' }), 'created')
  t.equal((await fetch(`${url}/${AC_PATH}`)).status, 404)
  // Not even where we would take the blob from elsewhere.
  const elsewhere = { blobs: { missing: async () => new Set<Digest>() } }
  t.equal(await tier.actions.get(RECORD.key, ['main'], elsewhere), undefined)
  await putBytes(tier.blobs, LAYER)
  t.strictSame((await tier.actions.get(RECORD.key, ['main']))?.outputs, RECORD.outputs)
})

t.test('R11: what bazel-remote has evicted is a miss, and comes back by a put', bazelRemote, async (t) => {
  const directory = t.testdir()
  const first = await startBazelRemote(t, directory)
  const tier = tierFor(t, { url: first.url })
  await recordIn(tier)
  const source = await tier.blobs.get(digestOf(LAYER))
  evict(directory, digestOf(LAYER))
  await t.rejects(readAll(source!.open(), 1e6), { code: 'ERR_CACHE_STORE_MISSING' }, 'a late 404')

  await first.stop()
  const second = await startBazelRemote(t, directory)
  const again = tierFor(t, { url: second.url })
  t.equal(await again.blobs.get(digestOf(LAYER)), undefined)
  t.equal(await again.actions.get(RECORD.key, ['main']), undefined)
  const rebuilt = { ...RECORD, outputs: [outputOf(utf8('rebuilt'))] }
  await putBytes(again.blobs, utf8('rebuilt'))
  t.equal(await again.actions.put(rebuilt, { scope: 'main' }), 'created', 'it does not stand in the way')
  t.strictSame((await again.actions.get(RECORD.key, ['main']))?.outputs, rebuilt.outputs)
})

t.test('a blob of many MiB goes to bazel-remote and nginx and back', async (t) => {
  const bytes = new Uint8Array(48 * 1024 * 1024)
  for (let at = 0; at < bytes.byteLength; at += 4096) bytes[at] = at / 4096
  const servers = [
    ['bazel-remote', bazelRemote, startBazelRemote],
    ['nginx', nginx, startNginx],
  ] as const
  for (const [name, peer, start] of servers) {
    await t.test(name, peer, async (t) => {
      const { url } = await start(t, t.testdir())
      const { blobs } = tierFor(t, { url })
      const digest = digestOf(bytes)
      t.equal(await blobs.put(digest, bytesSource(bytes)), 'stored')
      t.equal(await blobs.put(digest, bytesSource(bytes)), 'existed')
      t.ok(Buffer.compare(await read(blobs, digest), bytes) === 0)
      const source = await blobs.get(digest)
      const part = await readAll(source!.open({ start: 40_000_000, end: 40_005_000 }), 1e6)
      t.ok(Buffer.compare(part, bytes.subarray(40_000_000, 40_005_000)) === 0)
    })
  }
})

t.test('what is too large for bazel-remote is skipped', bazelRemote, async (t) => {
  const { url } = await startBazelRemote(t, t.testdir(), ['--max_size=1', '--max_blob_size=1000'])
  const warnings: unknown[] = []
  const { blobs } = tierFor(t, { url, onWarning: (error) => void warnings.push(error) })
  for (const size of [1001, 5_000_000]) {
    const bytes = new Uint8Array(size).fill(7)
    t.equal(await blobs.put(digestOf(bytes), bytesSource(bytes)), 'skipped')
  }
  // It says 400, which may mean anything.
  t.match(warnings, [{ code: 'ERR_CACHE_STORE_CONFIG', status: 400 }])
})

t.test('bazel-remote with passwords: reading, writing, and being refused', bazelRemote, async (t) => {
  const directory = t.testdir({
    passwords: `me:{SHA}${createHash('sha1').update('right').digest('base64')}\n`,
    locked: {},
    open: {},
  })
  const passwords = `--htpasswd_file=${join(directory, 'passwords')}`
  const locked = await startBazelRemote(t, join(directory, 'locked'), ['--max_size=1', passwords])
  const known = tierFor(t, { url: locked.url, credentials: { username: 'me', password: 'right' } })
  t.equal(await known.blobs.put(digestOf(LAYER), bytesSource(LAYER)), 'stored')
  t.strictSame(await read(known.blobs, digestOf(LAYER)), LAYER)
  const wrong = tierFor(t, { url: locked.url, credentials: { username: 'me', password: 'wrong' } })
  await t.rejects(wrong.blobs.get(digestOf(LAYER)), { code: 'ERR_CACHE_STORE_DENIED', status: 401 })

  const open = await startBazelRemote(t, join(directory, 'open'), [
    '--max_size=1',
    passwords,
    '--allow_unauthenticated_reads',
  ])
  const warnings: unknown[] = []
  const stranger = tierFor(t, { url: open.url, onWarning: (error) => void warnings.push(error) })
  const big = new Uint8Array(5_000_000).fill(7)
  t.equal(await stranger.blobs.put(digestOf(big), bytesSource(big)), 'skipped')
  t.equal(await stranger.blobs.get(digestOf(LAYER)), undefined)
  t.match(warnings, [{ code: 'ERR_CACHE_STORE_DENIED', status: 401 }])
})

t.test('bazel-remote over TLS, with certificates on both sides', bazelRemote, async (t) => {
  const directory = t.testdir({ 'cert.pem': CERTIFICATE, 'key.pem': KEY, store: {} })
  const { url } = await startBazelRemote(t, join(directory, 'store'), [
    '--max_size=1',
    `--tls_cert_file=${join(directory, 'cert.pem')}`,
    `--tls_key_file=${join(directory, 'key.pem')}`,
    `--tls_ca_file=${join(directory, 'cert.pem')}`,
  ])
  const tls = url.replace('http:', 'https:')
  const known = tierFor(t, { url: tls, ca: CERTIFICATE, cert: CERTIFICATE, key: KEY })
  t.equal(await known.blobs.put(digestOf(LAYER), bytesSource(LAYER)), 'stored')
  t.strictSame(await read(known.blobs, digestOf(LAYER)), LAYER)
  const stranger = tierFor(t, { url: tls, ca: CERTIFICATE, attempts: 1 })
  await t.rejects(stranger.blobs.get(digestOf(LAYER)), { name: 'CacheStoreError' })
})

t.test('what nginx has on a bad disk never comes out whole, and heals', nginx, async (t) => {
  const directory = t.testdir()
  const { url } = await startNginx(t, directory)
  const { blobs } = tierFor(t, { url })
  await putBytes(blobs, LAYER)
  const path = join(directory, 'root', 'cas', hexOf(digestOf(LAYER)))
  const file = readFileSync(path)
  writeFileSync(
    path,
    file.map((byte, at) => (at === 2 ? byte ^ 1 : byte)),
  )
  await t.rejects(read(blobs, digestOf(LAYER)), { code: 'ERR_DIGEST_MISMATCH' })
  t.equal(await blobs.get(digestOf(LAYER)), undefined)
  t.equal(await blobs.put(digestOf(LAYER), bytesSource(LAYER)), 'healed')
  t.strictSame(await read(blobs, digestOf(LAYER)), LAYER)
})

t.test('nginx that serves files and takes none is read-only', nginx, async (t) => {
  const directory = t.testdir()
  const { url } = await startNginx(t, directory, 'off')
  mkdirSync(join(directory, 'root', 'cas'))
  chmodSync(join(directory, 'root', 'cas'), 0o755)
  writeFileSync(join(directory, 'root', 'cas', hexOf(digestOf(LAYER))), LAYER)
  const warnings: unknown[] = []
  const { blobs } = tierFor(t, { url, onWarning: (error) => void warnings.push(error) })
  t.strictSame(await read(blobs, digestOf(LAYER)), LAYER)
  t.equal(await blobs.put(digestOf(KEY_DOCUMENT), bytesSource(KEY_DOCUMENT)), 'skipped')
  t.match(warnings, [{ code: 'ERR_CACHE_STORE_DENIED', status: 405 }])
})

const KEY_DOCUMENT = utf8('the key document')
const LAYER = utf8('a layer')
const RECORD: ActionRecord = {
  kv: 1,
  key: digestOf(KEY_DOCUMENT),
  keyDoc: digestOf(KEY_DOCUMENT),
  outputs: [outputOf(LAYER)],
  diffIDs: [digestOf(LAYER)],
  createdAt: '2026-01-01T00:00:00Z',
  durationMs: 1,
  builder: 'test',
}

/** Where the record is in the scope `main`: what a server holds must be found by the next version, too. */
const AC_PATH = 'ac/f06b91f6d60cc51032af31b730cf0228f69b49654c9bcce8bc1185cc7f777ddb'

async function walkContract(
  t: Test,
  without: readonly string[],
  freshUrl: (t: Test) => Promise<string>,
): Promise<void> {
  const applies = ({ name }: { readonly name: string }): boolean => !without.includes(name)
  for (const check of [...BLOB_CHECKS, ...INGEST_CHECKS].filter(applies)) {
    await t.test(check.name, async (t) => check.run(tierFor(t, { url: await freshUrl(t) }).blobs))
  }
  for (const check of ACTION_CHECKS.filter(applies)) {
    await t.test(check.name, async (t) =>
      check.run({ ...tierFor(t, { url: await freshUrl(t) }), refs: createMemoryRefStore() }),
    )
  }
}

function tierFor(t: Test, options: HttpTierOptions): HttpTier {
  const tier = createHttpTier(options)
  t.teardown(() => tier.close())
  return tier
}

async function recordIn(tier: HttpTier): Promise<void> {
  await putBytes(tier.blobs, KEY_DOCUMENT)
  await putBytes(tier.blobs, LAYER)
  await tier.actions.put(RECORD, { scope: 'main' })
}

async function putBytes(blobs: BlobStore, bytes: Uint8Array): Promise<void> {
  await blobs.put(digestOf(bytes), bytesSource(bytes))
}

async function read(blobs: BlobStore, digest: Digest): Promise<Uint8Array> {
  const source = await blobs.get(digest)
  if (source === undefined) throw new Error('Expected a blob')
  return new Uint8Array(await readAll(source.open(), 1e9))
}

/** Removes the file of a blob from the directory of bazel-remote, where the name begins with the hash. */
function evict(directory: string, digest: Digest): void {
  const shard = join(directory, 'cas.v2', hexOf(digest).slice(0, 2))
  const names = readdirSync(shard).filter((name) => name.startsWith(hexOf(digest)))
  if (names.length === 0) throw new Error('Expected a file')
  for (const name of names) rmSync(join(shard, name))
}

function outputOf(bytes: Uint8Array): ActionRecord['outputs'][number] {
  return { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.byteLength }
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
