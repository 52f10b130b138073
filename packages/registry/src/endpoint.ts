/**
 * One repository at one host, as the modules that speak for it see it.
 *
 * @module
 */
import type { TransferSettings } from './blob/options.ts'
import type { Host } from './hosts/host.ts'
import type { Exchange, ExchangeRequest } from './http/exchange.ts'
import type { FollowedResponse } from './http/follow.ts'
import { appendQuery } from './http/location.ts'
import type { BlobLocations } from './locations/locations.ts'
import type { ProgressListener } from './progress.ts'

/** Where requests of a repository go. */
export interface Endpoint {
  readonly exchange: Exchange
  readonly host: Host
  /** As references spell it; the host may put something before it. */
  readonly repository: string
  readonly transfer: TransferSettings
  readonly locations: BlobLocations | undefined
  readonly onProgress: ProgressListener | undefined
}

/** A mirror, asked before the registry. */
export interface MirrorEndpoint {
  readonly endpoint: Endpoint
  /** Never asked for a tag. */
  readonly byDigestOnly: boolean
}

/** Where a repository is. */
export interface RepositoryPlaces {
  /** Takes every write, and has the last word in every read. */
  readonly registry: Endpoint
  /** In the order they are asked in. */
  readonly mirrors: readonly MirrorEndpoint[]
}

/** A request below `/v2/<name>/`, or at a location that the registry gave. */
export interface EndpointRequest extends Omit<ExchangeRequest, 'host' | 'repository' | 'scopes' | 'url'> {
  /** Such as `tags/list`, or a whole URL. */
  readonly target: string
  readonly access: 'pull' | 'push' | 'delete'
  /** Another repository of the registry that is read: the source of a mount. */
  readonly from?: string
}

/** Sends a request of a repository. */
export function sendTo(endpoint: Endpoint, request: EndpointRequest): Promise<FollowedResponse> {
  const { target, access, from, ...rest } = request
  const { host } = endpoint
  const repository = host.pathPrefix + endpoint.repository
  const actions = { pull: 'pull', push: 'pull,push', delete: 'delete' }[access]
  const scopes = [`repository:${repository}:${actions}`]
  if (from !== undefined) scopes.push(`repository:${from}:pull`)
  const url = target.includes('://') ? target : inNamespace(host, `${host.origin}/v2/${repository}/${target}`)
  return endpoint.exchange.send({ ...rest, host, repository, url, scopes })
}

function inNamespace({ namespace }: Host, url: string): string {
  return namespace === undefined ? url : appendQuery(url, 'ns', namespace)
}
