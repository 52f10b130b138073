/**
 * Blobs on their way to the bucket.
 *
 * @module
 */
import { algorithmOf, type ByteSource, type Digest, digestOf, hexOf, verify, withSignal } from '@varve/digest'
import type { PutOutcome } from '../blob-store.ts'
import { pause } from '../pause.ts'
import type { RequestBody } from './attempt.ts'
import { kindOf, wasRetried } from './failure.ts'
import { type MultipartSettings, UploadConflict, uploadParts } from './multipart.ts'
import { partsOf } from './parts.ts'
import { bodyOf } from './small.ts'

/** How blobs are uploaded. */
export interface UploadSettings extends MultipartSettings {
  readonly partSize: number
  readonly attempts: number
  /** Whether a key may be created under a condition. */
  readonly mayCreate: () => boolean
}

/** What is uploaded. */
export interface UploadTask {
  readonly key: string
  readonly digest: Digest
  readonly source: ByteSource
  /** Something is there that is known to be wrong. */
  readonly overwrite: boolean
  readonly signal?: AbortSignal | undefined
}

/** Up to here a blob is collected before it is sent, so that another try needs nothing from its source. */
const COLLECTED = 1024 * 1024

/** Up to here it is sent by one request, whose signature covers it whole. */
const SINGLE = 64 * 1024 * 1024

/** A pause before the parts are sent again. */
const PAUSE_MS = 200

/**
 * Uploads bytes while it verifies them. What does not turn out to be right is never complete.
 *
 * @throws {DigestError} `ERR_DIGEST_MISMATCH`, `ERR_DIGEST_SIZE`
 */
export async function upload(settings: UploadSettings, task: UploadTask): Promise<PutOutcome> {
  const { digest, source } = task
  const { size } = source
  if (algorithmOf(digest) === 'sha256' && size !== undefined && size > COLLECTED && size <= SINGLE)
    return uploadStream(settings, task, size)
  for (let tried = 1; ; tried += 1) {
    try {
      return await uploadCollected(settings, task)
    } catch (error) {
      if (!(error instanceof UploadConflict)) throw error
      if (tried >= settings.attempts) throw error.cause ?? error
      await pause(PAUSE_MS * tried * (0.5 + Math.random()), task.signal)
    }
  }
}

async function uploadStream(settings: UploadSettings, task: UploadTask, size: number): Promise<PutOutcome> {
  const { digest, source } = task
  // The last chunk is withheld until all are proven, so a wrong body is never whole.
  const bytes = (signal: AbortSignal): AsyncIterable<Uint8Array> =>
    verify(source.open({ signal }), { digest, size })
  const body = { size, sha256: hexOf(digest), source: bytes }
  return create(settings, task, body)
}

async function uploadCollected(settings: UploadSettings, task: UploadTask): Promise<PutOutcome> {
  const { key, digest, source, overwrite, signal } = task
  const verified = verify(stoppable(source, signal), { digest, size: source.size })
  const parts = partsOf(verified, settings.partSize, source.size)
  try {
    const first = await parts.next()
    const second = await parts.next()
    if (first.done) return 'existed'
    if (!second.done) {
      const all = chained([first.value, second.value], parts)
      return await uploadParts(settings, all, { key, overwrite, signal })
    }
    const { bytes } = first.value
    const body = bodyOf(bytes, hexOf(algorithmOf(digest) === 'sha256' ? digest : digestOf(bytes)))
    return await create(settings, task, body)
  } finally {
    await parts.return()
  }
}

/** One request. That the key is taken is as good as to have stored it, whoever has. */
async function create(
  { objects, mayCreate }: UploadSettings,
  { key, overwrite, signal }: UploadTask,
  body: RequestBody,
): Promise<PutOutcome> {
  try {
    const condition = !overwrite && mayCreate() ? 'absent' : undefined
    const tag = await objects.write(key, body, condition, withSignal(signal))
    return tag === undefined ? 'existed' : 'stored'
  } catch (error) {
    // An earlier try may have come through, and its answer been lost.
    if (kindOf(error) === 'condition' && wasRetried(error)) return 'stored'
    throw error
  }
}

/** Also by a signal that the source knows nothing of. */
async function* stoppable(
  source: ByteSource,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of source.open(withSignal(signal))) {
    signal?.throwIfAborted()
    yield chunk
  }
}

async function* chained<Item>(
  first: Iterable<Item>,
  rest: AsyncIterable<Item>,
): AsyncGenerator<Item, void, void> {
  yield* first
  yield* rest
}
