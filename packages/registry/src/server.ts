/**
 * A registry to embed: a fetch-style handler over any blob store, and a Node server around it.
 *
 * @packageDocumentation
 */
export { RegistryError, type RegistryErrorCode } from './errors.ts'
export type { Access, Authorize, Verdict } from './server/access.ts'
export {
  basicAuthorizer,
  type BasicAuthorizerOptions,
  type BasicCredentials,
  bearerAuthorizer,
  type BearerAuthorizerOptions,
  scopeOf,
} from './server/authorizers.ts'
export {
  createRegistryHandler,
  type DeleteKind,
  type RegistryHandler,
  type RegistryHandlerOptions,
} from './server/handler.ts'
export type { RegistryLimits } from './server/limits.ts'
export {
  type CloseOptions,
  listen,
  type ListenOptions,
  type RegistryServer,
  type ServerTls,
} from './server/listen.ts'
export type { RegistryQuota } from './server/quota.ts'
export { pruneRepositories, type PruneOptions, type PruneReport } from './server/prune.ts'
export { createTokenService, type TokenService, type TokenServiceOptions } from './server/token-service.ts'
