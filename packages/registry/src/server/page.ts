/**
 * Paging by `n` and `last`: distribution-spec, "Listing Tags".
 *
 * @module
 */
import { Fault } from './fault.ts'

/** A part of a sorted list. */
export interface Page {
  /** How many were asked for, or may be. */
  readonly count: number
  readonly entries: readonly string[]
  /** A `Link` to the rest, where there is one; ready to be spread into headers. */
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Cuts the page that `url` asks for out of `keys`, which are sorted by code unit.
 *
 * `n` above `limit` is taken as `limit`; `n=0` is an empty page without a link.
 *
 * @throws {Fault} 400 if `n` is not a number.
 */
export function cutPage(keys: readonly string[], url: URL, limit: number): Page {
  const asked = url.searchParams.get('n')
  if (asked !== null && !/^\d+$/.test(asked)) {
    throw new Fault(400, 'PAGINATION_NUMBER_INVALID', 'n must be a number')
  }
  const count = Math.min(asked === null ? limit : Number(asked), limit)
  const after = url.searchParams.get('last')
  const rest = after === null ? keys : keys.slice(firstAfter(keys, after))
  const entries = rest.slice(0, count)
  const last = entries.at(-1)
  if (last === undefined || entries.length === rest.length) return { count, entries, headers: {} }
  return { count, entries, headers: linkAfter(url, count, last) }
}

/** The header that leads to the page after an entry. */
export function linkAfter(url: URL, count: number, last: string): Readonly<Record<string, string>> {
  const query = new URLSearchParams(url.searchParams)
  query.set('n', String(count))
  query.set('last', last)
  return { Link: `<${url.pathname}?${query.toString()}>; rel="next"` }
}

/** Where keys begin that come after one, by halving. */
function firstAfter(keys: readonly string[], after: string): number {
  let [low, high] = [0, keys.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((keys[middle] ?? '') > after) high = middle
    else low = middle + 1
  }
  return low
}
