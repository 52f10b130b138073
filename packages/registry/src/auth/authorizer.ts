/**
 * What the client wants of whoever knows credentials and tokens.
 *
 * @module
 */
import type { Host } from '../hosts/host.ts'
import type { TransportHeaders } from '../http/transport.ts'

/** What a request needs to be allowed. */
export interface WantedAccess {
  readonly host: Host
  /** As the host calls it; `undefined` for a request that is about no repository. */
  readonly repository: string | undefined
  /** Such as `repository:library/ubuntu:pull`; the one the request is about first. */
  readonly scopes: readonly string[]
}

/** A 401 that came from the host itself. */
export interface Challenge401 extends WantedAccess {
  readonly headers: TransportHeaders
  /** The `Authorization` that was not good enough. */
  readonly sent: string | undefined
}

/** What to send as `Authorization`. */
export interface Authorizer {
  /** What is known to work, or worth trying; `undefined` for nothing. */
  authorization(access: WantedAccess, signal?: AbortSignal): Promise<string | undefined>
  /**
   * Answers the challenges of a 401; tells whether to send the request again.
   *
   * @throws {RegistryError} `ERR_REGISTRY_REFUSED` if the realm must not be asked; whatever the realm's failure is.
   */
  answer(challenge: Challenge401, signal?: AbortSignal): Promise<boolean>
}
