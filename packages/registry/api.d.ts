/* oxlint-disable */
// Public types, written by scripts/api-snapshot.mjs. Do not edit.

// ---- @varve/registry

import { ArchiveRoot } from '@varve/oci-manifest/archive'
import { BlobReader, BlobWriter, ContentOptions, ContentReader, ContentWriter, CopyEvent, ImageIndex, Parsed, PlanOptions, Platform, Reference } from '@varve/oci-manifest'
import { ByteSource, Descriptor, Digest } from '@varve/digest'
import { LookupFunction } from 'node:net'
import { RefStore } from '@varve/cache-store'

export type ArchiveFormat = 'oci' | 'docker';

export interface ArchiveTarget {
  readonly path: string;
  readonly format: ArchiveFormat;
  pack(roots: readonly ArchiveRoot[], from: ContentReader, options: ContentOptions): AsyncIterable<Uint8Array>;
}

export interface ArchiveTargetOptions {
  readonly format?: ArchiveFormat;
}

export interface BlobLocations {
  add(digest: Digest, place: BlobPlace): Promise<void>;
  drop(digest: Digest, place: BlobPlace): Promise<void>;
  repositoriesOf(digest: Digest, registry: string): Promise<readonly string[]>;
  addLayer(diffID: Digest, layer: Descriptor): Promise<void>;
  layersOf(diffID: Digest): Promise<readonly Descriptor[]>;
  diffIDOf(digest: Digest): Promise<Digest | undefined>;
}

export interface BlobPlace {
  readonly registry: string;
  readonly repository: string;
}

export interface Companion {
  readonly descriptor: Descriptor;
  readonly subject: Digest;
  readonly tag?: string;
}

export interface ConnectionOptions {
  readonly connectTimeoutMs: number;
  readonly proxy?: ProxySettings;
  readonly tlsOf?: (origin: string) => TlsSettings;
  readonly mayBePrivate?: (origin: string) => boolean;
  readonly lookup?: LookupFunction;
}

export interface CopyImageOptions extends ContentOptions, Pick<PlanOptions, 'platforms' | 'sparse' | 'attestations'> {
  readonly image?: string | Descriptor;
  readonly from: ImageSource;
  readonly to: ImageDestination;
  readonly tags?: readonly string[];
  readonly referrers?: boolean | ((companion: Companion) => boolean);
  readonly recheck?: boolean;
  readonly concurrency?: number;
  readonly onProgress?: (event: CopyEvent) => void;
}

export interface CopyImageResult {
  readonly descriptor: Descriptor;
  readonly referrers: readonly Descriptor[];
  readonly copied: number;
  readonly existed: number;
  readonly mounted: number;
  readonly bytes: number;
}

export type Credential = {
  readonly kind: 'basic';
  readonly username: string;
  readonly password: string;
} | {
  readonly kind: 'identity-token';
  readonly token: string;
  readonly username?: string;
} | {
  readonly kind: 'registry-token';
  readonly token: string;
};

export interface CredentialQuery {
  readonly host: string;
  readonly repository: string | undefined;
}

export interface CredentialSource {
  find(query: CredentialQuery, options?: {
    readonly signal?: AbortSignal;
  }): Promise<Credential | undefined>;
}

export interface HostSettings {
  readonly insecure?: boolean;
  readonly ca?: string | readonly string[];
  readonly cert?: string | readonly string[];
  readonly key?: string | readonly string[];
  readonly skipVerify?: boolean;
  readonly concurrency?: number;
  readonly blocked?: boolean;
  readonly mirrors?: readonly MirrorSettings[];
  readonly trustedRealms?: readonly string[];
}

export type ImageDestination = Repository | ImageTarget | ArchiveTarget;

export interface ImageSource extends ContentReader, Partial<BlobReader>, Partial<ReferrerList> {
  resolve(nameOrDigest?: string, options?: ContentOptions & {
    readonly platform?: Platform;
  }): Promise<Descriptor> | Descriptor;
  readonly index?: Parsed<ImageIndex> | (() => Promise<Parsed<ImageIndex>>);
}

export interface ImageTarget extends ContentWriter, Partial<BlobWriter> {
  tag(name: string | undefined, descriptor: Descriptor, options?: ContentOptions): Promise<void>;
}

