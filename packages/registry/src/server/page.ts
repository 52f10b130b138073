/**
 * Paging by `n` and `last`: distribution-spec, "Listing Tags".
 *
 * @module
 */
import { Fault } from './fault.ts'

/** A part of a sorted list. */
export interface Page {
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
  const rest = after === null ? keys : keys.filter((key) => key > after)
  const entries = rest.slice(0, count)
  const last = entries.at(-1)
  if (last === undefined || entries.length === rest.length) return { entries, headers: {} }
  const query = new URLSearchParams(url.searchParams)
  query.set('n', String(count))
  query.set('last', last)
  return { entries, headers: { Link: `<${url.pathname}?${query.toString()}>; rel="next"` } }
}
