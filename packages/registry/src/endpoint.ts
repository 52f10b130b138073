/**
 * One repository at one registry, as the modules that speak for it see it.
 *
 * @module
 */
import type { Exchange, ExchangeRequest } from './exchange.ts'
import type { FollowedResponse } from './follow.ts'
import type { ProgressListener } from './progress.ts'

/** Where requests of a repository go. */
export interface Endpoint {
  readonly exchange: Exchange
  /** Origin of the registry. */
  readonly registry: string
  /** Name of the repository, below the registry. */
  readonly repository: string
  readonly onProgress: ProgressListener | undefined
}

/** A request below `/v2/<name>/`, or at a location that the registry gave. */
export interface EndpointRequest extends Omit<ExchangeRequest, 'registry' | 'scope' | 'url'> {
  /** Such as `tags/list`, or a whole URL. */
  readonly target: string
  readonly access: 'pull' | 'push'
}

/** Sends a request of a repository. */
export function sendTo(endpoint: Endpoint, request: EndpointRequest): Promise<FollowedResponse> {
  const { target, access, ...rest } = request
  const { registry, repository } = endpoint
  return endpoint.exchange.send({
    ...rest,
    registry,
    url: target.includes('://') ? target : `${registry}/v2/${repository}/${target}`,
    scope: `repository:${repository}:${access === 'push' ? 'pull,push' : 'pull'}`,
  })
}
