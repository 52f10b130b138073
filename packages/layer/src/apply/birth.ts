/**
 * What a new file in a directory is like before anything is set: its owner may come from a setgid directory or a mount
 * option, its mode is cut by the umask or a default ACL. What comes out right by itself need not be set again.
 *
 * @module
 */
import { fstatSync, type Stats } from 'node:fs'
import type { Owner } from '../directory.ts'

/** What was seen of new files, or of new directories. */
export interface Birth {
  readonly uid: number
  readonly gid: number
  /** Permission bits that were asked for, and those of them that came. */
  readonly asked: number
  readonly granted: number
  /** When it was seen: the umask is that of the process, and others may change it while we wait for bytes. */
  readonly turn: number
}

/**
 * Where things are born alike: a directory, and the new ones made in it, which inherit what a birth depends on. Until the
 * metadata of one of them is set, what was seen in any holds for all.
 */
export interface Birthplace {
  /** Of all that is no directory. */
  file: Birth | undefined
  /** Apart from files: only they inherit setgid. */
  directory: Birth | undefined
}

/** A place of which nothing is known. */
export function newBirthplace(): Birthplace {
  return { file: undefined, directory: undefined }
}

/** Looks at a file that was made just now with `mode`, unless what is known covers it. */
export function observeBirth(known: Birth | undefined, turn: number, mode: number, fd: number): Birth {
  return covers(known, turn, mode) ? known : birthOf(fstatSync(fd), turn, mode)
}

/** Whether something made now with `mode` need not be looked at. */
export function covers(known: Birth | undefined, turn: number, mode: number): known is Birth {
  return known !== undefined && known.turn === turn && (mode & ~known.asked) === 0
}

/** What can be said of others by something made just now. */
export function birthOf(stats: Stats, turn: number, mode: number): Birth {
  const { uid, gid } = stats
  const permissions = stats.mode & 0o7777
  // A mode with more than what was asked for says nothing about the next one.
  return { uid, gid, turn, asked: mode, granted: (permissions & ~mode) === 0 ? permissions : 0 }
}

/** Whether a new file has this mode already. */
export function hasMode(birth: Birth | undefined, mode: number): boolean {
  return birth !== undefined && (mode & 0o7000) === 0 && (mode & ~birth.granted) === 0
}

/** Whether a file of this owner, where it is known, has the wanted one already. */
export function hasOwner(known: Owner | undefined, { uid, gid }: Owner): boolean {
  return known !== undefined && known.uid === uid && known.gid === gid
}
