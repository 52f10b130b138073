/**
 * Budgets for archives from outside. All of them are on unless a caller raises them.
 *
 * @module
 */
import { LayerError } from '../errors.ts'

/** What an untrusted layer may ask for. */
export interface Limits {
  /** Members of one archive. */
  readonly entries: number
  /** Bytes of one uncompressed archive, and of the files it makes, holes included. */
  readonly bytes: number
  /** Components of one path. */
  readonly pathDepth: number
  /** Bytes of one name or link target. */
  readonly pathBytes: number
  /** Bytes of one extended header, GNU long name or sparse map. */
  readonly paxBytes: number
  /** Uncompressed bytes for each compressed one, once more than 128 MiB have come out. */
  readonly ratio: number
}

/** Output below this many bytes is never held against the ratio: small files of zeros compress a thousandfold. */
export const RATIO_FLOOR: number = 128 * 1024 * 1024

/**
 * Room for every image known to us: 4 million entries, 256 GiB, paths of PATH_MAX bytes (4096) and as deep as such
 * a path can be (2048), 1 MiB of metadata a member as Go's reader has it, a ratio of 250.
 */
export const DEFAULT_LIMITS: Limits = {
  entries: 4_000_000,
  bytes: 256 * 1024 ** 3,
  pathDepth: 2048,
  pathBytes: 4096,
  paxBytes: 1024 * 1024,
  ratio: 250,
}

/** Fills in the defaults. */
export function resolveLimits(limits: Partial<Limits> = {}): Limits {
  return { ...DEFAULT_LIMITS, ...limits }
}

/** The error for a budget that is used up. */
export function limitError(limits: Limits, name: keyof Limits, what: string, path?: string): LayerError {
  return new LayerError('ERR_LAYER_LIMIT', `${what}: over the limit of ${limits[name]} (${name})`, {
    limit: name,
    path,
  })
}
