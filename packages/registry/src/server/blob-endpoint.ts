/**
 * Blobs: GET, HEAD and DELETE of `/v2/<name>/blobs/<digest>`.
 *
 * @module
 */
import { withSignal } from '@varve/digest'
import { streamOf } from './body.ts'
import { parseRange } from './byte-range.ts'
import type { Context } from './context.ts'
import { Fault } from './fault.ts'
import type { RouteOf } from './route.ts'

/** Sends a blob, or the part that `Range` asks for. A whole blob is verified on its way: a damaged one is cut off. */
export async function getBlob(context: Context, request: Request, route: RouteOf<'blob'>): Promise<Response> {
  const { repository, digest } = route
  const row = await context.catalog.blobs.get(repository, digest)
  const source = row && (await context.blobs.get(digest, withSignal(request.signal)))
  if (row === undefined || source === undefined) throw unknownBlob(digest)
  const etag = `"${digest}"`
  const headers = {
    'Accept-Ranges': 'bytes',
    'Content-Type': 'application/octet-stream',
    'Docker-Content-Digest': digest,
    ETag: etag,
  }
  if (request.method === 'HEAD') {
    return new Response(null, { headers: { ...headers, 'Content-Length': String(row.size) } })
  }
  const condition = request.headers.get('if-range')
  const asked = condition === null || condition === etag ? request.headers.get('range') : null
  const range = parseRange(asked, row.size)
  if (range === 'unsatisfiable') {
    const detail = { headers: { 'Content-Range': `bytes */${row.size}` } }
    throw new Fault(416, 'SIZE_INVALID', `The blob has ${row.size} bytes`, detail)
  }
  const body = streamOf(source.open({ ...range, ...withSignal(request.signal) }), context.report)
  if (range === undefined) {
    return new Response(body, { headers: { ...headers, 'Content-Length': String(row.size) } })
  }
  return new Response(body, {
    status: 206,
    headers: {
      ...headers,
      'Content-Length': String(range.end - range.start),
      'Content-Range': `bytes ${range.start}-${range.end - 1}/${row.size}`,
    },
  })
}

/** Takes a blob out of the repository. Its bytes stay until the store's garbage collection finds them unused. */
export async function deleteBlob(context: Context, route: RouteOf<'blob'>): Promise<Response> {
  const { repository, digest } = route
  const row = await context.catalog.blobs.remove(repository, digest)
  if (row === undefined) throw unknownBlob(digest)
  context.quota.removed(repository, row.size)
  return new Response(null, { status: 202, headers: { 'Content-Length': '0' } })
}

function unknownBlob(digest: string): Fault {
  return new Fault(404, 'BLOB_UNKNOWN', 'The blob is not in this repository', { detail: { digest } })
}
