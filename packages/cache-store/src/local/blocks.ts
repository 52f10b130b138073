/**
 * How much space a file takes before it is there to be looked at.
 *
 * @module
 */

/** File systems give space in blocks. */
export const BLOCK = 4096

/** Directories of long names are two thirds full (measured on ext4). */
const NAME = 128

/** What a file of this size takes on the disk. */
export function inBlocks(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK
}

/** What a file of this size takes, and its name in a directory of digests. */
export function spaceFor(size: number): number {
  return inBlocks(size) + NAME
}
