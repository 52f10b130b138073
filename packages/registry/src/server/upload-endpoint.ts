/**
 * Uploads: `/v2/<name>/blobs/uploads/`, distribution-spec, "Pushing blobs".
 *
 * @module
 */
import { type Digest, DigestError, isDigest, OCI_ALGORITHMS } from '@varve/digest'
import { isRepositoryName } from '../repository-name.ts'
import { bodyOf, lengthOf } from './body.ts'
import { parseChunkRange } from './byte-range.ts'
import type { Context } from './context.ts'
import { Fault } from './fault.ts'
import { digestOrFault, type RouteOf } from './route.ts'
import { outOfOrder, type Upload, uploadHeaders } from './uploads.ts'

/** POST: begins an upload, does all of it when there is `digest`, or none of it when `mount` succeeds. */
export async function startUpload(
  context: Context,
  request: Request,
  route: RouteOf<'uploads'>,
): Promise<Response> {
  const { repository } = route
  const query = new URL(request.url).searchParams
  const algorithm = query.get('digest-algorithm')
  if (algorithm !== null && !(OCI_ALGORITHMS as readonly string[]).includes(algorithm)) {
    throw new Fault(400, 'UNSUPPORTED', `Unsupported digest algorithm: ${JSON.stringify(algorithm)}`)
  }
  const mounted = await mount(context, repository, query.get('mount'), query.get('from'))
  if (mounted !== undefined) return created(repository, mounted)
  const text = query.get('digest')
  const digest = text === null ? undefined : digestOrFault(text)
  const upload = await context.uploads.start(repository)
  if (digest === undefined) return new Response(null, { status: 202, headers: uploadHeaders(upload) })
  try {
    return await context.uploads.exclusive(upload, async () => {
      await upload.append(bodyOf(request), lengthOf(request))
      return finish(context, upload, digest)
    })
  } finally {
    // Nobody knows its id, so whatever is left of it can never be resumed.
    await upload.abort()
  }
}

/** PATCH: a chunk with a range, or a stream without one. */
export async function appendChunk(
  context: Context,
  request: Request,
  route: RouteOf<'upload'>,
): Promise<Response> {
  const upload = context.uploads.find(route.repository, route.id)
  await context.uploads.exclusive(upload, () => appendBody(upload, request))
  return new Response(null, { status: 202, headers: uploadHeaders(upload) })
}

/** PUT: the last chunk or the whole blob, if it has a body, and the end. */
export async function finishUpload(
  context: Context,
  request: Request,
  route: RouteOf<'upload'>,
): Promise<Response> {
  const upload = context.uploads.find(route.repository, route.id)
  const digest = digestOrFault(new URL(request.url).searchParams.get('digest'))
  return context.uploads.exclusive(upload, async () => {
    await appendBody(upload, request)
    return finish(context, upload, digest)
  })
}

/** GET: how far it got. */
export function uploadStatus(context: Context, route: RouteOf<'upload'>): Response {
  const { 'Content-Length': _, ...headers } = uploadHeaders(context.uploads.find(route.repository, route.id))
  return new Response(null, { status: 204, headers })
}

/** DELETE: throws it away. */
export async function cancelUpload(context: Context, route: RouteOf<'upload'>): Promise<Response> {
  await context.uploads.find(route.repository, route.id).abort()
  return new Response(null, { status: 204 })
}

async function appendBody(upload: Upload, request: Request): Promise<void> {
  const length = lengthOf(request)
  const header = request.headers.get('content-range')
  if (header === null) return upload.append(bodyOf(request), length)
  const range = parseChunkRange(header)
  if (range === undefined || range.start !== upload.offset) {
    throw outOfOrder(upload, `The next chunk begins at ${upload.offset}`)
  }
  const size = range.end - range.start
  if (length !== undefined && length !== size) {
    throw new Fault(400, 'SIZE_INVALID', `A range of ${size} bytes, a body of ${length}`)
  }
  await upload.append(bodyOf(request), size)
}

async function finish(context: Context, upload: Upload, digest: Digest): Promise<Response> {
  const { repository } = upload
  try {
    const { size } = await upload.commit(digest)
    await context.catalog.blobs.add(repository, { digest, size })
  } catch (error) {
    if (error instanceof DigestError) throw new Fault(400, 'DIGEST_INVALID', error.message)
    throw error
  }
  return created(repository, digest)
}

/** Adds a blob of another repository to this one, where the caller may read it there. */
async function mount(
  context: Context,
  repository: string,
  digest: string | null,
  from: string | null,
): Promise<Digest | undefined> {
  if (!isDigest(digest) || from === null || !isRepositoryName(from)) return undefined
  if (!(await context.mayPull(from))) return undefined
  const row = await context.catalog.blobs.get(from, digest)
  if (row === undefined || (await context.blobs.missing([digest])).size > 0) return undefined
  await context.catalog.blobs.add(repository, row)
  return digest
}

function created(repository: string, digest: Digest): Response {
  return new Response(null, {
    status: 201,
    headers: {
      Location: `/v2/${repository}/blobs/${digest}`,
      'Docker-Content-Digest': digest,
      'Content-Length': '0',
    },
  })
}
