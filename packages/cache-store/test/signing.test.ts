import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { bytesSource, describe, type Digest, digestOf } from '@varve/digest'
import t from 'tap'
import {
  type ActionIndex,
  type ActionRecord,
  createMemoryBlobStore,
  createMemoryStore,
  type Signature,
  type Store,
  type Trust,
  tiered,
} from '../src/index.ts'
import { encodeRecord, signedBytes } from '../src/record.ts'
import { createRecordIndex } from '../src/record-index.ts'
import {
  createEd25519Signer,
  createEd25519Verifier,
  createSharedSecret,
  markOfSecret,
} from '../src/signing.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const [KEY, OTHER_KEY] = [digestOf(utf8('a key document')), digestOf(utf8('another key document'))]

function recordOf(output: string, key: Digest = KEY): ActionRecord {
  return {
    kv: 1,
    key,
    keyDoc: key,
    outputs: [describe('application/octet-stream', utf8(output))],
    diffIDs: [],
    createdAt: '2026-01-02T03:04:05Z',
    durationMs: 1,
    builder: 'test/1',
  }
}

/** A store that has the blobs of every record of these tests. */
async function storeOf(trust: Trust = {}): Promise<Store> {
  const store = createMemoryStore({ trust })
  await fill(store)
  return store
}

async function fill({ blobs }: Pick<Store, 'blobs'>): Promise<void> {
  for (const text of ['a key document', 'another key document', 'good', 'evil', 'rebuilt']) {
    await blobs.put(digestOf(utf8(text)), bytesSource(utf8(text)))
  }
}

/** An index whose files can be written by hand, as somebody with access to the bucket can. */
async function tamperable(trust: Trust): Promise<{ actions: ActionIndex; files: Map<string, Uint8Array> }> {
  const files = new Map<string, Uint8Array>()
  const blobs = createMemoryBlobStore()
  await fill({ blobs })
  const at = (scope: string, key: Digest): string => `${scope}/${key}`
  const actions = createRecordIndex(
    {
      read: async (scope, key) => files.get(at(scope, key)),
      create: async (scope, key, bytes) => !files.has(at(scope, key)) && !!files.set(at(scope, key), bytes),
      replace: async (scope, key, bytes) => void files.set(at(scope, key), bytes),
    },
    blobs,
    trust,
  )
  return { actions, files }
}

