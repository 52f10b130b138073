/**
 * This registry's own documents as bytes.
 *
 * @module
 */

/** A document of ours as bytes. */
export function encodeDocument(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

/** A document as a value. It is our own, from our own store, so its shape is known to whoever asks. */
export function decodeDocument(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes)) as unknown
}
