/**
 * What a repository's registry turned out to be able to do, so that it is not asked again.
 *
 * Kept by repository, not by host: behind one name there may be several kinds of registries, as in Artifactory.
 *
 * @module
 */
import type { Endpoint } from '../endpoint.ts'
import type { Exchange } from '../http/exchange.ts'

/** Lists referrers; takes several tags with one manifest. */
export type Ability = 'referrers' | 'tags'

const MAX_REPOSITORIES = 10_000

const known = new WeakMap<Exchange, Map<string, boolean>>()

/** Whether the registry can do it; `undefined` if nobody has found out. */
export function abilityOf(endpoint: Endpoint, ability: Ability): boolean | undefined {
  return known.get(endpoint.exchange)?.get(keyOf(endpoint, ability))
}

/** Notes whether the registry can do it. */
export function noteAbility(endpoint: Endpoint, ability: Ability, isThere: boolean): void {
  const abilities = known.get(endpoint.exchange) ?? new Map<string, boolean>()
  known.set(endpoint.exchange, abilities)
  abilities.set(keyOf(endpoint, ability), isThere)
  const [oldest] = abilities.keys()
  if (abilities.size > MAX_REPOSITORIES && oldest !== undefined) abilities.delete(oldest)
}

function keyOf({ host, repository }: Endpoint, ability: Ability): string {
  return `${ability} ${host.origin}/${host.pathPrefix}${repository}`
}
