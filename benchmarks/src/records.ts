/**
 * Records for the cache benchmarks.
 *
 * @module
 */
import type { ActionRecord } from '@varve/cache-store'
import { describe, digestOf } from '@varve/digest'

/** Stands for a key document; its digest is the key. The record names it as its output too. */
export function keyDocument(index: number): Uint8Array {
  return new TextEncoder().encode(`key document ${index}`)
}

/** The record of a key. */
export function recordOf(index: number): ActionRecord {
  const document = keyDocument(index)
  const key = digestOf(document)
  return {
    kv: 1,
    key,
    keyDoc: key,
    outputs: [describe('application/octet-stream', document)],
    diffIDs: [],
    createdAt: '2026-01-01T00:00:00Z',
    durationMs: 1,
    builder: 'benchmark/1',
  }
}
