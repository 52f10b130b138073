/**
 * Where things lie in a store's directory.
 *
 * ```
 * oci-layout  index.json  CACHEDIR.TAG  store.json
 * blobs/<algorithm>/<hex>         read-only files, complete and verified
 * ac/<scope>/<aa>/<key>           one sealed record per file
 * refs/<name>                     one sealed document per file, `/` written as `~`
 * pins/<name>.json                one sealed list of roots per file, `/` written as `~`
 * leases/<random>.json            touched while somebody needs what was used since it was made
 * flight/<name>                   marks of single-flight, `/` written as `~`
 * ingest/<random>                 a file on its way to another place; a directory is a resumable ingest
 * trash/<path>~<random>           on its way out, `/` written as `~`
 * quarantine/<name>.<random>      what was found damaged
 * usage                           about how much is used, as a sum of numbers
 * gc.lock                         touched by whoever collects
 * ```
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { basename, join } from 'node:path'
import { algorithmOf, type Digest, hexOf } from '@varve/digest'
import type { Scope } from '../action-index.ts'
import { type Clock, createClock } from './clock.ts'

/** A store's directory and how it may be used. */
export interface Place {
  /** Absolute, without symbolic links. */
  readonly root: string
  /** Whether every file and its directory are on the disk before it counts as written. */
  readonly durable: boolean
  readonly readOnly: boolean
  /** By which all ages are told. */
  readonly clock: Clock
}

/** Directories that every store has; those of a later version are made when an older store is opened. */
export const DIRECTORIES: readonly string[] = [
  'ingest',
  'blobs',
  'blobs/sha256',
  'ac',
  'refs',
  'pins',
  'leases',
  'flight',
  'trash',
  'quarantine',
]

/** Locks of refs and of marks lie beside them, by a name that neither can have. */
export const LOCK_SUFFIX = '+lock'

/** A place and its clock. */
export function createPlace(root: string, use: Pick<Place, 'durable' | 'readOnly'>): Place {
  return {
    root,
    durable: use.durable,
    readOnly: use.readOnly,
    clock: use.readOnly ? Date : createClock(() => join(root, 'ingest', randomName())),
  }
}

/** Put together by hand: `join` is a part of what asking costs (measured: `cache-missing`, 1.4 with it, 1.2 without). */
export function blobPath(place: Place, digest: Digest): string {
  return `${place.root}/blobs/${digest.replace(':', '/')}`
}

/** Directories in which {@link recordPath} lies, outermost first. */
export function recordDirectories(place: Place, scope: Scope, key: Digest): readonly string[] {
  const ofScope = join(place.root, 'ac', scope)
  return [ofScope, join(ofScope, hexOf(key).slice(0, 2))]
}

export function recordPath(place: Place, scope: Scope, key: Digest): string {
  const hex = hexOf(key)
  const name = algorithmOf(key) === 'sha256' ? hex : `${algorithmOf(key)}-${hex}`
  return join(place.root, 'ac', scope, hex.slice(0, 2), name)
}

export function refsDirectory(place: Place): string {
  return join(place.root, 'refs')
}

/** Flat, so that `a` and `a/b` can both exist; `~` is in no name. */
export function refPath(place: Place, name: string): string {
  return join(refsDirectory(place), name.replaceAll('/', '~'))
}

export function pinsDirectory(place: Place): string {
  return join(place.root, 'pins')
}

/** Flat as {@link refPath} is. */
export function pinPath(place: Place, name: string): string {
  return join(pinsDirectory(place), `${name.replaceAll('/', '~')}.json`)
}

export function leasesDirectory(place: Place): string {
  return join(place.root, 'leases')
}

export function flightDirectory(place: Place): string {
  return join(place.root, 'flight')
}

/** Flat as {@link refPath} is. */
export function flightPath(place: Place, name: string): string {
  return join(flightDirectory(place), name.replaceAll('/', '~'))
}

export function ingestDirectory(place: Place): string {
  return join(place.root, 'ingest')
}

/** A name that no other process chooses, on the same file system as everything else: containers share pids. */
export function temporaryPath(place: Place): string {
  return join(ingestDirectory(place), randomName())
}

export function trashDirectory(place: Place): string {
  return join(place.root, 'trash')
}

export function quarantineDirectory(place: Place): string {
  return join(place.root, 'quarantine')
}

export function quarantinePath(place: Place, path: string): string {
  return join(quarantineDirectory(place), `${basename(path)}.${randomName()}`)
}

export function usagePath(place: Place): string {
  return join(place.root, 'usage')
}

export function collectionLockPath(place: Place): string {
  return join(place.root, 'gc.lock')
}

/** 128 random bits. */
export function randomName(): string {
  return randomBytes(16).toString('hex')
}
