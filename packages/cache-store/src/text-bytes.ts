/**
 * Strings as bytes, one to one for every JavaScript string.
 *
 * Well-formed text is UTF-8. A lone surrogate, which file names that are not UTF-8 contain (U+DC80–U+DCFF stand for
 * raw bytes, the scheme of PEP 383), becomes the three bytes that UTF-8's pattern gives its number (the encoding
 * known as WTF-8). Raw bytes in its place would not do: the two surrogates of C3 A9 would then be spelled as `é` is.
 *
 * @module
 */
const LONE_SURROGATE = /\p{Surrogate}/u
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The bytes of a string; different strings have different bytes. */
export function bytesOfText(text: string): Uint8Array {
  if (!LONE_SURROGATE.test(text)) return encoder.encode(text)
  const bytes: number[] = []
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0
    if (isSurrogate(point))
      bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f))
    else bytes.push(...encoder.encode(character))
  }
  return Uint8Array.from(bytes)
}

/**
 * The string of these bytes.
 *
 * @throws {TypeError} unless {@link bytesOfText} makes exactly these bytes.
 */
export function textOfBytes(bytes: Uint8Array): string {
  const parts: string[] = []
  let start = 0
  for (let at = bytes.indexOf(0xed); at !== -1; at = bytes.indexOf(0xed, at + 1)) {
    const [, second = 0, third = 0] = bytes.subarray(at, at + 3)
    // ED A0..BF is where UTF-8 would put surrogates; everything else is left to the decoder.
    if (second < 0xa0 || second > 0xbf || third < 0x80 || third > 0xbf) continue
    parts.push(decoder.decode(bytes.subarray(start, at)))
    parts.push(String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | (third & 0x3f)))
    start = at + 3
    at += 2
  }
  parts.push(decoder.decode(bytes.subarray(start)))
  const text = parts.join('')
  // A pair spelled as two lone ones joins into one character, whose bytes are others.
  if (parts.length > 1 && compareBytes(bytesOfText(text), bytes) !== 0)
    throw new TypeError('Not the bytes of a string')
  return text
}

/** Orders by bytes; a comparator for `sort`. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.byteLength, b.byteLength)
  for (let at = 0; at < length; at += 1) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0)
    if (difference !== 0) return difference
  }
  return a.byteLength - b.byteLength
}

function isSurrogate(point: number): boolean {
  return point >= 0xd800 && point <= 0xdfff
}