export interface ManifestReader {
  resolve(tagOrDigest?: string, options?: ContentOptions): Promise<Descriptor>;
  manifest(tagOrDigest?: string, options?: ContentOptions): Promise<ReceivedManifest>;
}

export interface MirrorSettings {
  readonly location: string;
  readonly priority?: number;
  readonly byDigestOnly?: boolean;
  readonly isProxy?: boolean;
}

export type ProgressEvent = {
  readonly kind: 'blob';
  readonly direction: 'pull' | 'push';
  readonly digest: Digest;
  readonly bytes: number;
  readonly size: number;
} | {
  readonly kind: 'mount';
  readonly digest: Digest;
  readonly from: string | undefined;
  readonly size: number;
} | {
  readonly kind: 'retry';
  readonly attempt: number;
  readonly delayMs: number;
  readonly error: unknown;
} | {
  readonly kind: 'mirror';
  readonly host: string;
  readonly error: unknown;
} | {
  readonly kind: 'warning';
  readonly host: string;
  readonly text: string;
} | {
  readonly kind: 'rate-limit';
  readonly host: string;
  readonly limit: number | undefined;
  readonly remaining: number;
  readonly windowSeconds: number | undefined;
};

export type ProgressListener = (event: ProgressEvent) => void;

export interface ProxySettings {
  readonly http?: string;
  readonly https?: string;
  readonly noProxy?: string;
}

export interface ReadLimits {
  readonly documentBytes: number;
  readonly tokenBytes: number;
  readonly errorBytes: number;
}

export interface ReceivedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

export interface ReferrerList {
  referrers(subject: Digest, options?: ReferrersOptions): Promise<readonly Descriptor[]>;
}

export interface ReferrersOptions extends ContentOptions {
  readonly artifactType?: string;
}

export interface RegistryClient extends AsyncDisposable {
  repository(reference: Reference | string): Repository;
  close(): Promise<void>;
}

export interface RegistryClientOptions {
  readonly transport?: Transport;
  readonly proxy?: ProxySettings;
  readonly insecure?: readonly string[];
  readonly refusePrivateAddresses?: boolean;
  readonly concurrency?: number;
  readonly retries?: number;
  readonly credentials?: CredentialSource;
  readonly hosts?: Readonly<Record<string, HostSettings>>;
  readonly transfer?: TransferOptions;
  readonly limits?: Partial<ReadLimits>;
  readonly locations?: BlobLocations;
  readonly userAgent?: string;
  readonly onProgress?: ProgressListener;
}

export declare class RegistryError extends Error {
  readonly code: RegistryErrorCode;
  readonly status: number | undefined;
  readonly errors: readonly SpecError[];
  readonly request: RequestSummary | undefined;
  constructor(code: RegistryErrorCode, message: string, options?: RegistryErrorOptions);
}

export type RegistryErrorCode = 'ERR_REGISTRY_UNAUTHORIZED' | 'ERR_REGISTRY_DENIED' | 'ERR_REGISTRY_NOT_FOUND' | 'ERR_REGISTRY_RATE_LIMITED' | 'ERR_REGISTRY_TOO_LARGE' | 'ERR_REGISTRY_REJECTED' | 'ERR_REGISTRY_SERVER' | 'ERR_REGISTRY_CONNECTION' | 'ERR_REGISTRY_TIMEOUT' | 'ERR_REGISTRY_RESPONSE' | 'ERR_REGISTRY_REFUSED' | 'ERR_REGISTRY_LIMIT' | 'ERR_REGISTRY_UNSUPPORTED' | 'ERR_REGISTRY_SETTINGS' | 'ERR_REGISTRY_CREDENTIALS' | 'ERR_REGISTRY_LISTEN';

export interface RegistryErrorOptions extends ErrorOptions {
  readonly status?: number;
  readonly errors?: readonly SpecError[];
  readonly request?: RequestSummary;
}

export interface Repository extends ContentReader, ContentWriter, BlobReader, BlobWriter, ManifestReader, TagWriter, TagList, ReferrerList {
  readonly reference: Reference;
}

export interface RequestDiagnostic {
  readonly method: string;
  readonly url: string;
  readonly startedAt: number;
  readonly durationMs: number;
  readonly status: number | undefined;
  readonly error: string | undefined;
}

