/**
 * Blobs of several tiers as those of one store.
 *
 * @module
 */
import { type ByteSource, type Digest, withSignal } from '@varve/digest'
import type { BlobStore, Ingest, PutOutcome } from '../../blob-store.ts'
import { isEmptyDigest } from '../../empty-blob.ts'
import { isLoss, isUnwritable, isWrongBytes } from '../failure.ts'
import { WatchedSource } from '../watched-source.ts'
import type { TierEvent } from './events.ts'
import type { First } from './first.ts'
import type { Remote } from './remote.ts'
import type { Writer } from './writer.ts'

/** Where a blob was found, counted from the first tier below, and how to read it. */
interface Found {
  readonly at: number
  readonly source: ByteSource
}

/** Reads from the first tier that has a blob, and keeps it in the first of all. */
export function createTieredBlobs(
  first: First,
  remotes: readonly Remote[],
  writer: Writer,
  tell: (event: TierEvent) => void,
): BlobStore {
  const near = first.store.blobs

  const getNear = (digest: Digest, signal: AbortSignal | undefined): Promise<ByteSource | undefined> =>
    first.ask('get', signal, () => near.get(digest, withSignal(signal)), undefined)

  /** Looks in the tiers below, from the one at `from`. */
  const find = async (digest: Digest, from: number, signal?: AbortSignal): Promise<Found | undefined> => {
    for (const [at, remote] of remotes.entries()) {
      if (at < from) continue
      const below = await remote.get(digest, signal)
      const source = below && (await fill(remote, digest, below, signal))
      if (source === undefined) continue
      tell({ type: 'found', tier: remote.name, what: 'blob', digest })
      return { at, source }
    }
    return undefined
  }

  /**
   * Copies a blob into the first tier, which verifies it as it does any other, and gives it from there; straight from
   * below if the first one has no room. `undefined` if the bytes below cannot be had, or are wrong.
   */
  const fill = async (
    remote: Remote,
    digest: Digest,
    below: ByteSource,
    signal: AbortSignal | undefined,
  ): Promise<ByteSource | undefined> => {
    const watched = new WatchedSource(remote.paced(below))
    let outcome: PutOutcome
    try {
      const put = (): Promise<PutOutcome> => first.put(digest, watched, withSignal(signal))
      outcome = await first.ask('put', signal, put, 'skipped', (error) => watched.isToBlame(error))
    } catch (error) {
      signal?.throwIfAborted()
      if (!watched.isToBlame(error)) throw error
      // A read that failed has told so itself.
      if (isWrongBytes(error) && !watched.hasFailed) remote.wereWrong(error)
      return undefined
    }
    if (outcome === 'skipped') return remote.proven(digest, below)
    remote.wereRight()
    const filled = await getNear(digest, signal)
    if (filled === undefined) return remote.proven(digest, below)
    writer.fill(digest, remotes.slice(0, remotes.indexOf(remote)))
    return filled
  }

  /** A source that looks further below if what it reads turns out to be damaged or gone before it gave a byte. */
  const lasting = (digest: Digest, found: Found): ByteSource => ({
    size: found.source.size,
    async *open(options = {}) {
      let here: Found = found
      for (;;) {
        let hasGiven = false
        try {
          for await (const chunk of here.source.open(options)) {
            hasGiven = true
            yield chunk
          }
          return
        } catch (error) {
          options.signal?.throwIfAborted()
          const isNear = here.at < 0
          if (hasGiven || (isNear && first.isStrict && !isLoss(error))) throw error
          if (isNear) first.failed('read', error)
          const next = await find(digest, here.at + 1, options.signal)
          // Its reader counts on the size.
          if (next === undefined || next.source.size !== found.source.size) throw error
          here = next
        }
      }
    },
  })

  return {
    missing: async (digests, { signal } = {}) => {
      signal?.throwIfAborted()
      const asked = new Set(digests)
      const all = (): Promise<Set<Digest>> => near.missing(asked, withSignal(signal))
      let absent = await first.ask('missing', signal, all, asked)
      for (const remote of remotes) {
        if (absent.size === 0) break
        const batch = absent
        const below = await remote.ask(
          'missing',
          signal,
          (patience) => remote.blobs.missing(batch, { signal: patience.signal }),
          batch,
        )
        absent = new Set([...batch].filter((digest) => below.has(digest)))
      }
      return absent
    },

    get: async (digest, { signal } = {}) => {
      signal?.throwIfAborted()
      const source = await getNear(digest, signal)
      if (source !== undefined) {
        tell({ type: 'found', tier: first.name, what: 'blob', digest })
        return lasting(digest, { at: -1, source })
      }
      const found = await find(digest, 0, signal)
      return found && lasting(digest, found)
    },

    put: async (digest, source, { signal } = {}) => {
      signal?.throwIfAborted()
      writer.assertOpen()
      const watched = new WatchedSource(source)
      const put = (): Promise<PutOutcome> => first.put(digest, watched, withSignal(signal))
      const outcome = await first.ask('put', signal, put, 'skipped', (error) => watched.isToBlame(error))
      if (isEmptyDigest(digest)) return outcome
      if (outcome === 'skipped') return writer.blob(digest, source, signal)
      await writer.blob(digest, undefined, signal)
      return outcome
    },

    ingest: async (ref, options = {}) => {
      options.signal?.throwIfAborted()
      writer.assertOpen()
      return handedOn(await near.ingest(ref, options), writer)
    },

    delete: async (digest, { signal } = {}) => {
      signal?.throwIfAborted()
      const wasNear = await near.delete(digest, withSignal(signal))
      const wereBelow = await Promise.all(
        (await writer.forget(digest)).map(async (remote) => {
          try {
            return await remote.attempt(
              'delete',
              signal,
              (patience) => remote.blobs.delete(digest, { signal: patience.signal }),
              isUnwritable,
            )
          } catch (error) {
            signal?.throwIfAborted()
            if (remote.isStrict && !isUnwritable(error)) throw error
            return false
          }
        }),
      )
      return wasNear || wereBelow.includes(true)
    },
  }
}

/** An ingest whose blob goes on like one that was put. */
function handedOn(ingest: Ingest, writer: Writer): Ingest {
  return {
    get offset() {
      return ingest.offset
    },
    write: (chunk) => ingest.write(chunk),
    commit: async (expected) => {
      const committed = await ingest.commit(expected)
      if (!isEmptyDigest(committed.digest)) await writer.blob(committed.digest, undefined)
      return committed
    },
    abort: () => ingest.abort(),
  }
}
