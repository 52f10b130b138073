/**
 * What real registries answer, as exchanges: each row is a list of replies, and the requests that must be made for them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { bytesSource, digestOf } from '@varve/digest'
import t from 'tap'
import { blobSource, hasBlob } from '../src/blob/pull.ts'
import { pushBlob } from '../src/blob/push.ts'
import type { TransferOptions } from '../src/blob/options.ts'
import { openEndpoint } from './blob-endpoint.ts'
import { collect, content, noise, startRaw, utf8, type Teardown } from './fixtures.ts'

/** A status and headers, and a body; or the end of the connection, before or after the request was read. */
type Reply = readonly [
  status: number,
  headers?: Readonly<Record<string, string | string[]>>,
  body?: Uint8Array,
]
type Step = Reply | 'cut'

const TEN = content(utf8('0123456789'))
const UP = '/up/1?_state=a%3D%3D'

/** Answers in order, and keeps the requests as `METHOD target range (bytes)`. `D` is the digest. */
async function play(t: Teardown, steps: readonly Step[], digest: string = TEN.descriptor.digest) {
  const requests: string[] = []
  let turn = 0
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let bytes = 0
    for await (const chunk of request) bytes += (chunk as Uint8Array).byteLength
    const { method = '', url = '', headers } = request
    const range = headers['content-range'] ?? headers.range
    const target = url
      .replace(encodeURIComponent(digest), 'D')
      .replace(digest, 'D')
      .replace('/v2/x/blobs/', '')
    requests.push([method, target, range, bytes > 0 ? `(${bytes})` : undefined].filter(Boolean).join(' '))
    const step = steps[turn++] ?? [599]
    if (step === 'cut') {
      response.destroy()
      return
    }
    const [status, replyHeaders = {}, body = new Uint8Array()] = step
    response.writeHead(status, replyHeaders)
    const announced = Number(replyHeaders['content-length'] ?? body.byteLength)
    if (method === 'HEAD') response.end()
    else if (announced <= body.byteLength) response.end(body)
    else response.write(body, () => response.destroy())
  }
  const host = await startRaw(t, (request, response) => void answer(request, response).catch(() => undefined))
  return { host, requests }
}

const BEGUN: Reply = [202, { location: UP }]
const CHUNKED: TransferOptions = { monolithicBytes: 0, chunkBytes: 4 }

