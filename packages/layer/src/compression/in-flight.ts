/**
 * Pieces encoded side by side, and joined in order.
 *
 * @module
 */

/** Options of {@link encodeInOrder}. */
export interface InFlightOptions {
  /** Pieces encoded at a time; the bytes are the same for any number. */
  readonly inFlight: number
  /** Told when the bytes of a piece have been used. */
  readonly release?: ((piece: Uint8Array) => void) | undefined
}

/**
 * Encodes pieces, several at a time. It takes no more of them than are in flight. No piece at all is an empty one, since
 * a compressed file has at least one member or frame.
 */
export async function* encodeInOrder(
  pieces: AsyncIterable<Uint8Array>,
  encode: (piece: Uint8Array) => Promise<Uint8Array>,
  options: InFlightOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const { inFlight, release } = options
  const queue: Promise<Uint8Array>[] = []
  let empty = true
  try {
    for await (const piece of pieces) {
      empty = false
      const encoded = encodeOne(piece, encode, release)
      // It is awaited in its turn; until then a failure is not unhandled.
      encoded.catch(() => {})
      queue.push(encoded)
      if (queue.length >= inFlight) yield await queue.shift()!
    }
    if (empty) yield await encode(new Uint8Array())
    while (queue.length > 0) yield await queue.shift()!
  } finally {
    // Encoders still read the pieces that nobody will get.
    await Promise.allSettled(queue)
  }
}

async function encodeOne(
  piece: Uint8Array,
  encode: (piece: Uint8Array) => Promise<Uint8Array>,
  release: ((piece: Uint8Array) => void) | undefined,
): Promise<Uint8Array> {
  const encoded = await encode(piece)
  release?.(piece)
  return encoded
}
