/**
 * Members that only speak about the next one: PAX extended headers, and GNU's long names.
 *
 * @module
 */
import { LayerError } from '../errors.ts'
import { decodeBytes } from '../path.ts'
import type { Preamble } from './member.ts'
import { parsePax, type PaxRecords } from './pax.ts'

/** Type flags of such members: local and global extended header, GNU long name and long link. */
const META_TYPES = 'xgLK'

/** Whether a member of this type is about the next one. */
export function isMetaType(type: string): boolean {
  return META_TYPES.includes(type)
}

/** Collects what is said about the next member, and settles contradictions. */
export class PreambleReader implements Preamble {
  local: PaxRecords | undefined
  global: Map<string, Uint8Array> | undefined
  longName: string | undefined
  longLink: string | undefined
  readonly #strict: boolean

  constructor(strict: boolean) {
    this.#strict = strict
  }

  /** Takes the body of a meta member: `bytes[start, end)`, which lie at `offset` of the archive. */
  take(type: string, bytes: Buffer, start: number, end: number, offset: number): void {
    if (type === 'g') return this.#takeGlobal(parsePax(bytes.subarray(start, end), offset))
    if (type === 'x') {
      // Otherwise the second replaces the first, also where it is silent.
      if (this.local !== undefined) this.#refuse('two extended headers for one member', offset)
      this.local = parsePax(bytes.subarray(start, end), offset)
      return
    }
    let nul = start
    while (nul < end && bytes[nul] !== 0) nul++
    const name = decodeBytes(bytes, start, nul)
    if (type === 'L') this.longName = name
    else this.longLink = name
  }

  /** Checks what can be said only once all of it is here. */
  check(offset: number): void {
    const twice =
      (this.longName !== undefined && this.local?.has('path') === true) ||
      (this.longLink !== undefined && this.local?.has('linkpath') === true)
    // Otherwise the GNU name wins, as in Go, bsdtar and Python.
    if (twice) this.#refuse('a GNU long name and an extended header for one member', offset)
  }

  /** Forgets what was about one member. */
  clear(): void {
    this.local = undefined
    this.longName = undefined
    this.longLink = undefined
  }

  /** Checks that nothing is left over at the end of the archive. */
  finish(offset: number): void {
    const open = this.local !== undefined || this.longName !== undefined || this.longLink !== undefined
    if (open) this.#refuse('an extended header without a member', offset)
  }

  /**
   * A name, target or size cannot hold for every member, so they are not looked up here; other keys may. Later global
   * headers add to earlier ones: POSIX.1-2017 pax, "pax Header Block".
   */
  #takeGlobal(records: Map<string, Uint8Array>): void {
    this.global ??= new Map()
    for (const [key, value] of records) this.global.set(key, value)
  }

  #refuse(what: string, offset: number): void {
    if (this.#strict)
      throw new LayerError('ERR_LAYER_TAR', `Malformed member at byte ${offset}: ${what}`, { offset })
  }
}
