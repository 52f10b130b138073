/**
 * CRC-64 of ISO 3309, the checksum of tar-split: it finds accidents, not attacks.
 *
 * @module
 */

/** Reflected polynomial x^64 + x^4 + x^3 + x + 1; only its four highest bits are set. */
const POLYNOMIAL_HIGH = 0xd800_0000

/**
 * The table of the polynomial. All bits of an entry lie in its highest 16, which are kept: that is why four bytes can
 * be taken at a time with one table, since none of the four changes where the others are looked up.
 */
const TABLE: Uint16Array = Uint16Array.from({ length: 256 }, (_, byte) => {
  // A byte shifted out eight times reaches 16 bits and no further, so the low half of the register stays out of it.
  let high = 0
  let low = byte
  for (let bit = 0; bit < 8; bit++) {
    const out = low & 1
    low >>>= 1
    high >>>= 1
    if (out === 1) high = (high ^ POLYNOMIAL_HIGH) >>> 0
  }
  return high >>> 16
})

/** A checksum in progress. */
export class Crc64 {
  #high = 0xffff_ffff
  #low = 0xffff_ffff

  update(bytes: Uint8Array): void {
    let high = this.#high
    let low = this.#low
    const length = bytes.byteLength
    let at = 0
    for (const end = length - 3; at < end; at += 4) {
      const word =
        low ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
      const first = TABLE[word & 0xff]!
      low = high ^ (first << 24)
      high =
        (first >>> 8) ^
        TABLE[(word >>> 8) & 0xff]! ^
        (TABLE[(word >>> 16) & 0xff]! << 8) ^
        (TABLE[word >>> 24]! << 16)
    }
    for (; at < length; at++) {
      const entry = TABLE[(low ^ bytes[at]!) & 0xff]!
      low = (low >>> 8) | (high << 24)
      high = (high >>> 8) ^ (entry << 16)
    }
    this.#high = high
    this.#low = low
  }

  /** The checksum so far, as sixteen hexadecimal digits. */
  hex(): string {
    const digits = (half: number): string => (~half >>> 0).toString(16).padStart(8, '0')
    return digits(this.#high) + digits(this.#low)
  }
}