/** Pushes of ten bytes. */
const PUSHES: readonly {
  readonly title: string
  readonly steps: readonly Step[]
  readonly requests: readonly string[]
  readonly transfer?: TransferOptions
  readonly mountFrom?: readonly string[]
  readonly outcome?: string
  readonly fails?: {
    readonly name?: string
    readonly code: string
    readonly status?: number
    readonly message?: RegExp
  }
}[] = [
  {
    title: 'C5 Q10: POST, then PUT to its location, byte for byte',
    steps: [[404], BEGUN, [201]],
    requests: ['HEAD D', 'POST uploads/', `PUT ${UP}&digest=D (10)`],
  },
  {
    title: 'Q7: old registries end an upload with 204',
    steps: [[404], BEGUN, [204]],
    requests: ['HEAD D', 'POST uploads/', `PUT ${UP}&digest=D (10)`],
  },
  {
    title: 'what is there is not sent',
    steps: [[200, { 'content-length': '10' }]],
    requests: ['HEAD D'],
    outcome: 'existed',
  },
  {
    title: 'C9: a mount sends nothing',
    steps: [[404], [201, { location: '/v2/x/blobs/D' }]],
    requests: ['HEAD D', 'POST uploads/?mount=D&from=base'],
    mountFrom: ['base'],
    outcome: 'mounted',
  },
  {
    title: 'Q3: a mount that became an upload is one',
    steps: [[404], BEGUN, [201]],
    requests: ['HEAD D', 'POST uploads/?mount=D&from=base', `PUT ${UP}&digest=D (10)`],
    mountFrom: ['base'],
  },
  {
    title: 'Q3: an upload begun in vain is cancelled',
    steps: [[404], BEGUN, [201], [204]],
    requests: [
      'HEAD D',
      'POST uploads/?mount=D&from=base',
      'POST uploads/?mount=D&from=other',
      `DELETE ${UP}`,
    ],
    mountFrom: ['base', 'other'],
    outcome: 'mounted',
  },
  {
    title: 'Q2: a registry that refuses the mount gets a plain upload',
    steps: [[404], [400], BEGUN, [201]],
    requests: ['HEAD D', 'POST uploads/?mount=D&from=base', 'POST uploads/', `PUT ${UP}&digest=D (10)`],
    mountFrom: ['base'],
  },
  {
    title: 'Q2: a registry that breaks at the mount gets a plain upload, at once',
    steps: [[404], [500], 'cut', BEGUN, [201]],
    requests: [
      'HEAD D',
      'POST uploads/?mount=D&from=base',
      'POST uploads/?mount=D&from=other',
      'POST uploads/',
      `PUT ${UP}&digest=D (10)`,
    ],
    mountFrom: ['base', 'other'],
  },
  {
    title: 'Q1 Q2: only repositories are asked to give, never itself, and not too many',
    steps: [[404], [404], [404], [404], BEGUN, [201]],
    requests: [
      'HEAD D',
      'POST uploads/?mount=D&from=a',
      'POST uploads/?mount=D&from=b',
      'POST uploads/?mount=D&from=c',
      'POST uploads/',
      `PUT ${UP}&digest=D (10)`,
    ],
    mountFrom: ['x', 'ghcr.io:443/../a', 'a', 'a', 'b', 'c', 'd'],
  },
  {
    title: 'C4 C6: chunks go in order, each to the latest location, the last one on the PUT',
    transfer: CHUNKED,
    steps: [
      [404],
      BEGUN,
      [202, { location: '/up/2', range: '0-3' }],
      [202, { location: '/up/3', range: '0-7' }],
      [201],
    ],
    requests: [
      'HEAD D',
      'POST uploads/',
      `PATCH ${UP} 0-3 (4)`,
      'PATCH /up/2 4-7 (4)',
      'PUT /up/3?digest=D 8-9 (2)',
    ],
  },
  {
    title: 'a registry that does not say how far it is, is where we are',
    transfer: CHUNKED,
    steps: [[404], BEGUN, [202], [204], [201]],
    requests: [
      'HEAD D',
      'POST uploads/',
      `PATCH ${UP} 0-3 (4)`,
      `PATCH ${UP} 4-7 (4)`,
      `PUT ${UP}&digest=D 8-9 (2)`,
    ],
  },
  {
    title: 'Q6: a PUT that is too large goes on in chunks',
    transfer: { chunkBytes: 4 },
    steps: [[404], BEGUN, [413], [204, { range: '0-0' }], [202], [202], [201]],
    requests: [
      'HEAD D',
      'POST uploads/',
      `PUT ${UP}&digest=D (10)`,
      `GET ${UP}`,
      `PATCH ${UP} 0-3 (4)`,
      `PATCH ${UP} 4-7 (4)`,
      `PUT ${UP}&digest=D 8-9 (2)`,
    ],
  },
  {
    title: 'Q6: a PUT that is answered 416 goes on in chunks',
    transfer: { chunkBytes: 6 },
    steps: [[404], BEGUN, [416], [404], [204, { range: '0--1', location: '/up/2' }], [202], [201]],
    requests: [
      'HEAD D',
      'POST uploads/',
      `PUT ${UP}&digest=D (10)`,
      'HEAD D',
      `GET ${UP}`,
      'PATCH /up/2 0-5 (6)',
      `PUT /up/2?digest=D 6-9 (4)`,
    ],
  },
  {
    title: 'Q6: the least chunk of the registry is sent',
    transfer: CHUNKED,
    steps: [[404], [202, { location: UP, 'oci-chunk-min-length': '6' }], [202, { range: '0-5' }], [201]],
    requests: ['HEAD D', 'POST uploads/', `PATCH ${UP} 0-5 (6)`, `PUT ${UP}&digest=D 6-9 (4)`],
  },
  {
    title: 'Q6: a registry that takes no chunk at all is told so',
    transfer: CHUNKED,
    steps: [[404], BEGUN, [413], [204]],
    requests: ['HEAD D', 'POST uploads/', `PATCH ${UP} 0-3 (4)`, `DELETE ${UP}`],
    fails: { code: 'ERR_REGISTRY_TOO_LARGE', status: 413 },
  },
  {
    title: 'Q7: a blob that was taken with a chunk may refuse its PUT',
    transfer: CHUNKED,
    steps: [[404], BEGUN, [201], [201], [400], [200, { 'content-length': '10' }]],
    requests: [
      'HEAD D',
      'POST uploads/',
      `PATCH ${UP} 0-3 (4)`,
      `PATCH ${UP} 4-7 (4)`,
      `PUT ${UP}&digest=D 8-9 (2)`,
      'HEAD D',
    ],
  },
  {
    title: 'Q7: a PUT that was refused for good is an error',
    steps: [[404], BEGUN, [400], [404], [204]],
    requests: ['HEAD D', 'POST uploads/', `PUT ${UP}&digest=D (10)`, 'HEAD D', `DELETE ${UP}`],
    fails: { code: 'ERR_REGISTRY_REJECTED', status: 400 },
  },
  {
    title: 'Q8: a refusal with location and range is a place to go on from',
    transfer: CHUNKED,
    steps: [
      [404],
      BEGUN,
      [202, { range: '0-3' }],
      [416, { location: '/up/2', range: '0-5' }],
      [202, { range: '0-9' }],
      [201],
    ],
    requests: [
      'HEAD D',
      'POST uploads/',
      `PATCH ${UP} 0-3 (4)`,
      `PATCH ${UP} 4-7 (4)`,
      'PUT /up/2?digest=D 6-9 (4)',
      `PUT /up/2?digest=D`,
    ],
  },
  {
    title: 'Q8: a chunk that was taken in part is taken up where it was left',
    transfer: CHUNKED,
    steps: [[404], BEGUN, [202, { range: '0-1' }], [202, { range: '0-5' }], [201]],
    requests: [
      'HEAD D',
      'POST uploads/',
      `PATCH ${UP} 0-3 (4)`,
      `PATCH ${UP} 2-5 (4)`,
      `PUT ${UP}&digest=D 6-9 (4)`,
    ],
  },
  {
    title: 'Q8: a registry that acknowledges more than was sent has put it in the wrong place',
    transfer: CHUNKED,
    steps: [
      [404],
      BEGUN,
      [202, { range: '0-7' }],
      [204],
      [404],
      [202, { location: '/up/2' }],
      [202],
      [202],
      [201],
    ],
    requests: [
      'HEAD D',
      'POST uploads/',
      `PATCH ${UP} 0-3 (4)`,
      `DELETE ${UP}`,
      'HEAD D',
      'POST uploads/',
      'PATCH /up/2 0-3 (4)',
      'PATCH /up/2 4-7 (4)',
      'PUT /up/2?digest=D 8-9 (2)',
    ],
  },
  {
    title: 'Q8: a registry that takes chunks and keeps none is not believed',
    transfer: CHUNKED,
    steps: [[404], BEGUN, ...Array.from({ length: 9 }, () => [202, { range: '0-0' }] as const), [204]],
    requests: [
      'HEAD D',
      'POST uploads/',
      ...Array.from({ length: 9 }, () => `PATCH ${UP} 0-3 (4)`),
      `DELETE ${UP}`,
    ],
    fails: { code: 'ERR_REGISTRY_RESPONSE' },
  },
  {
    title: 'Q9: an empty upload is 0-0 or 0--1; where it was not empty, it begins anew',
    transfer: CHUNKED,
    steps: [
      [404],
      BEGUN,
      'cut',
      [204, { range: '0-0' }],
      [416, { location: UP, range: '0-0' }],
      [416, { location: UP, range: '0-0' }],
      [204, { range: '0--1' }],
      [416],
      [204, { range: '0-0' }],
      [416],
      [204],
      [404],
      [202, { location: '/up/2' }],
      [202],
      [202],
      [201],
    ],
    requests: [
      'HEAD D',
      'POST uploads/',
      `PATCH ${UP} 0-3 (4)`,
      `GET ${UP}`,
      `PATCH ${UP} 0-3 (4)`,
      `PATCH ${UP} 0-3 (4)`,
      `GET ${UP}`,
      `PATCH ${UP} 0-3 (4)`,
      `GET ${UP}`,
      `PATCH ${UP} 0-3 (4)`,
      `DELETE ${UP}`,
      'HEAD D',
      'POST uploads/',
      'PATCH /up/2 0-3 (4)',
      'PATCH /up/2 4-7 (4)',
      'PUT /up/2?digest=D 8-9 (2)',
    ],
  },
  {
    title: 'Q9: 0-0 is one byte where one was sent',
    transfer: { monolithicBytes: 0, chunkBytes: 1 },
    steps: [[404], BEGUN, 'cut', [204, { range: '0-0' }], [403], [204]],
    requests: [
      'HEAD D',
      'POST uploads/',
      `PATCH ${UP} 0-0 (1)`,
      `GET ${UP}`,
      `PATCH ${UP} 1-1 (1)`,
      `DELETE ${UP}`,
    ],
    fails: { code: 'ERR_REGISTRY_DENIED', status: 403 },
  },
  {
    title: 'C6: an upload of which nobody knows how far it is, is cancelled and begins anew',
    steps: [[404], BEGUN, 'cut', [204], [204], [404], [202, { location: '/up/2' }], [201]],
    requests: [
      'HEAD D',
      'POST uploads/',
      `PUT ${UP}&digest=D (10)`,
      `GET ${UP}`,
      `DELETE ${UP}`,
      'HEAD D',
      'POST uploads/',
      'PUT /up/2?digest=D (10)',
    ],
  },
  {
    title: 'C6: where the reply was lost, the registry is asked how far it is',
    transfer: { chunkBytes: 4 },
    steps: [[404], BEGUN, 'cut', [204, { range: '0-4', location: '/up/2' }], [202, { range: '0-8' }], [201]],
    requests: [
      'HEAD D',
      'POST uploads/',
      `PUT ${UP}&digest=D (10)`,
      `GET ${UP}`,
      'PATCH /up/2 5-8 (4)',
      'PUT /up/2?digest=D 9-9 (1)',
    ],
  },
  {
    title: 'C6: an upload that is complete only wants to be ended',
    steps: [[404], BEGUN, 'cut', [204, { range: '0-9' }], [201]],
    requests: ['HEAD D', 'POST uploads/', `PUT ${UP}&digest=D (10)`, `GET ${UP}`, `PUT ${UP}&digest=D`],
  },
  {
    title: 'C6: an upload that has ended is a blob',
    steps: [[404], BEGUN, 'cut', [404], [200, { 'content-length': '10' }]],
    requests: ['HEAD D', 'POST uploads/', `PUT ${UP}&digest=D (10)`, `GET ${UP}`, 'HEAD D'],
  },
  {
    title: 'C6: an upload that was forgotten begins anew',
    steps: [[404], BEGUN, 'cut', [404], [404], [202, { location: '/up/2' }], [201]],
    requests: [
      'HEAD D',
      'POST uploads/',
      `PUT ${UP}&digest=D (10)`,
      `GET ${UP}`,
      'HEAD D',
      'POST uploads/',
      'PUT /up/2?digest=D (10)',
    ],
  },
  {
    title: 'C6: a busy registry keeps its upload, which goes on in one piece',
    steps: [[404], BEGUN, [503, { 'retry-after': '0' }], [204, { range: '0-3' }], [201]],
    requests: [
      'HEAD D',
      'POST uploads/',
      `PUT ${UP}&digest=D (10)`,
      `GET ${UP}`,
      `PUT ${UP}&digest=D 4-9 (6)`,
    ],
  },
  {
    title: 'N7: an upload with two locations has none',
    steps: [[404], [202, { location: [UP, 'http://127.0.0.1/'] }]],
    requests: ['HEAD D', 'POST uploads/'],
    fails: { code: 'ERR_REGISTRY_RESPONSE' },
  },
  {
    title: 'an upload without a location is an error',
    steps: [[404], [202]],
    requests: ['HEAD D', 'POST uploads/'],
    fails: { code: 'ERR_REGISTRY_RESPONSE' },
  },
  ...['http://169.254.169.254/up', 'http://registry.example/up', 'https://10.0.0.1/up'].map((location) => ({
    title: `S4: an upload does not go to ${location}`,
    steps: [[404], [202, { location }]] as const,
    requests: ['HEAD D', 'POST uploads/'],
    fails: { code: 'ERR_REGISTRY_REFUSED' },
  })),
  {
    title: 'S4: nor does the rest of one',
    transfer: CHUNKED,
    steps: [[404], BEGUN, [202, { location: 'http://169.254.169.254/up', range: '0-3' }], [204]],
    requests: ['HEAD D', 'POST uploads/', `PATCH ${UP} 0-3 (4)`, `DELETE ${UP}`],
    fails: { code: 'ERR_REGISTRY_REFUSED' },
  },
  {
    title: 'N2: a redirect gets the whole body again',
    steps: [[404], BEGUN, [307, { location: '/up/2' }], [201]],
    requests: ['HEAD D', 'POST uploads/', `PUT ${UP}&digest=D (10)`, 'PUT /up/2 (10)'],
  },
  {
    title: 'S9: a registry that names another digest has stored something else',
    steps: [[404], BEGUN, [201, { 'docker-content-digest': digestOf(utf8('other')) }], [204]],
    requests: ['HEAD D', 'POST uploads/', `PUT ${UP}&digest=D (10)`, `DELETE ${UP}`],
    fails: { name: 'DigestError', code: 'ERR_DIGEST_MISMATCH' },
  },
  {
    title: 'S9: a blob of another size is not the blob',
    steps: [[200, { 'content-length': '11' }]],
    requests: ['HEAD D'],
    fails: { name: 'DigestError', code: 'ERR_DIGEST_SIZE' },
  },
]

