/**
 * What a client does to a server that may die, what it knows of it, and what has to be true afterwards.
 *
 * @module
 */
import { digestOf } from '@varve/digest'
import { content, type Content, type Image, image, noise } from './server-fixtures.ts'

/** One exchange, with the whole body of the answer. */
export type Send = (
  method: string,
  path: string,
  body?: Uint8Array,
  headers?: Readonly<Record<string, string>>,
) => Promise<Response>

/** What a client learned from answers, and has to find again whatever happens to the server. */
export interface Knowledge {
  /** Blobs, manifests and tags that were acknowledged to be there, or to be deleted. */
  readonly acknowledged: Map<string, 'there' | 'deleted'>
  /** Where the upload of a blob is. */
  readonly locations: Map<string, string>
}

/** What is pushed: an image, one that refers to it, and one that is deleted afterwards. */
export interface Things {
  readonly image: Image
  readonly referrer: Image
  readonly doomed: Image
}

export function newThings(): Things {
  const pushed = image([noise(200_000)])
  const bom = content(noise(100))
  const referrer = image([bom.bytes], { subject: pushed.descriptor })
  return { image: pushed, referrer, doomed: image([noise(1000)]) }
}

export function newKnowledge(): Knowledge {
  return { acknowledged: new Map(), locations: new Map() }
}

/** Pushes and deletes; goes on from what is known. Fails if an answer is not as it should be. */
export async function work(send: Send, knowledge: Knowledge, things: Things): Promise<void> {
  const { acknowledged } = knowledge
  for (const each of [...things.image.blobs, ...things.referrer.blobs, ...things.doomed.blobs]) {
    await pushBlob(send, each, knowledge)
  }
  const doomed = `/v2/r/manifests/${things.doomed.descriptor.digest}`
  for (const [reference, pushed] of [
    ['doomed', things.doomed],
    ['v1', things.image],
    [things.referrer.descriptor.digest, things.referrer],
  ] as const) {
    const path = `/v2/r/manifests/${reference}`
    if (acknowledged.has(path)) continue
    const headers = { 'content-type': pushed.descriptor.mediaType }
    expect(await send('PUT', path, pushed.bytes, headers), 201)
    acknowledged.set(path, 'there')
    acknowledged.set(`/v2/r/manifests/${pushed.descriptor.digest}`, 'there')
  }
  if (acknowledged.get(doomed) === 'deleted') return
  // Until the answer it may be there or not.
  const tag = '/v2/r/manifests/doomed'
  for (const path of [doomed, tag]) acknowledged.delete(path)
  expect(await send('DELETE', doomed), 202, 404)
  for (const path of [doomed, tag]) acknowledged.set(path, 'deleted')
}

/** In two chunks; goes on where an upload stands, and begins again where there is none. */
async function pushBlob(send: Send, { bytes, descriptor }: Content, knowledge: Knowledge): Promise<void> {
  const { acknowledged, locations } = knowledge
  const path = `/v2/r/blobs/${descriptor.digest}`
  if (acknowledged.has(path)) return
  const known = locations.get(path)
  const status = known === undefined ? undefined : await send('GET', known)
  const isOpen = status?.status === 204
  let offset = isOpen ? Number(status.headers.get('range')?.split('-')[1]) + 1 : 0
  const begun = isOpen ? undefined : await send('POST', '/v2/r/blobs/uploads/')
  const where = begun?.headers.get('location') ?? known ?? ''
  locations.set(path, where)
  for (const end of [Math.ceil(bytes.byteLength / 2), bytes.byteLength]) {
    if (offset >= end) continue
    const headers = { 'content-range': `${offset}-${end - 1}` }
    expect(await send('PATCH', where, bytes.subarray(offset, end), headers), 202)
    offset = end
  }
  expect(await send('PUT', `${where}?digest=${descriptor.digest}`), 201)
  acknowledged.set(path, 'there')
}

function expect(response: Response, ...statuses: readonly number[]): void {
  if (!statuses.includes(response.status)) throw new Error(`Answered ${response.status}`)
}

/** What is wrong: bytes that are not what was asked for, acknowledged things that are not so, tags that lead nowhere. */
export async function findWrong(send: Send, { acknowledged }: Knowledge, things: Things): Promise<string[]> {
  const everything = [things.image, things.referrer, things.doomed].flatMap((each) => [
    ...each.blobs.map(({ descriptor }) => `/v2/r/blobs/${descriptor.digest}`),
    `/v2/r/manifests/${each.descriptor.digest}`,
  ])
  const wrong: string[] = []
  for (const path of new Set([...everything, ...acknowledged.keys()])) {
    const response = await send('GET', path)
    const expected = acknowledged.get(path)
    if (expected === 'there' && response.status !== 200) wrong.push(`${path} is lost: ${response.status}`)
    if (expected === 'deleted' && response.status !== 404) wrong.push(`${path} is back: ${response.status}`)
    const digest = path.slice(path.lastIndexOf('/') + 1)
    if (response.status !== 200 || !digest.includes(':')) continue
    if (digestOf(new Uint8Array(await response.arrayBuffer())) !== digest) wrong.push(`${path} is bad`)
  }
  const list = await send('GET', '/v2/r/tags/list')
  const { tags } = (list.status === 200 ? await list.json() : { tags: [] }) as { readonly tags: string[] }
  for (const tag of tags) {
    if ((await send('GET', `/v2/r/manifests/${tag}`)).status !== 200) wrong.push(`${tag} leads nowhere`)
  }
  const referrers = await send('GET', `/v2/r/referrers/${things.image.descriptor.digest}`)
  const { manifests } = (await referrers.json()) as { readonly manifests: unknown[] }
  const isReferrer = acknowledged.has(`/v2/r/manifests/${things.referrer.descriptor.digest}`)
  if (isReferrer && manifests.length !== 1) wrong.push('the referrer is not listed')
  return wrong
}

/** How many uploads stand where they stood. */
export async function countOpen(send: Send, { acknowledged, locations }: Knowledge): Promise<number> {
  let count = 0
  for (const [path, where] of locations) {
    if (!acknowledged.has(path) && (await send('GET', where)).status === 204) count += 1
  }
  return count
}
