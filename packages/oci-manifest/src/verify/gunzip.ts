/**
 * Undoing gzip, all members of it: RFC 1952 §2.2. Layers may have many.
 *
 * @module
 */

/**
 * The uncompressed bytes. Errors of `bytes` pass as they are.
 *
 * Node's own decompressor is used wherever there is one: `DecompressionStream` ends after the first member, or fails
 * there, as Node 26 does.
 */
export function gunzip(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const zlib = globalThis.process?.getBuiltinModule?.('node:zlib')
  const stream = globalThis.process?.getBuiltinModule?.('node:stream')
  if (zlib === undefined || stream === undefined) {
    return ReadableStream.from(bytes).pipeThrough(new DecompressionStream('gzip'))
  }
  const decompressor = zlib.createGunzip()
  // Its error becomes that of the stream, which is where it is met.
  stream.pipeline(stream.Readable.from(bytes, { objectMode: false }), decompressor, () => undefined)
  return decompressor
}