export interface RequestSummary {
  readonly method: string;
  readonly url: string;
}

export interface SpecError {
  readonly code: string;
  readonly message: string;
  readonly detail?: unknown;
}

export interface TagList {
  tags(options?: ContentOptions): AsyncGenerator<string, void, void>;
}

export interface TagWriter {
  tag(names: string | readonly string[], descriptor: Descriptor, bytes: Uint8Array, options?: ContentOptions): Promise<void>;
  delete(what: string | Descriptor, options?: ContentOptions): Promise<void>;
}

export type TlsSettings = Pick<HostSettings, 'ca' | 'cert' | 'key' | 'skipVerify'>;

export interface TransferOptions {
  readonly chunkBytes?: number;
  readonly monolithicBytes?: number;
  readonly parallelBytes?: number;
  readonly parallelParts?: number;
  readonly parallelBelow?: number;
  readonly stallMs?: number;
  readonly foreignLayers?: boolean;
}

export interface Transport {
  send(request: TransportRequest): Promise<TransportResponse>;
  close(): Promise<void>;
}

export type TransportHeaders = ReadonlyMap<string, readonly string[]>;

export interface TransportOptions extends Partial<ConnectionOptions> {
  readonly connectTimeoutMs?: number;
  readonly headersTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
}

export interface TransportRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: ByteSource;
  readonly signal?: AbortSignal;
}

export interface TransportResponse {
  readonly status: number;
  readonly headers: TransportHeaders;
  readonly body: AsyncIterable<Uint8Array>;
  discard(): Promise<void>;
}

export declare function archiveTarget(path: string, { format }?: ArchiveTargetOptions): ArchiveTarget;

export declare function copyImage(options: CopyImageOptions): Promise<CopyImageResult>;

export declare function createMemoryLocations(): BlobLocations;

export declare function createRegistryClient(options?: RegistryClientOptions): RegistryClient;

export declare function createStoredLocations(refs: RefStore): BlobLocations;

export declare function createTransport(options?: TransportOptions): Transport;

export declare function proxyFromEnvironment(environment: Readonly<Record<string, string | undefined>>): ProxySettings;

export declare function readCertsDirectory(directory: string, { signal }?: {
  readonly signal?: AbortSignal;
}): Promise<Record<string, HostSettings>>;

// ---- @varve/registry/credentials

export type Credential = {
  readonly kind: 'basic';
  readonly username: string;
  readonly password: string;
} | {
  readonly kind: 'identity-token';
  readonly token: string;
  readonly username?: string;
} | {
  readonly kind: 'registry-token';
  readonly token: string;
};

export interface CredentialQuery {
  readonly host: string;
  readonly repository: string | undefined;
}

export interface CredentialSource {
  find(query: CredentialQuery, options?: {
    readonly signal?: AbortSignal;
  }): Promise<Credential | undefined>;
}

