/**
 * What checks are made of; no test runner and no assertion library.
 *
 * @module
 */
import { type ByteSource, bytesSource, type Digest, digestOf, readAll } from '@varve/digest'
import type { BlobStore } from '../blob-store.ts'

/** One named check of a contract. */
export interface ConformanceCheck<Subject> {
  /** The behaviour, as a sentence about the subject. */
  readonly name: string
  /** Wants a fresh, empty subject; rejects unless it behaves. */
  run(subject: Subject): Promise<void>
}

/** Throws unless `condition` holds. */
export function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`Expected: ${what}`)
}

/** Throws unless both are the same when written as JSON. */
export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  const [found, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (found !== wanted) throw new Error(`Expected ${what} to be ${wanted}, got ${found}`)
}

/** Throws unless the promise rejects with this `code`. */
export async function expectCode(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await rejectionOf(promise)
  const actual = typeof error === 'object' && error !== null && 'code' in error ? error.code : String(error)
  expectEqual(actual, code, 'the code of the error')
}

/** Throws unless the promise rejects with exactly this. */
export async function expectReason(promise: Promise<unknown>, reason: unknown): Promise<void> {
  expect((await rejectionOf(promise)) === reason, 'a rejection with the reason of the signal, untouched')
}

async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('Expected a rejection')
}

/** UTF-8. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** The other way. */
export function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && new TextDecoder().decode(bytes)
}

/** Bytes that repeat nowhere soon, the same ones for the same seed. */
export function pattern(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size)
  let state = seed
  for (let at = 0; at < size; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

/** Bytes that come in chunks, of a size that is known or not. */
export function chunkedSource(bytes: Uint8Array, chunkSize: number, size?: number): ByteSource {
  return {
    size,
    async *open({ signal } = {}) {
      for (let at = 0; at < bytes.byteLength; at += chunkSize) {
        signal?.throwIfAborted()
        yield bytes.slice(at, at + chunkSize)
      }
    },
  }
}

/** Puts bytes and tells what they are called. */
export async function putBytes(blobs: BlobStore, bytes: Uint8Array): Promise<Digest> {
  const digest = digestOf(bytes)
  await blobs.put(digest, bytesSource(bytes))
  return digest
}

/** Reads a blob that must be there. */
export async function readBlob(
  blobs: BlobStore,
  digest: Digest,
  start = 0,
  end?: number,
): Promise<Uint8Array> {
  const source = await blobs.get(digest)
  expect(source !== undefined, `the blob ${digest}`)
  const chunks = source.open({ start, ...(end === undefined ? {} : { end }) })
  return readAll(chunks, 64 * 1024 * 1024)
}

/** Whether two arrays hold the same bytes. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at])
}

/** Whether `digest` is absent by both ways of asking. */
export async function isAbsent(blobs: BlobStore, digest: Digest): Promise<boolean> {
  return (await blobs.missing([digest])).has(digest) && (await blobs.get(digest)) === undefined
}
