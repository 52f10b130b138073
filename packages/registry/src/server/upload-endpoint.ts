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
import { overQuota } from './quota.ts'
import { outOfOrder, type Upload, uploadHeaders } from './uploads.ts'

/**
 * POST: begins an upload, does all of it when there is `digest`, or none of it when `mount` succeeds.
 *
 * A mount without `from` takes the blob from any repository that the caller may read: distribution-spec, "Mounting a
 * blob from another repository".
 */
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
  await context.quota.room(repository, lengthOf(request) ?? 0)
  const upload = await context.uploads.start(repository)
  if (digest === undefined) return new Response(null, { status: 202, headers: uploadHeaders(upload) })
  try {
    return await context.uploads.exclusive(upload, async () => {
      await append(context, upload, request, lengthOf(request))
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
  const upload = await context.uploads.find(route.repository, route.id)
  await context.uploads.exclusive(upload, () => appendBody(context, upload, request))
  return new Response(null, { status: 202, headers: uploadHeaders(upload) })
}

/** PUT: the last chunk or the whole blob, if it has a body, and the end. */
export async function finishUpload(
  context: Context,
  request: Request,
  route: RouteOf<'upload'>,
): Promise<Response> {
  const upload = await context.uploads.find(route.repository, route.id)
  const digest = digestOrFault(new URL(request.url).searchParams.get('digest'))
  return context.uploads.exclusive(upload, async () => {
    await appendBody(context, upload, request)
    return finish(context, upload, digest)
  })
}

/** GET: how far it got. */
export async function uploadStatus(context: Context, route: RouteOf<'upload'>): Promise<Response> {
  const upload = await context.uploads.find(route.repository, route.id)
  const { 'Content-Length': _, ...headers } = uploadHeaders(upload)
  return new Response(null, { status: 204, headers })
}

/** DELETE: throws it away. */
export async function cancelUpload(context: Context, route: RouteOf<'upload'>): Promise<Response> {
  const upload = await context.uploads.find(route.repository, route.id)
  await upload.abort()
  return new Response(null, { status: 204 })
}

async function appendBody(context: Context, upload: Upload, request: Request): Promise<void> {
  const length = lengthOf(request)
  const header = request.headers.get('content-range')
  if (header === null) return append(context, upload, request, length)
  const range = parseChunkRange(header)
  if (range === undefined || range.start !== upload.offset) {
    throw outOfOrder(upload, `The next chunk begins at ${upload.offset}`)
  }
  const size = range.end - range.start
  if (length !== undefined && length !== size) {
    throw new Fault(400, 'SIZE_INVALID', `A range of ${size} bytes, a body of ${length}`)
  }
  await append(context, upload, request, size)
}

/** Refuses before it reads what is announced and does not fit. */
async function append(
  { quota }: Context,
  upload: Upload,
  request: Request,
  length: number | undefined,
): Promise<void> {
  const room = await quota.room(upload.repository, upload.offset + (length ?? 0))
  const body = bodyOf(request)
  // What is announced is held to what it says anyway.
  await upload.append(length === undefined ? within(body, room - upload.offset) : body, length)
}

async function* within(
  body: AsyncIterable<Uint8Array>,
  room: number,
): AsyncGenerator<Uint8Array, void, void> {
  let left = room
  for await (const chunk of body) {
    left -= chunk.byteLength
    if (left < 0) throw overQuota('There is no room for so many bytes')
    yield chunk
  }
}

async function finish(context: Context, upload: Upload, digest: Digest): Promise<Response> {
  const { repository, offset } = upload
  const { catalog, quota, underLease, now } = context
  try {
    const known = await catalog.blobs.get(repository, digest)
    await quota.adding(repository, known === undefined ? offset : 0, () =>
      underLease(async () => {
        const { size } = await upload.commit(digest)
        return catalog.blobs.add(repository, { digest, size, at: now() })
      }),
    )
  } catch (error) {
    // What does not fit now will not fit later, and its bytes take room.
    if (error instanceof Fault && error.status === 403) await upload.abort()
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
  if (!isDigest(digest) || (from !== null && !isRepositoryName(from))) return undefined
  const { catalog, blobs, quota, underLease, now } = context
  const sources = from === null ? await catalog.names.holders(digest) : [from]
  for (const source of sources) {
    const row = await catalog.blobs.get(source, digest)
    if (row === undefined || !(await context.mayPull(source))) continue
    const isDone = await underLease(async () => {
      if ((await blobs.missing([digest])).size > 0) return false
      const known = await catalog.blobs.get(repository, digest)
      await quota.adding(repository, known === undefined ? row.size : 0, () =>
        catalog.blobs.add(repository, { digest, size: row.size, at: now() }),
      )
      return true
    })
    if (isDone) return digest
  }
  return undefined
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
