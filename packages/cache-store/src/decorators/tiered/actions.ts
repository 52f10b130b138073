/**
 * Records of several tiers as those of one store.
 *
 * @module
 */
import { type Digest, withSignal } from '@varve/digest'
import type { ActionIndex, ActionRecord, LookupOptions, RecordOutcome, Scope } from '../../action-index.ts'
import type { BlobStore } from '../../blob-store.ts'
import type { Patience } from '../../patience.ts'
import type { TierEvent } from './events.ts'
import type { First } from './first.ts'
import type { Ledger } from './ledger.ts'
import type { Remote } from './remote.ts'
import type { Writer } from './writer.ts'

type Completeness = Pick<BlobStore, 'missing'>

/** For a record whose blobs have just been asked for. */
const COMPLETE: Completeness = { missing: async () => new Set() }

/** Asks tier by tier; the outputs of a record may lie in any of them. */
export function createTieredActions(
  first: First,
  remotes: readonly Remote[],
  blobs: BlobStore,
  writer: Writer,
  ledger: Ledger,
  tell: (event: TierEvent) => void,
): ActionIndex {
  const near = first.store.actions

  const getNear = (
    key: Digest,
    scopes: readonly Scope[],
    options: LookupOptions,
  ): Promise<ActionRecord | undefined> =>
    first.ask('record-get', options.signal, () => near.get(key, scopes, options), undefined)

  /**
   * Keeps a record that was found below in the first tier, and gives it as the first tier does: one that is not
   * believed there is a miss. Where there is no room for it, the tier that had it has judged it.
   */
  const keep = async (
    record: ActionRecord,
    scope: Scope,
    options: LookupOptions,
  ): Promise<ActionRecord | undefined> => {
    // One that is too old for this lookup may be in the way.
    const mode = options.maxAgeMs === undefined ? 'create' : 'replace'
    const put = (): Promise<RecordOutcome> =>
      near.put(record, { scope, mode, asIs: true, ...withSignal(options.signal), blobs })
    const outcome = await first.ask('record-put', options.signal, put, 'skipped')
    if (outcome === 'skipped') return record
    return getNear(record.key, [scope], { ...options, blobs: COMPLETE })
  }

  return {
    get: async (key, scopes, options = {}) => {
      const { signal } = options
      signal?.throwIfAborted()
      const lookup = { ...options, blobs: options.blobs ?? blobs }
      const known = await getNear(key, scopes, lookup)
      if (known !== undefined) {
        tell({ type: 'found', tier: first.name, what: 'record', digest: key })
        return known
      }
      for (const remote of remotes) {
        // One by one, since a record does not tell its scope.
        for (const scope of scopes) {
          const ask = (patience: Patience): Promise<ActionRecord | undefined> =>
            remote.actions.get(key, [scope], {
              ...lookup,
              signal: patience.signal,
              blobs: held(lookup.blobs, patience, signal),
            })
          const record = await remote.ask('record-get', signal, ask, undefined)
          const kept = record && (await keep(record, scope, lookup))
          if (kept === undefined) continue
          tell({ type: 'found', tier: remote.name, what: 'record', digest: key, scope })
          return kept
        }
      }
      return undefined
    },

    put: async (record, options) => {
      const { scope, signal } = options
      const { key } = record
      signal?.throwIfAborted()
      writer.assertOpen()
      const put = (): Promise<RecordOutcome> =>
        near.put(record, { ...options, blobs: options.blobs ?? blobs })
      const outcome = await first.ask('record-put', signal, put, 'skipped')
      if (outcome === 'skipped') return writer.record(record, options, true)
      if (outcome === 'conflict') {
        // What is recorded went on when it was recorded.
        ledger.conflict({ tier: first.name, key, scope })
        return outcome
      }
      // Handed on as it is kept, with the signature that the first tier has put to it.
      const kept = await getNear(key, [scope], { ...withSignal(signal), blobs: COMPLETE })
      await writer.record(kept?.sig === undefined ? record : kept, options, false)
      return outcome
    },
  }
}

/** Other tiers are asked meanwhile; that is not the time of the one that has the record. */
function held(blobs: Completeness, patience: Patience, signal: AbortSignal | undefined): Completeness {
  return {
    missing: async (digests) => {
      patience.hold()
      try {
        return await blobs.missing(digests, withSignal(signal))
      } finally {
        patience.resume()
      }
    },
  }
}