for (const { title, steps, requests, transfer = {}, mountFrom = [], outcome = 'pushed', fails } of PUSHES) {
  t.test(title, async (t) => {
    const server = await play(t, steps)
    const endpoint = openEndpoint(t, server.host, { transfer, retries: 2 })
    const pushing = pushBlob(endpoint, TEN.descriptor, bytesSource(TEN.bytes), { mountFrom })
    if (fails === undefined) t.equal(await pushing, outcome)
    else await t.rejects(pushing, fails)
    t.strictSame(server.requests, requests)
  })
}

t.test(
  'Q6: the largest chunk of the registry is sent, and a smaller one where that was too large',
  async (t) => {
    const { descriptor, bytes } = content(noise(300_000))
    const most = await play(t, [
      [404],
      [202, { location: '/up', 'oci-chunk-max-length': '200000' }],
      [202, { range: '0-199999' }],
      [201],
    ])
    await pushBlob(openEndpoint(t, most.host), descriptor, bytesSource(bytes))
    t.strictSame(most.requests.slice(2), [
      'PATCH /up 0-199999 (200000)',
      `PUT /up?digest=${encodeURIComponent(descriptor.digest)} 200000-299999 (100000)`,
    ])
    const tiny = await play(t, [
      [404],
      [202, { location: '/up', 'oci-chunk-max-length': '1' }],
      [202],
      [403],
      [204],
    ])
    await t.rejects(pushBlob(openEndpoint(t, tiny.host), descriptor, bytesSource(bytes)), {
      code: 'ERR_REGISTRY_DENIED',
    })
    t.equal(tiny.requests[2], 'PATCH /up 0-65535 (65536)', 'which is not believed to be next to nothing')

    const halved = await play(t, [[404], BEGUN, [413], [204, { range: '0-0' }], [202], [202], [201]])
    const transfer = { monolithicBytes: 0, chunkBytes: 250_000 }
    await pushBlob(openEndpoint(t, halved.host, { transfer }), descriptor, bytesSource(bytes))
    t.strictSame(halved.requests.slice(2, 6), [
      `PATCH ${UP} 0-249999 (250000)`,
      `GET ${UP}`,
      `PATCH ${UP} 0-124999 (125000)`,
      `PATCH ${UP} 125000-249999 (125000)`,
    ])
  },
)

