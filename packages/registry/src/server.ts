/**
 * A registry to embed: a fetch-style handler over any blob store, and a Node server around it.
 *
 * @packageDocumentation
 */
export { RegistryError, type RegistryErrorCode } from './errors.ts'
export {
  type Access,
  createRegistryHandler,
  type RegistryHandler,
  type RegistryHandlerOptions,
} from './server/handler.ts'
export type { RegistryLimits } from './server/limits.ts'
export { listen, type ListenOptions, type RegistryServer } from './server/listen.ts'
