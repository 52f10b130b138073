/**
 * The content of a file in a directory.
 *
 * @module
 */
import type { ByteSource, OpenOptions } from '@varve/digest'
import { closeSync, constants, openSync, read as readInBackground, readSync } from 'node:fs'
import { LayerError, quoted, systemCode } from './errors.ts'
import { isLongLocation, joinLocation, type Location, withLocation } from './location.ts'

const CHUNK = 1024 * 1024

/** `O_NONBLOCK`: a FIFO that took the place of the file must not hold us up. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** How a read ended: with so many bytes, or with what went wrong. */
export type ReadOutcome = number | Error

/**
 * Bytes of a file that must stay as it is while the tree is in use.
 *
 * Three fields, since a tree has one for every file. {@link pack} knows it and reads it without streams.
 */
export class FileContent implements ByteSource {
  readonly root: Location
  readonly path: string
  readonly size: number

  constructor(root: Location, path: string, size: number) {
    this.root = root
    this.path = path
    this.size = size
  }

  /**
   * Opens the file, never through a symlink in its place.
   *
   * @throws {LayerError} `ERR_LAYER_CHANGED` if it vanished; `ERR_LAYER_READ` if it cannot be opened.
   */
  openFile(): number {
    try {
      const whole = joinLocation(this.root, this.path)
      // Not by a closure where it can be helped (measured).
      if (!isLongLocation(whole)) return openSync(whole, READ_FLAGS)
      return withLocation(this.root, this.path, (location) => openSync(location, READ_FLAGS))
    } catch (error) {
      const gone = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(systemCode(error) ?? '')
      throw this.error(
        gone ? 'ERR_LAYER_CHANGED' : 'ERR_LAYER_READ',
        gone ? 'vanished' : 'could not be opened',
        error,
      )
    }
  }

  /**
   * Reads up to `length` of the `left` bytes to come into `target`, which must have room for one more: a file that has
   * grown is found by asking for a byte too many, which costs no further call. `position` is `null` for the next bytes.
   *
   * @throws {LayerError} `ERR_LAYER_CHANGED` if the file is not as long as it was; `ERR_LAYER_READ`
   */
  readFile(
    fd: number,
    target: Uint8Array,
    at: number,
    length: number,
    left: number,
    position: number | null = null,
  ): number {
    let outcome: ReadOutcome
    try {
      outcome = readSync(fd, target, at, lengthToAsk(length, left), position)
    } catch (error) {
      outcome = error as Error
    }
    return this.finishRead(outcome, left)
  }

  /**
   * Starts the same read of the next bytes on another thread; {@link finishRead} says what became of it. Until then the
   * descriptor must stay open, and the target belongs to the read. The promise is never rejected, so it can be left
   * alone for a while.
   */
  async startRead(
    fd: number,
    target: Uint8Array,
    at: number,
    length: number,
    left: number,
  ): Promise<ReadOutcome> {
    return new Promise((resolve) => {
      readInBackground(fd, target, at, lengthToAsk(length, left), null, (error, count) =>
        resolve(error ?? count),
      )
    })
  }

  /**
   * Gives how many bytes were read.
   *
   * @throws {LayerError} As {@link readFile}.
   */
  finishRead(outcome: ReadOutcome, left: number): number {
    if (typeof outcome !== 'number') {
      // What cannot be read at an offset is no file any more.
      const changed = systemCode(outcome) === 'ESPIPE'
      throw this.error(changed ? 'ERR_LAYER_CHANGED' : 'ERR_LAYER_READ', 'could not be read', outcome)
    }
    if (outcome === 0 || outcome > left)
      throw this.error(
        'ERR_LAYER_CHANGED',
        outcome === 0 ? 'shrank while it was read' : 'grew while it was read',
      )
    return outcome
  }

  async *open({ start = 0, end = this.size, signal }: OpenOptions = {}): AsyncGenerator<
    Uint8Array,
    void,
    void
  > {
    signal?.throwIfAborted()
    const bound = Math.min(end, this.size)
    if (start >= bound) return
    const fd = this.openFile()
    try {
      for (let position = start; position < bound;) {
        signal?.throwIfAborted()
        const length = Math.min(CHUNK, bound - position)
        // A fresh chunk each time, since the reader may keep it. The byte more is for a file that has grown.
        const chunk = new Uint8Array(length + 1)
        const read = this.readFile(fd, chunk, 0, length, this.size - position, position)
        position += read
        yield chunk.subarray(0, read)
      }
    } finally {
      closeSync(fd)
    }
  }

  private error(code: 'ERR_LAYER_CHANGED' | 'ERR_LAYER_READ', what: string, cause?: unknown): LayerError {
    return new LayerError(code, `The file ${quoted(this.path)} ${what}`, {
      path: this.path,
      cause,
    })
  }
}

/** The last bytes are asked for with one more, which only a file that has grown can give. */
function lengthToAsk(length: number, left: number): number {
  return length === left ? length + 1 : length
}
