/**
 * How many bytes repositories may hold.
 *
 * What is held is counted from the members' documents when it is first asked for, kept up to date by this process, and
 * counted again now and then, since other processes may share the store.
 *
 * @module
 */
import type { RefStore } from '@varve/cache-store'

import { decodeDocument } from './document.ts'
import { repositoryKey, ROOT } from './document-name.ts'
import { Fault } from './fault.ts'
import type { MemberRow } from './member-table.ts'

/** Bounds of what repositories hold: blobs and manifests, as they are stored. Default: none. */
export interface RegistryQuota {
  /** Of each repository. */
  readonly repositoryBytes?: number
  /** Of all together. What is in two repositories counts twice. */
  readonly totalBytes?: number
}

/** Counts what comes and goes. */
export interface Quota {
  /**
   * Tells how many bytes a repository has room for.
   *
   * @throws {Fault} 403 if it is less than what is asked for, and something is.
   */
  room(repository: string, bytes: number): Promise<number>
  /**
   * Runs `work`, which adds so many bytes to a repository and tells whether they were new to it.
   *
   * @throws {Fault} 403 if they do not fit; `work` is then not run.
   */
  adding(repository: string, bytes: number, work: () => Promise<boolean>): Promise<void>
  /**
   * Counts bytes of unfinished uploads, or, below zero, that they are gone. All together may be as many again as a bound
   * allows, so that those who never finish one cannot fill the store.
   *
   * @throws {Fault} 403 if they are more.
   */
  hold(repository: string, bytes: number): void
  /** Counts what was removed. */
  removed(repository: string, bytes: number): void
}

/** Bytes below a prefix. */
interface Count {
  bytes: number
  readonly at: number
}

const RECOUNT_MS = 10 * 60 * 1000

/** Documents read at once, where each is a request to a store far away. */
const AT_ONCE = 32

/** Counts for these bounds; `now` is a clock in milliseconds. Without bounds nothing is counted. */
export function createQuota(refs: RefStore, bounds: RegistryQuota, now: () => number): Quota {
  const counts = new Map<string, Promise<Count>>()
  const held = new Map<string, number>()

  const countOf = async (prefix: string): Promise<Count> => {
    const current = counts.get(prefix)
    const known = await current
    if (known !== undefined && now() - known.at < RECOUNT_MS) return known
    // Somebody else has begun to count meanwhile; whoever adds has to add to the same number.
    if (counts.get(prefix) !== current) return countOf(prefix)
    const counted = countBelow(refs, prefix).then((bytes) => ({ bytes, at: now() }))
    counts.set(prefix, counted)
    counted.catch(() => counts.delete(prefix))
    return counted
  }

  const boundsOf = (
    repository: string,
  ): ReadonlyArray<readonly [prefix: string, bound: number, what: string]> => [
    ...(bounds.repositoryBytes === undefined
      ? []
      : [[`${ROOT}/${repositoryKey(repository)}/`, bounds.repositoryBytes, 'This repository'] as const]),
    ...(bounds.totalBytes === undefined ? [] : [[`${ROOT}/`, bounds.totalBytes, 'This registry'] as const]),
  ]

  /** The counts that so many bytes are, or would be, added to, if they fit. */
  const roomFor = async (repository: string, bytes: number, isTaken: boolean): Promise<readonly Count[]> => {
    const limits = boundsOf(repository)
    const found = await Promise.all(limits.map(([prefix]) => countOf(prefix)))
    for (const [at, count] of found.entries()) {
      const [, bound = 0, what] = limits[at] ?? []
      if (bytes === 0 || count.bytes + bytes <= bound) continue
      throw overQuota(`${what} may hold ${bound} bytes, and holds ${count.bytes}`)
    }
    // Nothing may come between the look and the change.
    if (isTaken) change(found, bytes)
    return found
  }

  const change = (found: readonly Count[], bytes: number): void => {
    for (const count of found) count.bytes += bytes
  }

  return {
    async room(repository, bytes) {
      const found = await roomFor(repository, bytes, false)
      return Math.min(...boundsOf(repository).map(([, bound], at) => bound - (found[at]?.bytes ?? 0)))
    },
    async adding(repository, bytes, work) {
      const found = await roomFor(repository, bytes, true)
      let isNew = false
      try {
        isNew = await work()
      } finally {
        if (!isNew) change(found, -bytes)
      }
    },
    hold(repository, bytes) {
      const limits = boundsOf(repository)
      for (const [prefix, bound, what] of limits) {
        if (bytes <= 0 || (held.get(prefix) ?? 0) + bytes <= bound) continue
        throw overQuota(`${what} may hold ${bound} bytes of unfinished uploads`)
      }
      for (const [prefix] of limits) {
        const left = (held.get(prefix) ?? 0) + bytes
        if (left > 0) held.set(prefix, left)
        else held.delete(prefix)
      }
    },
    removed(repository, bytes) {
      for (const [prefix] of boundsOf(repository)) {
        void counts.get(prefix)?.then(
          (count) => change([count], -bytes),
          () => undefined,
        )
      }
    },
  }
}

async function countBelow(refs: RefStore, prefix: string): Promise<number> {
  const names = (await refs.list(prefix)).filter((name) => /^[^/]+\/[^/]+\/(?:blobs|manifests)\//.test(name))
  let bytes = 0
  for (let from = 0; from < names.length; from += AT_ONCE) {
    const documents = await Promise.all(names.slice(from, from + AT_ONCE).map((name) => refs.read(name)))
    for (const document of documents) {
      if (document !== undefined) bytes += (decodeDocument(document) as MemberRow).size
    }
  }
  return bytes
}

/** What somebody is told who brings too much. Other than a 413, it is not about one blob. */
export function overQuota(message: string): Fault {
  return new Fault(403, 'DENIED', message)
}
