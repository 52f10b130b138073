/**
 * Memory that files are read into.
 *
 * @module
 */

/**
 * Large allocations begin 16 bytes into a page, and some processors copy from a page to such an address at a quarter
 * of their speed (measured on AMD); so a block begins later.
 */
const LEAD = 64

/** Memory for one block of so many bytes, with anything in it. */
export function allocateBlock(length: number): Buffer {
  return Buffer.allocUnsafeSlow(LEAD + length).subarray(LEAD)
}
