/** Lists of tags, of registries with manners and without. */
import t from 'tap'
import { image, memoryHandler, openClient, startRaw, startRegistry, type Teardown, utf8 } from './fixtures.ts'
import { bytesSource } from '@varve/digest'

/** A page, and what it links to. */
interface Page {
  readonly tags: readonly unknown[] | null
  readonly link?: string
  readonly status?: number
}

/** Lists the tags of a server that answers with pages. */
async function listFrom(
  t: Teardown,
  answer: (query: URLSearchParams, count: number) => Page,
): Promise<{ readonly tags: readonly string[]; readonly queries: readonly string[] }> {
  const queries: string[] = []
  const host = await startRaw(t, (request, response) => {
    const { searchParams, search } = new URL(request.url ?? '', 'http://x')
    queries.push(search)
    const { tags, link, status = 200 } = answer(searchParams, queries.length)
    const headers = link === undefined ? {} : { link: `<${link}>; rel="next"` }
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify({ name: 'x', tags }))
  })
  const found: string[] = []
  for await (const tag of openClient(t, { retries: 0 }).repository(`${host}/x`).tags()) found.push(tag)
  return { tags: found, queries }
}

t.test('C15: links are followed, however short the pages are', async (t) => {
  const { tags, queries } = await listFrom(t, (query) =>
    query.get('page') === null
      ? { tags: ['a'], link: '/v2/x/tags/list?page=2' }
      : query.get('page') === '2'
        ? { tags: [], link: 'list?page=3' }
        : { tags: ['b', 'c'] },
  )
  t.strictSame(tags, ['a', 'b', 'c'])
  t.strictSame(queries, ['?n=1000', '?page=2', '?page=3'], 'and nothing is asked beyond the last')
})

t.test('C15: without links, a short page is not the end', async (t) => {
  const all = Array.from({ length: 25 }, (_, number) => `v${String(number).padStart(2, '0')}`)
  const { tags, queries } = await listFrom(t, (query) => {
    const last = query.get('last')
    // A registry that caps its pages at ten, and says nothing of it.
    return { tags: all.filter((tag) => last === null || tag > last).slice(0, 10) }
  })
  t.strictSame(tags, all)
  t.strictSame(queries, ['?n=1000', '?n=1000&last=v09', '?n=1000&last=v19', '?n=1000&last=v24'])
})

t.test('Q13: never asks for more than 1000 tags, takes null for none, and gives each once', async (t) => {
  t.strictSame((await listFrom(t, () => ({ tags: null }))).tags, [])
  const repeated = await listFrom(t, (query) => ({
    tags: query.get('last') === null ? ['a', 'b'] : ['b', 'c'],
  }))
  t.strictSame(repeated.tags, ['a', 'b', 'c'])
  const whole = await listFrom(t, () => ({ tags: ['b', 'a'] }))
  t.strictSame(whole.tags, ['b', 'a'], 'a registry that knows no pages')
  t.equal(whole.queries.length, 2)
  for (const status of [400, 404]) {
    const picky = await listFrom(t, (query) => (query.has('last') ? { tags: null, status } : { tags: ['a'] }))
    t.strictSame(picky.tags, ['a'], 'or does not like to be asked')
  }
})

t.test('S5: links that lead away or in circles, and lists without end', async (t) => {
  const rejected: readonly (readonly [why: string, answer: (count: number) => Page, code: string])[] = [
    [
      'another host',
      () => ({ tags: ['a'], link: 'https://evil.example/v2/x/tags/list' }),
      'ERR_REGISTRY_REFUSED',
    ],
    [
      'another port',
      () => ({ tags: ['a'], link: 'http://127.0.0.1:1/v2/x/tags/list' }),
      'ERR_REGISTRY_REFUSED',
    ],
    [
      'the metadata service',
      () => ({ tags: ['a'], link: 'http://169.254.169.254/' }),
      'ERR_REGISTRY_REFUSED',
    ],
    ['a circle', () => ({ tags: ['a'], link: '/v2/x/tags/list?page=1' }), 'ERR_REGISTRY_LIMIT'],
    [
      'without end',
      (count) => ({ tags: [`v${count}`], link: `/v2/x/tags/list?page=${count}` }),
      'ERR_REGISTRY_LIMIT',
    ],
    ['without end or links', (count) => ({ tags: [`v${count}`] }), 'ERR_REGISTRY_LIMIT'],
  ]
  for (const [why, answer, code] of rejected) {
    await t.rejects(
      listFrom(t, (_, count) => answer(count)),
      { code },
      why,
    )
  }
})

t.test('a list that holds something else', async (t) => {
  for (const tags of [[7], ['../x'], ['a', null], ['a\nb'], [''], ['x'.repeat(129)]]) {
    await t.rejects(
      listFrom(t, () => ({ tags })),
      { code: 'ERR_REGISTRY_RESPONSE' },
      JSON.stringify(tags).slice(0, 40),
    )
  }
})

t.test('lists what our own server has, page by page, and says if there is nothing to list', async (t) => {
  const { port } = await startRegistry(t, memoryHandler({ limits: { pageEntries: 3 } }))
  const repository = openClient(t).repository(`127.0.0.1:${port}/x`)
  const list = async (): Promise<readonly string[]> => {
    const found: string[] = []
    for await (const tag of repository.tags()) found.push(tag)
    return found
  }
  await t.rejects(list(), { code: 'ERR_REGISTRY_NOT_FOUND' })
  const made = image([utf8('x')])
  for (const { descriptor, bytes } of made.blobs) await repository.write(descriptor, bytesSource(bytes))
  t.strictSame(await list(), [])
  const names = Array.from({ length: 8 }, (_, number) => `v${number}`)
  await repository.tag(names, made.descriptor, made.bytes)
  t.strictSame(await list(), names)
  for await (const first of repository.tags()) {
    t.equal(first, 'v0')
    break
  }
})
