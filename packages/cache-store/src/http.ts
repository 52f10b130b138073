/**
 * A tier on a cache server of the `/cas/` and `/ac/` form: bazel-remote, nginx with WebDAV, and whatever else Bazel's
 * HTTP caching protocol is spoken by. Node only.
 *
 * @module
 */
export type { HttpCredentials } from './http/endpoint.ts'
export { createHttpTier, type HttpTier, type HttpTierOptions } from './http/tier.ts'