const pair = (): { publicKey: string; privateKey: string } =>
  generateKeyPairSync('ed25519', {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
const [ours, theirs] = [pair(), pair()]
const secret = createSharedSecret('a secret of more than sixteen bytes', '2026')

/** Each way to sign: what the trusted and what a stranger has. */
const WAYS: ReadonlyArray<readonly [name: string, trust: Required<Trust>, stranger: Trust]> = [
  [
    'ed25519',
    {
      signer: createEd25519Signer(ours.privateKey),
      verifier: createEd25519Verifier([ours.publicKey]),
    },
    { signer: createEd25519Signer(theirs.privateKey) },
  ],
  [
    'shared secret',
    { signer: secret, verifier: secret },
    { signer: createSharedSecret('another secret of many bytes', '2026') },
  ],
]

for (const [name, trust, stranger] of WAYS) {
  t.test(`row 34, ${name}: a signed record is a hit, and any other is a miss`, async (t) => {
    const { actions, files } = await tamperable(trust)
    const { scope } = { scope: 'main' }
    t.equal(await actions.put(recordOf('good'), { scope }), 'created')
    const hit = await actions.get(KEY, [scope])
    t.match(hit, { ...recordOf('good'), sig: { algorithm: /^(?:ed25519|hmac-sha256)$/u } })
    const { sig, ...unsigned } = hit!
    const write = (record: ActionRecord, key = KEY, scope = 'main'): void =>
      void files.set(`${scope}/${key}`, encodeRecord(record, scope))
    const isMiss = async (why: string, key = KEY, scope = 'main'): Promise<void> => {
      t.equal(await actions.get(key, [scope]), undefined, why)
    }

    write(unsigned)
    await isMiss('unsigned')
    write({ ...unsigned, sig: await stranger.signer!.sign(signedBytes(unsigned, scope)) })
    await isMiss('signed by a stranger')
    write({
      ...unsigned,
      sig: { ...(await stranger.signer!.sign(signedBytes(unsigned, scope))), keyId: sig!.keyId },
    })
    await isMiss('signed by a stranger under our name')
    write(hit!, KEY, 'other')
    await isMiss('replayed in another scope', KEY, 'other')
    write({ ...hit!, key: OTHER_KEY, keyDoc: OTHER_KEY }, OTHER_KEY)
    await isMiss('replayed under another key', OTHER_KEY)
    const tampered: Partial<ActionRecord> = {
      outputs: recordOf('evil').outputs,
      diffIDs: [KEY],
      createdAt: '2030-01-01T00:00:00Z',
      builder: 'evil/1',
      aliasOf: OTHER_KEY,
      keyDoc: OTHER_KEY,
      durationMs: 2,
    }
    for (const [field, value] of Object.entries(tampered)) {
      write({ ...hit!, [field]: value })
      await isMiss(`another ${field}`)
    }
    const broken: Partial<Signature>[] = [
      { algorithm: 'none' },
      { algorithm: name === 'ed25519' ? 'hmac-sha256' : 'ed25519' },
      { keyId: 'another' },
      { value: '' },
      { value: 'not base64!' },
      { value: sig!.value.slice(4) },
      { value: Buffer.alloc(64).toString('base64') },
    ]
    for (const each of broken) {
      write({ ...hit!, sig: { ...sig!, ...each } })
      await isMiss(`a signature with ${JSON.stringify(each)}`)
    }
    write(hit!)
    t.strictSame(await actions.get(KEY, [scope]), hit, 'and the right one is still right')
  })

  t.test(`R19, ${name}: a record that is not trusted does not stand in the way of one that is`, async (t) => {
    const { actions, files } = await tamperable(trust)
    files.set(`main/${KEY}`, encodeRecord(recordOf('evil'), 'main'))
    t.equal(await actions.put(recordOf('good'), { scope: 'main' }), 'created')
    t.strictSame((await actions.get(KEY, ['main']))?.outputs, recordOf('good').outputs)
    t.equal(await actions.put(recordOf('rebuilt'), { scope: 'main' }), 'conflict', 'a trusted one does')
  })

  t.test(`R19, ${name}: a later scope answers where the first is poisoned`, async (t) => {
    const { actions, files } = await tamperable(trust)
    await actions.put(recordOf('good'), { scope: 'release' })
    files.set(`main/${KEY}`, encodeRecord(recordOf('evil'), 'main'))
    t.strictSame((await actions.get(KEY, ['main', 'release']))?.outputs, recordOf('good').outputs)
  })

  t.test(
    `${name}: a record that a tier hands on keeps its signature, and gets none if it has none`,
    async (t) => {
      const remote = await storeOf(trust)
      await remote.actions.put(recordOf('good'), { scope: 'main' })
      const signed = await remote.actions.get(KEY, ['main'])
      // We may read what is signed, and sign with another key what is ours.
      const own = await storeOf({ ...stranger, verifier: trust.verifier })
      const store = tiered([own, remote], { write: 'through' })
      t.strictSame(await store.actions.get(KEY, ['main']), signed)
      t.strictSame(await own.actions.get(KEY, ['main']), signed, 'kept as it was')

      const open = await storeOf()
      await open.actions.put(recordOf('evil', OTHER_KEY), { scope: 'main' })
      const first = await storeOf(trust)
      const careless = tiered([first, open])
      t.equal(
        await careless.actions.get(OTHER_KEY, ['main']),
        undefined,
        'the first tier does not believe it',
      )
      t.equal(await first.actions.get(OTHER_KEY, ['main']), undefined, 'and did not vouch for it')
      t.equal(await careless.actions.put(recordOf('good', OTHER_KEY), { scope: 'main' }), 'created')
    },
  )

  t.test(`${name}: what a first tier signs is signed in the tiers below`, async (t) => {
    const [first, below] = [await storeOf(trust), await storeOf()]
    const store = tiered([first, below], { write: 'through' })
    await store.actions.put(recordOf('good'), { scope: 'main' })
    const signed = await first.actions.get(KEY, ['main'])
    t.ok(signed?.sig)
    t.strictSame(await below.actions.get(KEY, ['main']), signed)
  })
}

t.test('a verifier knows several keys, of which each signs', async (t) => {
  const verifier = createEd25519Verifier([theirs.publicKey, ours.publicKey])
  for (const { privateKey } of [ours, theirs]) {
    const signature = await createEd25519Signer(privateKey).sign(utf8('payload'))
    t.equal(await verifier.verify(utf8('payload'), signature), true)
    t.equal(await verifier.verify(utf8('payloaD'), signature), false)
  }
  t.equal(
    await createEd25519Verifier([]).verify(
      utf8('payload'),
      await createEd25519Signer(ours.privateKey).sign(utf8('payload')),
    ),
    false,
    'without keys nothing is believed',
  )
})

t.test('a shared secret that was changed is another one', async (t) => {
  const [old, now] = [
    createSharedSecret('the secret of last year', '2025'),
    createSharedSecret('the secret of this year', '2026'),
  ]
  t.equal(await now.verify(utf8('payload'), await old.sign(utf8('payload'))), false)
  t.equal(await now.verify(utf8('payload'), await now.sign(utf8('payload'))), true)
  const bytes = createSharedSecret(utf8('the secret of this year'), '2026')
  t.strictSame(await bytes.sign(utf8('payload')), await now.sign(utf8('payload')), 'as text or bytes')
})

// RFC 4231, section 4.8: test case 7, and RFC 8032, section 7.1: test 2.
t.test('signatures are those of the specifications', async (t) => {
  const rfc4231 = createSharedSecret(new Uint8Array(131).fill(0xaa))
  const payload =
    'This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.'
  t.equal(
    Buffer.from((await rfc4231.sign(utf8(payload))).value, 'base64').toString('hex'),
    '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
  )

  const seed = '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'
  const der = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex').toString('base64')
  const signer = createEd25519Signer(`-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`)
  t.equal(
    Buffer.from((await signer.sign(Uint8Array.of(0x72))).value, 'base64').toString('hex'),
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  )
})

t.test('keys that are none are refused, and no message repeats a key', async (t) => {
  const rsa = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const cut = ours.privateKey.replace(/\n-----END/u, 'AA\n-----END').replace('MC4C', 'MC4D')
  const attempts: ReadonlyArray<readonly [why: string, attempt: () => unknown, secrets: string]> = [
    ['a damaged private key', () => createEd25519Signer(cut), cut],
    ['a public key to sign with', () => createEd25519Signer(ours.publicKey), ours.publicKey],
    ['another kind to sign with', () => createEd25519Signer(rsa.privateKey), rsa.privateKey],
    ['another kind to verify with', () => createEd25519Verifier([rsa.publicKey]), rsa.publicKey],
    ['no key at all', () => createEd25519Verifier(['hunter2hunter2']), 'hunter2hunter2'],
    ['a short secret', () => createSharedSecret('hunter2hunter2'), 'hunter2hunter2'],
    ['a short key for marks', () => markOfSecret(utf8('hunter2hunter2'), 'value'), 'hunter2hunter2'],
  ]
  for (const [why, attempt, secrets] of attempts) {
    let failure: unknown
    try {
      attempt()
    } catch (error) {
      failure = error
    }
    t.type(failure, TypeError, why)
    const said = inspect(failure, { depth: Infinity, showHidden: true })
    const lines = secrets.split('\n').filter((line) => line !== '' && !line.startsWith('-----'))
    t.ok(
      lines.length > 0 && lines.every((line) => !said.includes(line)),
      `${why}: no key in ${said.split('\n')[0]}`,
    )
  }
})

t.test(
  'R24: a mark of a secret changes with the secret and with the key, and tells nothing else',
  async (t) => {
    const key = utf8('a key of sixteen bytes or more')
    const mark = markOfSecret(key, 'hunter2')
    t.match(mark, /^[0-9a-f]{64}$/u)
    t.equal(markOfSecret(key, utf8('hunter2')), mark)
    t.not(markOfSecret(key, 'hunter3'), mark)
    t.not(markOfSecret(utf8('another key of sixteen bytes'), 'hunter2'), mark)
  },
)
