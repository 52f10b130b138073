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
export { readCertsDirectory } from './hosts/certs-directory.ts'
export type { HostSettings, MirrorSettings } from './hosts/settings.ts'
export type { TlsSettings } from './http/certificates.ts'
export type { RequestDiagnostic } from './http/diagnostics.ts'
export type { ConnectionOptions } from './http/connections.ts'
export type { ReadLimits } from './http/limits.ts'
export { proxyFromEnvironment, type ProxySettings } from './http/proxy.ts'
export type { BlobLocations, BlobPlace } from './locations/locations.ts'
export { createMemoryLocations } from './locations/memory.ts'
export { createStoredLocations } from './locations/stored.ts'
export type { ProgressEvent, ProgressListener } from './progress.ts'
export type { ReferrersOptions } from './referrers/list.ts'
export type { ManifestReader, ReferrerList, Repository, TagList, TagWriter } from './repository.ts'
export {
  type ArchiveFormat,
  type ArchiveTarget,
  archiveTarget,
  type ArchiveTargetOptions,
} from './image/archive-target.ts'
export type { Companion } from './image/companions.ts'
export { copyImage } from './image/copy-image.ts'
export type { CopyImageOptions, CopyImageResult } from './image/copy-options.ts'
export type { ImageDestination, ImageSource, ImageTarget } from './image/places.ts'
export {
  createTransport,
  type Transport,
  type TransportHeaders,
  type TransportOptions,
  type TransportRequest,
  type TransportResponse,
} from './http/transport.ts'
