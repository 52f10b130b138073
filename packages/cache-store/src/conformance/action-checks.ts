/**
 * The contract of an {@link ActionIndex}.
 *
 * @module
 */
import { describe, type Descriptor, digestOf } from '@varve/digest'
import type { ActionRecord } from '../action-index.ts'
import type { Store } from '../store.ts'
import { type ConformanceCheck, expectCode, expectEqual, expectReason, putBytes, utf8 } from './check.ts'

const KEY_DOCUMENT = utf8('the key document')
const KEY = digestOf(KEY_DOCUMENT)

/** Every check of records. */
export const ACTION_CHECKS: readonly ConformanceCheck<Store>[] = [
  {
    name: 'a key that was not recorded is a miss',
    run: async ({ actions }) => {
      expectEqual(await actions.get(KEY, ['main']), undefined, 'the answer')
      expectEqual(await actions.get(KEY, []), undefined, 'the answer without scopes')
    },
  },
  {
    name: 'a record comes back as it was written',
    run: async (store) => {
      const record: ActionRecord = {
        ...(await recordOf(store, 'a layer')),
        aliasOf: digestOf(utf8('content key')),
      }
      expectEqual(await store.actions.put(record, { scope: 'main' }), 'created', 'the outcome')
      expectEqual(sorted(await store.actions.get(KEY, ['main'])), sorted(record), 'the record')
    },
  },
  {
    name: 'the same result again is "same", whoever made it and whenever',
    run: async (store) => {
      const record = await recordOf(store, 'a layer')
      await store.actions.put(record, { scope: 'main' })
      const again = { ...record, createdAt: '2030-01-01T00:00:00Z', durationMs: 1, builder: 'another/1' }
      expectEqual(await store.actions.put(again, { scope: 'main' }), 'same', 'the outcome')
      expectEqual((await store.actions.get(KEY, ['main']))?.builder, record.builder, 'the builder on record')
    },
  },
  {
    name: 'another result is a "conflict", and the first one stays',
    run: async (store) => {
      const record = await recordOf(store, 'a layer')
      await store.actions.put(record, { scope: 'main' })
      const outputs = await store.actions.put(await recordOf(store, 'another layer'), { scope: 'main' })
      expectEqual(outputs, 'conflict', 'the outcome of other outputs')
      const diffIDs = await store.actions.put({ ...record, diffIDs: [KEY] }, { scope: 'main' })
      expectEqual(diffIDs, 'conflict', 'the outcome of other diffIDs')
      expectEqual((await store.actions.get(KEY, ['main']))?.outputs, record.outputs, 'the outputs on record')
    },
  },
  {
    name: 'replace overwrites',
    run: async (store) => {
      await store.actions.put(await recordOf(store, 'a layer'), { scope: 'main' })
      const record = await recordOf(store, 'another layer')
      expectEqual(
        await store.actions.put(record, { scope: 'main', mode: 'replace' }),
        'created',
        'the outcome',
      )
      expectEqual((await store.actions.get(KEY, ['main']))?.outputs, record.outputs, 'the outputs on record')
    },
  },
  {
    name: 'scopes are apart, and asked in order',
    run: async (store) => {
      const [ours, theirs] = [await recordOf(store, 'ours'), await recordOf(store, 'theirs')]
      await store.actions.put(theirs, { scope: 'pr-17' })
      expectEqual(await store.actions.get(KEY, ['main']), undefined, 'the answer for another scope')
      expectEqual(await store.actions.put(ours, { scope: 'main' }), 'created', 'the outcome')
      const first = await store.actions.get(KEY, ['main', 'pr-17'])
      const second = await store.actions.get(KEY, ['pr-17', 'main'])
      expectEqual(first?.outputs, ours.outputs, 'the outputs of the first scope')
      expectEqual(second?.outputs, theirs.outputs, 'the outputs of the other one')
    },
  },
  {
    name: 'a record is a miss while an output or the key document is absent, and a later scope answers',
    run: async (store) => {
      const [ours, theirs] = [await recordOf(store, 'ours'), await recordOf(store, 'theirs')]
      await store.actions.put(ours, { scope: 'main' })
      await store.actions.put(theirs, { scope: 'other' })
      await store.blobs.delete(digestOf(utf8('ours')))
      expectEqual(await store.actions.get(KEY, ['main']), undefined, 'the answer without the output')
      expectEqual(
        (await store.actions.get(KEY, ['main', 'other']))?.outputs,
        theirs.outputs,
        'the next answer',
      )
      await store.blobs.delete(KEY)
      expectEqual(await store.actions.get(KEY, ['other']), undefined, 'the answer without the key document')
      await putBytes(store.blobs, KEY_DOCUMENT)
      await putBytes(store.blobs, utf8('ours'))
      expectEqual((await store.actions.get(KEY, ['main']))?.outputs, ours.outputs, 'the answer with both')
    },
  },
  {
    name: 'a record whose outputs are gone does not stand in the way of another result',
    run: async (store) => {
      await store.actions.put(await recordOf(store, 'ours'), { scope: 'main' })
      await store.blobs.delete(digestOf(utf8('ours')))
      const record = await recordOf(store, 'rebuilt')
      expectEqual(await store.actions.put(record, { scope: 'main' }), 'created', 'the outcome')
      expectEqual((await store.actions.get(KEY, ['main']))?.outputs, record.outputs, 'the outputs on record')
    },
  },
  {
    name: 'records older than the caller allows are misses',
    run: async (store) => {
      const hourAgo = new Date(Date.now() - 3_600_000).toISOString()
      await store.actions.put(
        { ...(await recordOf(store, 'a layer')), createdAt: hourAgo },
        { scope: 'main' },
      )
      const young = await store.actions.get(KEY, ['main'], { maxAgeMs: 60_000 })
      expectEqual(young, undefined, 'the answer for a minute')
      const old = await store.actions.get(KEY, ['main'], { maxAgeMs: 7_200_000 })
      expectEqual(old?.createdAt, hourAgo, 'the time of the answer for two hours')
    },
  },
  {
    name: 'many writers of one key at once agree on one record',
    run: async (store) => {
      const records = await Promise.all(
        Array.from({ length: 8 }, (_, number) => recordOf(store, `layer ${number}`)),
      )
      const outcomes = await Promise.all(
        records.map((record) => store.actions.put(record, { scope: 'main' })),
      )
      expectEqual(outcomes.filter((outcome) => outcome === 'created').length, 1, 'the number of winners')
      expectEqual(outcomes.filter((outcome) => outcome === 'conflict').length, 7, 'the number of conflicts')
      const winner = records[outcomes.indexOf('created')]
      expectEqual((await store.actions.get(KEY, ['main']))?.outputs, winner?.outputs, 'the outputs on record')
    },
  },
  {
    name: 'an aborted signal stops both operations',
    run: async (store) => {
      const signal = AbortSignal.abort({ why: 'enough' })
      const record = await recordOf(store, 'a layer')
      await expectReason(store.actions.put(record, { scope: 'main', signal }), signal.reason)
      await expectReason(store.actions.get(KEY, ['main'], { signal }), signal.reason)
      expectEqual(await store.actions.get(KEY, ['main']), undefined, 'the answer')
    },
  },
  {
    name: 'scopes outside the alphabet are refused',
    run: async (store) => {
      const record = await recordOf(store, 'a layer')
      for (const scope of ['', '.', '..', 'a/b', '../main', 'ä', 'x'.repeat(65)]) {
        await expectCode(store.actions.put(record, { scope }), 'ERR_CACHE_STORE_NAME')
        await expectCode(store.actions.get(KEY, ['main', scope]), 'ERR_CACHE_STORE_NAME')
      }
    },
  },
]

/** A whole record of one output, whose blobs are in the store. */
async function recordOf({ blobs }: Store, output: string): Promise<ActionRecord> {
  await putBytes(blobs, KEY_DOCUMENT)
  await putBytes(blobs, utf8(output))
  const layer: Descriptor = {
    ...describe('application/vnd.oci.image.layer.v1.tar', utf8(output)),
    annotations: { 'org.example.note': output },
  }
  return {
    kv: 1,
    key: KEY,
    keyDoc: KEY,
    outputs: [layer],
    diffIDs: [digestOf(utf8('base')), layer.digest],
    createdAt: '2026-01-02T03:04:05Z',
    durationMs: 1234.5,
    builder: 'varve/0.1.0',
  }
}

/** Members in one order, so that two records can be compared as JSON. */
function sorted(record: ActionRecord | undefined): unknown {
  return record && Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1))
}