t.test('Q8: a registry that keeps a byte of each chunk is not served for ever', async (t) => {
  const steps: Step[] = Array.from({ length: 100 }, (_, index) => [202, { range: `0-${index}` }])
  // The first byte counts as none, since that is how an empty upload is described.
  const server = await play(t, [[404], BEGUN, [202, { range: '0-1' }], ...steps.slice(2)])
  const endpoint = openEndpoint(t, server.host, { transfer: { monolithicBytes: 0, chunkBytes: 9 } })
  const { descriptor, bytes } = content(noise(100))
  await t.rejects(pushBlob(endpoint, descriptor, bytesSource(bytes)), { code: 'ERR_REGISTRY_LIMIT' })
  t.equal(server.requests.filter((request) => request.startsWith('PATCH')).length, 89, 'eight times the blob')
})

t.test('Q14: a registry that takes no empty blobs is told apart from others', async (t) => {
  const empty = content(new Uint8Array())
  const digest = empty.descriptor.digest
  const server = await play(t, [[404], BEGUN, [400], [404], [204], [404], BEGUN, [201]], digest)
  const push = () => pushBlob(openEndpoint(t, server.host), empty.descriptor, bytesSource(empty.bytes))
  await t.rejects(push(), { code: 'ERR_REGISTRY_REJECTED', status: 400, message: /refused an empty blob/ })
  t.equal(await push(), 'pushed')
  t.strictSame(server.requests.slice(-3), ['HEAD D', 'POST uploads/', `PUT ${UP}&digest=D`])
})

