/**
 * Refs as bytes: the document, sealed together with the names of the updates that are in it.
 *
 * @module
 */
import { seal, unseal } from '../seal.ts'

/** A stored document. */
export interface RefDocument {
  readonly document: Uint8Array
  /** The last updates, newest first, by the nonce that each one chose. */
  readonly nonces: readonly string[]
}

/** More than any document with its seal and its nonces. */
export const MAX_REF: number = 2 * 1024 * 1024

/** Updates that a document remembers: more than others can make while one of them waits for its answer. */
const REMEMBERED = 32

const NONCES = /^(?:[0-9a-f]{32} ?){0,32}$/

/** The bytes of a document after the update `nonce`. */
export function encodeRef(document: Uint8Array, nonce: string, earlier: readonly string[]): Uint8Array {
  const head = new TextEncoder().encode(`${[nonce, ...earlier].slice(0, REMEMBERED).join(' ')}\n`)
  const payload = new Uint8Array(head.byteLength + document.byteLength)
  payload.set(head)
  payload.set(document, head.byteLength)
  return seal(payload)
}

/** `undefined` for bytes that are damaged, and for none at all, which stand for a document that was deleted. */
export function decodeRef(bytes: Uint8Array): RefDocument | undefined {
  const payload = unseal(bytes)
  const end = payload?.indexOf(0x0a) ?? -1
  if (payload === undefined || end === -1) return undefined
  const head = new TextDecoder().decode(payload.subarray(0, end))
  if (!NONCES.test(head)) return undefined
  return { document: payload.slice(end + 1), nonces: head === '' ? [] : head.split(' ') }
}
