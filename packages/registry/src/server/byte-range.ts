/**
 * `Range` of a download and `Content-Range` of an upload, which only look alike.
 *
 * @module
 */

/** Bytes `[start, end)`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * Reads a `Range` header for a body of `size` bytes: RFC 9110 §14.1.2.
 *
 * `undefined` means the whole body: no header, another unit, or several ranges, which a server may ignore.
 * `unsatisfiable` also covers `500-0`, which the RFC calls invalid and the conformance suite wants refused.
 */
export function parseRange(header: string | null, size: number): ByteRange | 'unsatisfiable' | undefined {
  const [, first, last] = /^bytes=(\d{0,16})-(\d{0,16})$/.exec(header ?? '') ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined
  const range =
    first === ''
      ? { start: Math.max(0, size - Number(last)), end: size }
      : { start: Number(first), end: last === '' ? size : Math.min(size, Number(last) + 1) }
  return range.start < range.end ? range : 'unsatisfiable'
}

/** Reads the `Content-Range` of a chunk, `<first>-<last>` with no unit: distribution-spec, "Pushing a blob in chunks". */
export function parseChunkRange(header: string): ByteRange | undefined {
  const [, first, last] = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(header) ?? []
  if (first === undefined || last === undefined) return undefined
  const range = { start: Number(first), end: Number(last) + 1 }
  return range.start < range.end ? range : undefined
}