t.test('C7: the algorithm is announced where it is not sha256', async (t) => {
  const { descriptor, bytes } = content(TEN.bytes, 'application/octet-stream', 'sha512')
  const server = await play(t, [[404], BEGUN, [201]], descriptor.digest)
  await pushBlob(openEndpoint(t, server.host), descriptor, bytesSource(bytes))
  t.equal(server.requests[1], 'POST uploads/?digest-algorithm=sha512')
})

const whole = (extra: Readonly<Record<string, string | string[]>> = {}): Reply => [200, extra, TEN.bytes]
const part = (start: number, end: number, range = `bytes ${start}-${end - 1}/10`): Reply => [
  206,
  { 'content-range': range },
  TEN.bytes.subarray(start, end),
]
/** Announces ten bytes and sends a few of them. */
const broken = (status: number, start: number, end: number): Reply => [
  status,
  {
    'content-length': String(10 - start),
    ...(status === 206 ? { 'content-range': `bytes ${start}-9/10` } : {}),
  },
  TEN.bytes.subarray(start, end),
]

/** Pulls of ten bytes. */
const PULLS: readonly {
  readonly title: string
  readonly steps: readonly Step[]
  readonly requests: readonly string[]
  readonly transfer?: TransferOptions
  readonly fails?: { readonly name?: string; readonly code: string }
}[] = [
  { title: 'a blob comes whole', steps: [whole()], requests: ['GET D'] },
  {
    title: 'Q11: what broke is resumed by a closed range, whether or not that was advertised',
    steps: [broken(200, 0, 4), part(4, 10)],
    requests: ['GET D', 'GET D bytes=4-9'],
  },
  {
    title: 'Q11: a part that came in part is asked for again',
    steps: [broken(200, 0, 4), part(4, 6), part(6, 10, 'bytes 6-9/*')],
    requests: ['GET D', 'GET D bytes=4-9', 'GET D bytes=6-9'],
  },
  {
    title: 'Q11: a registry that ignores ranges is read from the beginning, once more',
    steps: [broken(200, 0, 4), whole()],
    requests: ['GET D', 'GET D bytes=4-9'],
  },
  {
    title: 'Q11: so is one that refuses them',
    steps: [broken(200, 0, 4), [416], whole()],
    requests: ['GET D', 'GET D bytes=4-9', 'GET D'],
  },
  ...(
    [
      ['another part', part(5, 10)],
      ['more than was asked for', part(4, 10, 'bytes 4-10/11')],
      ['a part of who knows what', [206, {}, TEN.bytes.subarray(4)]],
      ['two ranges', [206, { 'content-range': ['bytes 4-9/10', 'bytes 5-9/10'] }, TEN.bytes.subarray(4)]],
    ] as const
  ).map(([what, reply]) => ({
    title: `Q11 N7: ${what} is not gone on with`,
    steps: [broken(200, 0, 4), reply],
    requests: ['GET D', 'GET D bytes=4-9'],
    fails: { code: 'ERR_REGISTRY_RESPONSE' },
  })),
  {
    title: 'Q11: a part of another blob is not gone on with',
    steps: [broken(200, 0, 4), part(4, 10, 'bytes 4-9/11')],
    requests: ['GET D', 'GET D bytes=4-9'],
    fails: { name: 'DigestError', code: 'ERR_DIGEST_SIZE' },
  },
  {
    title: 'Q5: a digest of another algorithm says nothing',
    steps: [whole({ 'docker-content-digest': digestOf(TEN.bytes, 'sha512') })],
    requests: ['GET D'],
  },
  {
    title: 'S9: a digest of the same algorithm must be the one',
    steps: [whole({ 'docker-content-digest': digestOf(utf8('other')) })],
    requests: ['GET D'],
    fails: { name: 'DigestError', code: 'ERR_DIGEST_MISMATCH' },
  },
  {
    title: 'S9: the right header with the wrong body is the wrong body',
    steps: [[200, { 'docker-content-digest': TEN.descriptor.digest }, utf8('9876543210')]],
    requests: ['GET D'],
    fails: { name: 'DigestError', code: 'ERR_DIGEST_MISMATCH' },
  },
  {
    title: 'S9: too many bytes are an error',
    steps: [[200, { 'transfer-encoding': 'chunked' }, utf8('0123456789+')]],
    requests: ['GET D'],
    fails: { name: 'DigestError', code: 'ERR_DIGEST_SIZE' },
  },
  {
    title: 'S9: too many bytes that are announced are not read',
    steps: [[200, {}, utf8('0123456789+')]],
    requests: ['GET D'],
    fails: { name: 'DigestError', code: 'ERR_DIGEST_SIZE' },
  },
  {
    title: 'N7: a reply with two digests has none',
    steps: [whole({ 'docker-content-digest': [TEN.descriptor.digest, TEN.descriptor.digest] })],
    requests: ['GET D'],
    fails: { code: 'ERR_REGISTRY_RESPONSE' },
  },
]

