/**
 * What a new file in a directory is like before anything is set: its owner may come from a setgid directory or a mount
 * option, its mode is cut by the umask or a default ACL. What comes out right by itself need not be set again.
 *
 * @module
 */
import { fstatSync, type Stats } from 'node:fs'
import type { Owner } from '../directory.ts'

/** What was seen of the new files of one directory. */
export interface Birth {
  readonly uid: number
  readonly gid: number
  /** Permission bits that were asked for, and those of them that came. */
  readonly asked: number
  readonly granted: number
  /** When it was seen: the umask is that of the process, and others may change it while we wait for bytes. */
  readonly turn: number
}

/** Looks at a file that was made just now with `mode`, unless what is known of its directory covers it. */
export function observeBirth(known: Birth | undefined, turn: number, mode: number, fd: number): Birth {
  if (known !== undefined && known.turn === turn && (mode & ~known.asked) === 0) return known
  return birthOf(fstatSync(fd), turn, mode)
}

/** What can be said of a directory by a file made in it just now. */
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

/** Whether a new file has this owner already. */
export function hasOwner(birth: Owner | undefined, { uid, gid }: Owner): boolean {
  return birth !== undefined && birth.uid === uid && birth.gid === gid
}