export interface DockerCredentialsOptions {
  readonly credentials?: Readonly<Record<string, Credential>>;
  readonly environment?: Environment;
  readonly homeDirectory?: string;
  readonly helperTimeoutMs?: number;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export declare function combineCredentials(...sources: readonly CredentialSource[]): CredentialSource;

export declare function createDockerCredentials(options?: DockerCredentialsOptions): CredentialSource;

export declare function createFixedCredentials(table: Readonly<Record<string, Credential>>): CredentialSource;

// ---- @varve/registry/server

import { BlobStore, Pins, RefStore, StoreOptions } from '@varve/cache-store'
import { RegistryErrorOptions, RequestSummary, SpecError } from '@varve/registry'

export interface Access {
  readonly repository: string | undefined;
  readonly action: 'pull' | 'push' | 'delete' | 'list';
}

export type Authorize = (access: Access, request: Request) => Promise<Response | undefined>;

export interface BasicAuthorizerOptions {
  readonly realm?: string;
  readonly verify: (credentials: BasicCredentials | undefined, access: Access) => Verdict | Promise<Verdict>;
}

export interface BasicCredentials {
  readonly username: string;
  readonly password: string;
}

export interface BearerAuthorizerOptions {
  readonly realm: string;
  readonly service: string;
  readonly verify: (token: string | undefined, access: Access) => Verdict | Promise<Verdict>;
}

export interface CloseOptions {
  readonly graceMs?: number;
}

export type DeleteKind = 'tag' | 'manifest' | 'blob';

export interface ListenOptions {
  readonly host?: string;
  readonly port?: number;
  readonly idleTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
  readonly maxConnections?: number;
  readonly tls?: ServerTls;
}

export interface PruneOptions extends StoreOptions {
  readonly blobs: BlobStore;
  readonly refs: RefStore;
  readonly graceMs?: number;
  readonly untagged?: boolean;
  readonly dryRun?: boolean;
  readonly now?: () => number;
}

export interface PruneReport {
  readonly manifests: {
    readonly count: number;
    readonly bytes: number;
  };
  readonly blobs: {
    readonly count: number;
    readonly bytes: number;
  };
}

export declare class RegistryError extends Error {
  readonly code: RegistryErrorCode;
  readonly status: number | undefined;
  readonly errors: readonly SpecError[];
  readonly request: RequestSummary | undefined;
  constructor(code: RegistryErrorCode, message: string, options?: RegistryErrorOptions);
}

export type RegistryErrorCode = 'ERR_REGISTRY_UNAUTHORIZED' | 'ERR_REGISTRY_DENIED' | 'ERR_REGISTRY_NOT_FOUND' | 'ERR_REGISTRY_RATE_LIMITED' | 'ERR_REGISTRY_TOO_LARGE' | 'ERR_REGISTRY_REJECTED' | 'ERR_REGISTRY_SERVER' | 'ERR_REGISTRY_CONNECTION' | 'ERR_REGISTRY_TIMEOUT' | 'ERR_REGISTRY_RESPONSE' | 'ERR_REGISTRY_REFUSED' | 'ERR_REGISTRY_LIMIT' | 'ERR_REGISTRY_UNSUPPORTED' | 'ERR_REGISTRY_SETTINGS' | 'ERR_REGISTRY_CREDENTIALS' | 'ERR_REGISTRY_LISTEN';

export type RegistryHandler = (request: Request) => Promise<Response>;

export interface RegistryHandlerOptions {
  readonly blobs: BlobStore;
  readonly refs: RefStore;
  readonly pins?: Pins;
  readonly readOnly?: boolean;
  readonly allowDelete?: boolean | readonly DeleteKind[];
  readonly allowMissing?: boolean;
  readonly limits?: Partial<RegistryLimits>;
  readonly quota?: RegistryQuota;
  readonly authorize?: Authorize;
  readonly warn?: (access: Access, request: Request) => readonly string[] | undefined;
  readonly onError?: (error: unknown) => void;
  readonly now?: () => number;
}

export interface RegistryLimits {
  readonly manifestBytes: number;
  readonly pendingManifestBytes: number;
  readonly blobBytes: number;
  readonly uploads: number;
  readonly uploadIdleMs: number;
  readonly pageEntries: number;
}

export interface RegistryQuota {
  readonly repositoryBytes?: number;
  readonly totalBytes?: number;
}

export interface RegistryServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  close(options?: CloseOptions): Promise<void>;
}

export interface ServerTls {
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
  readonly ca?: string | Uint8Array;
}

export interface TokenService {
  readonly authorize: Authorize;
  readonly issue: (request: Request) => Promise<Response>;
}

export interface TokenServiceOptions {
  readonly realm: string | ((request: Request) => string);
  readonly service: string;
  readonly verify: (credentials: BasicCredentials | undefined, access: Access) => Verdict | Promise<Verdict>;
  readonly lifetimeMs?: number;
  readonly key?: Uint8Array;
  readonly now?: () => number;
}

export type Verdict = 'allow' | 'challenge' | 'deny';

export declare function basicAuthorizer({ realm, verify }: BasicAuthorizerOptions): Authorize;

export declare function bearerAuthorizer({ realm, service, verify }: BearerAuthorizerOptions): Authorize;

export declare function createRegistryHandler(options: RegistryHandlerOptions): RegistryHandler;

export declare function createTokenService(options: TokenServiceOptions): TokenService;

export declare function listen(handler: (request: Request) => Promise<Response>, options?: ListenOptions): Promise<RegistryServer>;

export declare function pruneRepositories(options: PruneOptions): Promise<PruneReport>;

export declare function scopeOf({ repository, action }: Access): string | undefined;