for (const { title, steps, requests, transfer = {}, fails } of PULLS) {
  t.test(title, async (t) => {
    const server = await play(t, steps)
    const endpoint = openEndpoint(t, server.host, { transfer, retries: 2 })
    const pulling = collect(blobSource([endpoint], TEN.descriptor))
    if (fails === undefined) t.strictSame(Buffer.from(await pulling), Buffer.from(TEN.bytes))
    else await t.rejects(pulling, fails)
    t.strictSame(server.requests, requests)
  })
}

t.test('Q11: bytes that come again and again are counted', async (t) => {
  const steps = Array.from({ length: 12 }, () => broken(200, 0, 9))
  const server = await play(t, steps)
  const endpoint = openEndpoint(t, server.host, { retries: 11 })
  await t.rejects(collect(blobSource([endpoint], TEN.descriptor)), { code: 'ERR_REGISTRY_LIMIT' })
  t.equal(server.requests.length, 4, 'twice the blob in vain is enough')
})

t.test('N6: bodies that nobody wants do not hold a place', async (t) => {
  const page = utf8('<html>'.repeat(100_000))
  const steps: Step[] = Array.from({ length: 6 }, () => [404, {}, page])
  const server = await play(t, steps)
  const endpoint = openEndpoint(t, server.host, { concurrency: 1 })
  for (const _ of steps.slice(0, 3)) t.notOk(await hasBlob(endpoint, TEN.descriptor))
  for (const _ of steps.slice(3)) {
    await t.rejects(collect(blobSource([endpoint], TEN.descriptor)), { code: 'ERR_REGISTRY_NOT_FOUND' })
  }
})
