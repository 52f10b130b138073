/**
 * Moves images: a distribution client that trusts no reply. The server is `@varve/registry/server`.
 *
 * @packageDocumentation
 */
export { createRegistryClient, type RegistryClient, type RegistryClientOptions } from './client.ts'
export {
  RegistryError,
  type RegistryErrorCode,
  type RegistryErrorOptions,
  type RequestSummary,
  type SpecError,
} from './errors.ts'
export type { ReceivedManifest } from './manifest/request.ts'
export type { TransferOptions } from './blob/options.ts'
export type { Credential, CredentialQuery, CredentialSource } from './credentials/credential.ts'
export type { HostSettings, MirrorSettings } from './hosts/settings.ts'
export type { BlobLocations, BlobPlace } from './locations/locations.ts'
export type { ProgressEvent, ProgressListener } from './progress.ts'
export type { Repository } from './repository.ts'
export {
  createTransport,
  type Transport,
  type TransportHeaders,
  type TransportOptions,
  type TransportRequest,
  type TransportResponse,
} from './http/transport.ts'
