/**
 * Where things lie in a bucket.
 *
 * ```
 * <prefix>/v1/blobs/<algorithm>/<hex>     complete and verified
 * <prefix>/v1/ac/<scope>/<key>            one sealed record each
 * <prefix>/v1/refs/<name>                 one sealed document each, `/` written as `~`
 * <prefix>/v1/refs/<name>/<number>        its versions, where the server cannot replace under a condition
 * <prefix>/v1/flight/<scope>/<key>        marks of single-flight
 * <prefix>/v1/probe/<random>              what the probe writes and removes
 * ```
 *
 * @module
 */
import { type Algorithm, algorithmOf, type Digest, hexOf, isDigest } from '@varve/digest'
import type { Scope } from '../action-index.ts'

/** The keys of one store. */
export interface Keys {
  /** What all of them begin with, ending in `/`. */
  readonly root: string
  blob(digest: Digest): string
  /** What the keys of all blobs of an algorithm begin with. */
  blobs(algorithm: Algorithm): string
  record(scope: Scope, key: Digest): string
  /** Flat: a server over a file system cannot have both `a` and `a/b`. */
  ref(name: string): string
  readonly refs: string
  /** One directory deep, for the same reason. */
  flight(name: string): string
  probe(name: string): string
}

const ALGORITHMS: readonly Algorithm[] = ['sha256', 'sha512', 'blake3']

const PREFIX = /^[\w!.*'()/-]{1,512}$/

/** @throws {TypeError} if the prefix is not made of the characters that all servers take. */
export function createKeys(prefix = ''): Keys {
  const base = prefix.replace(/\/+$/, '')
  if (base !== '' && !(PREFIX.test(base) && base.split('/').every(isPart)))
    throw new TypeError(`Not a prefix for keys: ${JSON.stringify(prefix.slice(0, 600))}`)
  const root = base === '' ? 'v1/' : `${base}/v1/`
  const blobs = (algorithm: Algorithm): string => `${root}blobs/${algorithm}/`
  return {
    root,
    blobs,
    blob: (digest) => blobs(algorithmOf(digest)) + hexOf(digest),
    record: (scope, key) => `${root}ac/${scope}/${nameOfKey(key)}`,
    refs: `${root}refs/`,
    ref: (name) => `${root}refs/${name.replaceAll('/', '~')}`,
    flight: (name) => `${root}flight/${placeOf(name)}`,
    probe: (name) => `${root}probe/${name}`,
  }
}

/** What a key of a store names. */
export type Named =
  | { readonly kind: 'blob'; readonly digest: Digest }
  | { readonly kind: 'record'; readonly scope: Scope; readonly key: Digest }
  | { readonly kind: 'ref' | 'flight' | 'probe' | 'unknown' }

/** The other way round; whatever else lies there is `unknown`. */
export function parseKey(root: string, key: string): Named {
  const [kind, first = '', second = '', ...rest] = key.slice(root.length).split('/')
  if (kind === 'refs' || kind === 'flight' || kind === 'probe')
    return { kind: kind === 'refs' ? 'ref' : kind }
  if (rest.length > 0) return { kind: 'unknown' }
  if (kind === 'blobs') {
    const digest = `${first}:${second}`
    return isDigest(digest, ALGORITHMS) ? { kind: 'blob', digest } : { kind: 'unknown' }
  }
  const digest = second.includes('-') ? second.replace('-', ':') : `sha256:${second}`
  return kind === 'ac' && isDigest(digest, ALGORITHMS)
    ? { kind: 'record', scope: first, key: digest }
    : { kind: 'unknown' }
}

/** `scope/key` as it is; whatever other names there are do not meet. */
function placeOf(name: string): string {
  const parts = name.split('/')
  const last = parts.pop() ?? ''
  return `${parts.join('~') || '~'}/${last}`
}

function nameOfKey(key: Digest): string {
  return algorithmOf(key) === 'sha256' ? hexOf(key) : `${algorithmOf(key)}-${hexOf(key)}`
}

function isPart(part: string): boolean {
  return part !== '' && part !== '.' && part !== '..'
}
