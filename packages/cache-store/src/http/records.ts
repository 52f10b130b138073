/**
 * Records at `ac/<sha256 in hexadecimal>`.
 *
 * @module
 */
import { algorithmOf, bytesSource, type Digest, digestOf, hexOf } from '@varve/digest'
import type { ActionRecord, Scope } from '../action-index.ts'
import type { StoreOptions } from '../blob-store.ts'
import { joined } from '../chunks.ts'
import { CacheStoreError } from '../errors.ts'
import type { RecordFiles } from '../record-index.ts'
import { decodeRecord } from '../record.ts'
import { encodeActionResult, MAX_ACTION_RESULT, type OutputFile, recordOf } from './action-result.ts'
import type { Server, WriteOutcome } from './server.ts'

/** Separates our entries from those of every other program that uses the server. */
const DOMAIN = 'varve/cache-store/http/action/1'

/**
 * The records of a server.
 *
 * The protocol has no write that fails if there is an entry already: two processes that record different results at the
 * same moment may both be told `created`, and the later one stays. Servers that honour `If-None-Match` are better.
 */
export function createHttpRecords(server: Server, sizeOfBlob: SizeOfBlob): RecordFiles {
  const turns = new Map<string, Promise<unknown>>()

  const write = async (
    path: string,
    scope: Scope,
    key: Digest,
    bytes: Uint8Array,
    create: boolean,
    { signal }: StoreOptions,
  ): Promise<WriteOutcome> => {
    const record = decodeRecord(bytes, key, scope)
    const files = record === undefined ? [] : await filesOf(record, sizeOfBlob, signal)
    const source = bytesSource(encodeActionResult(files, bytes))
    const outcome = await server.write(path, source, { create, signal })
    if (outcome === 'skipped') throw skipped(path)
    return outcome
  }

  return {
    read: async (scope, key, { signal } = {}) => {
      const message = await server.read(pathOf(scope, key), MAX_ACTION_RESULT, signal)
      return message && recordOf(message)
    },

    create: (scope, key, bytes, options = {}) => {
      const path = pathOf(scope, key)
      return inTurn(turns, path, options.signal, async () => {
        // Asked first, so that nothing is asked for the sake of a write that will not be made.
        if (server.isReadOnly()) throw skipped(path)
        if ((await server.size(path, options.signal)) !== undefined) return false
        return (await write(path, scope, key, bytes, true, options)) === 'written'
      })
    },

    replace: (scope, key, bytes, options = {}) => {
      const path = pathOf(scope, key)
      return inTurn(turns, path, options.signal, async () => {
        if (server.isReadOnly()) throw skipped(path)
        await write(path, scope, key, bytes, false, options)
      })
    },
  }
}

/** Tells how long a blob on the server is. */
export type SizeOfBlob = (digest: Digest, signal?: AbortSignal) => Promise<number | undefined>

/**
 * What the server is to keep with the record. Left out is what it cannot have, being named by another algorithm than
 * sha256, and a key document that it has not got, whose size nobody knows here: the record itself names both.
 */
async function filesOf(
  { keyDoc, outputs }: ActionRecord,
  sizeOfBlob: SizeOfBlob,
  signal: AbortSignal | undefined,
): Promise<OutputFile[]> {
  const files = outputs.map(({ digest, size }, number) => ({ path: `output-${number}`, digest, size }))
  const size = isSha256(keyDoc) ? await sizeOfBlob(keyDoc, signal) : undefined
  const all = size === undefined ? files : [{ path: 'key-document', digest: keyDoc, size }, ...files]
  return all.filter((file) => isSha256(file.digest))
}

/** Length-framed, so that no scope and key are another pair's. */
function pathOf(scope: Scope, key: Digest): string {
  const parts = [DOMAIN, scope, key].map((part) => new TextEncoder().encode(part))
  const framed = parts.flatMap((part) => {
    const length = new Uint8Array(8)
    new DataView(length.buffer).setBigUint64(0, BigInt(part.byteLength))
    return [length, part]
  })
  return `ac/${hexOf(digestOf(joined(framed)))}`
}

/** Writers of this process, at least, do not race. */
async function inTurn<T>(
  turns: Map<string, Promise<unknown>>,
  path: string,
  signal: AbortSignal | undefined,
  task: () => Promise<T>,
): Promise<T> {
  const before = turns.get(path) ?? Promise.resolve()
  const turn = settled(before, signal).then(task)
  // Who gives up waiting does not let the next one in.
  const both = Promise.allSettled([before, turn])
  turns.set(path, both)
  try {
    return await turn
  } finally {
    void both.then(() => turns.get(path) === both && turns.delete(path))
  }
}

/** Waits for a promise, whatever becomes of it, or rejects with the reason of the signal. */
function settled(promise: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal?.reason as Error)
    signal?.addEventListener('abort', onAbort, { once: true })
    void promise
      .catch(() => undefined)
      .finally(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
  })
}

/** What an index answers `skipped` to. */
function skipped(path: string): CacheStoreError {
  return new CacheStoreError('ERR_CACHE_STORE_FULL', `${path} was not written`)
}

function isSha256(digest: Digest): boolean {
  return algorithmOf(digest) === 'sha256'
}
