/**
 * Which owners files get.
 *
 * @module
 */
import type { Owner } from '../directory.ts'
import { LayerError } from '../errors.ts'

/**
 * Which owners files get: those in the layer, those of the process, or mapped ones. What a function has no owner for
 * keeps that of the process, and is reported.
 *
 * `ignore` is for rootless use: nothing is asked of the system that an ordinary user may not do, and nothing is
 * reported. `keep` without the right to do so is reported for each file and not fatal.
 */
export type OwnerRule = 'keep' | 'ignore' | ((uid: number, gid: number) => Owner | undefined)

/** So many ids from `container` on are those from `host` on; as a line of `/etc/subuid`, or of `uid_map`. */
export interface IdRange {
  readonly container: number
  readonly host: number
  readonly size: number
}

/** Options of {@link mapOwners}. */
export interface OwnerMap {
  readonly uids: readonly IdRange[]
  readonly gids: readonly IdRange[]
  /**
   * What becomes of a file with an id in no range: an error (default), the owner of the process and a line in the
   * report, or this owner. Such a file is given neither of its ids.
   */
  readonly unmapped?: 'error' | 'report' | Owner
}

/**
 * Owners inside a container as those outside, by ranges as user namespaces have them.
 *
 * Where ranges overlap, the first counts. The rule throws `ERR_LAYER_UNSUPPORTED` for an id in no range, unless
 * `unmapped` says otherwise.
 *
 * @throws {TypeError} If a range is empty, negative, fractional, or goes beyond 2^32 - 2.
 */
export function mapOwners({ uids, gids, unmapped = 'error' }: OwnerMap): OwnerRule {
  for (const range of [...uids, ...gids]) assertRange(range)
  return (uid, gid) => {
    const owner = { uid: mapId(uids, uid), gid: mapId(gids, gid) }
    if (owner.uid !== undefined && owner.gid !== undefined) return { uid: owner.uid, gid: owner.gid }
    if (unmapped === 'report') return undefined
    if (unmapped !== 'error') return unmapped
    const which = owner.uid === undefined ? `user ${uid}` : `group ${gid}`
    throw new LayerError('ERR_LAYER_UNSUPPORTED', `No range maps the ${which}`)
  }
}

/** One owner for everything. */
export function squashOwners({ uid, gid }: Owner): OwnerRule {
  return () => ({ uid, gid })
}

/** The largest id: the one above is "no change" to chown(2). */
const MAX_ID = 2 ** 32 - 2

function mapId(ranges: readonly IdRange[], id: number): number | undefined {
  for (const { container, host, size } of ranges) {
    if (id >= container && id - container < size) return host + (id - container)
  }
  return undefined
}

function assertRange({ container, host, size }: IdRange): void {
  const valid =
    [container, host, size].every((number) => Number.isInteger(number) && number >= 0) &&
    size > 0 &&
    Math.max(container, host) + size - 1 <= MAX_ID
  if (!valid) throw new TypeError(`Not a range of ids: ${container}:${host}:${size}`)
}
