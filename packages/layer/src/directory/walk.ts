/**
 * A directory and all that is in it, in the order of a tree.
 *
 * The walk is synchronous: a promise for each entry costs several times the system call (measured, see performance.md
 * in the requirements). It lets the event loop run once in a while.
 *
 * @module
 */
import { readdirSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { EntryType } from '../entry.ts'
import { LayerError, quoted } from '../errors.ts'
import { type Anchor, isLongLocation, joinLocation, type Location, openAnchor } from '../location.ts'
import { decodeBinary } from '../path.ts'
import { attempt, readError } from './attempt.ts'
import { isSocket, type Status, type StatusReader, typeOf } from './status.ts'

/** Which part of a directory is walked. */
export interface WalkOptions {
  readonly filter?: ((path: string, isDirectory: boolean) => boolean | 'descend') | undefined
  readonly onSkip?: ((path: string, reason: 'socket' | 'unknown') => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Told of every file that belongs to the tree, parents first, in order. The location is good for now only. */
export type Visit = (path: string, type: EntryType, location: Location, status: Status) => void

/** Entries between two turns of the event loop. */
const TURN = 4096

/**
 * Walks `root`, which is visited first, as `''`.
 *
 * @throws {LayerError} `ERR_LAYER_READ`, `ERR_LAYER_CHANGED` as {@link fromDirectory}.
 */
export async function walkDirectory(
  root: Location,
  reader: StatusReader,
  options: WalkOptions,
  visit: Visit,
): Promise<void> {
  const walk = new DirectoryWalk(reader, options, visit)
  try {
    walk.start(root)
    while (walk.step(TURN)) {
      await setImmediate()
      options.signal?.throwIfAborted()
    }
  } finally {
    walk.close()
  }
}

/** A directory being walked: its names in order, and how far the walk has got. */
interface Frame {
  /** What comes before a name in a path. */
  readonly prefix: string
  readonly location: Location
  readonly names: readonly string[]
  readonly anchor: Anchor | undefined
  next: number
}

class DirectoryWalk {
  readonly #reader: StatusReader
  readonly #options: WalkOptions
  readonly #visit: Visit
  readonly #frames: Frame[] = []

  constructor(reader: StatusReader, options: WalkOptions, visit: Visit) {
    this.#reader = reader
    this.#options = options
    this.#visit = visit
  }

  start(root: Location): void {
    const status = attempt('', () => this.#reader.read(root), 'ERR_LAYER_READ')
    if (typeOf(status) !== 'directory') {
      throw new LayerError('ERR_LAYER_READ', `Not a directory: ${quoted(String(root))}`, { path: '' })
    }
    this.#visit('', 'directory', root, status)
    this.#enter('', root)
  }

  /** Takes so many names; `false` when there are no more. */
  step(count: number): boolean {
    for (let left = count; left > 0; left--) {
      const frame = this.#frames.at(-1)
      if (frame === undefined) return false
      const name = frame.names[frame.next++]
      if (name === undefined) this.#frames.pop()?.anchor?.close()
      else this.#take(frame, name)
    }
    return true
  }

  close(): void {
    for (const { anchor } of this.#frames) anchor?.close()
  }

  #take(frame: Frame, rawName: string): void {
    const name = decodeBinary(rawName)
    const path = frame.prefix + name
    const location = joinLocation(frame.location, name)
    const status = this.#read(path, location)
    const type = typeOf(status)
    const { filter } = this.#options
    const wanted = filter === undefined ? true : filter(path, type === 'directory')
    if (wanted === false) return
    if (type === undefined) {
      this.#options.onSkip?.(path, isSocket(status) ? 'socket' : 'unknown')
      return
    }
    if (wanted === true) this.#visit(path, type, location, status)
    if (type === 'directory') this.#enter(path, location)
  }

  #read(path: string, location: Location): Status {
    try {
      return this.#reader.read(location)
    } catch (error) {
      throw readError(path, error, 'ERR_LAYER_CHANGED')
    }
  }

  #enter(path: string, location: Location): void {
    const anchor = isLongLocation(location)
      ? attempt(path, () => openAnchor(location), 'ERR_LAYER_CHANGED')
      : undefined
    const here = anchor?.location ?? location
    // One byte a character keeps names exact, and sorts them by their bytes.
    const names = attempt(path, () => readdirSync(here, 'latin1'), 'ERR_LAYER_CHANGED').toSorted()
    this.#frames.push({ prefix: path === '' ? '' : `${path}/`, location: here, names, anchor, next: 0 })
  }
}
