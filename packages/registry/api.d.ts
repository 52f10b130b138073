/* oxlint-disable */
// Public types, written by scripts/api-snapshot.mjs. Do not edit.

// ---- @varve/registry

import { ByteSource, Descriptor, Digest } from '@varve/digest'
import { ContentOptions, ContentReader, ContentWriter, Reference } from '@varve/oci-manifest'
import { Dispatcher } from 'undici'

export type ProgressEvent = {
  readonly kind: 'blob';
  readonly direction: 'pull' | 'push';
  readonly digest: Digest;
  readonly bytes: number;
  readonly size: number;
} | {
  readonly kind: 'retry';
  readonly attempt: number;
  readonly delayMs: number;
  readonly error: unknown;
};

export type ProgressListener = (event: ProgressEvent) => void;

export interface ReceivedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

export interface RegistryClient extends AsyncDisposable {
  repository(reference: Reference | string): Repository;
  close(): Promise<void>;
}

export interface RegistryClientOptions {
  readonly transport?: Transport;
  readonly insecure?: readonly string[];
  readonly concurrency?: number;
  readonly retries?: number;
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

export type RegistryErrorCode = 'ERR_REGISTRY_UNAUTHORIZED' | 'ERR_REGISTRY_DENIED' | 'ERR_REGISTRY_NOT_FOUND' | 'ERR_REGISTRY_RATE_LIMITED' | 'ERR_REGISTRY_TOO_LARGE' | 'ERR_REGISTRY_REJECTED' | 'ERR_REGISTRY_SERVER' | 'ERR_REGISTRY_CONNECTION' | 'ERR_REGISTRY_TIMEOUT' | 'ERR_REGISTRY_RESPONSE' | 'ERR_REGISTRY_REFUSED' | 'ERR_REGISTRY_LIMIT' | 'ERR_REGISTRY_UNSUPPORTED' | 'ERR_REGISTRY_LISTEN';

export interface RegistryErrorOptions extends ErrorOptions {
  readonly status?: number;
  readonly errors?: readonly SpecError[];
  readonly request?: RequestSummary;
}

export interface Repository extends ContentReader, ContentWriter {
  readonly reference: Reference;
  resolve(tagOrDigest?: string, options?: ContentOptions): Promise<Descriptor>;
  manifest(tagOrDigest?: string, options?: ContentOptions): Promise<ReceivedManifest>;
  tag(name: string, descriptor: Descriptor, bytes: Uint8Array, options?: ContentOptions): Promise<void>;
  tags(options?: ContentOptions): AsyncGenerator<string, void, void>;
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

export interface Transport {
  send(request: TransportRequest): Promise<TransportResponse>;
  close(): Promise<void>;
}

export type TransportHeaders = ReadonlyMap<string, readonly string[]>;

export interface TransportOptions {
  readonly dispatcher?: Dispatcher;
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

export declare function createRegistryClient(options?: RegistryClientOptions): RegistryClient;

export declare function createTransport(options?: TransportOptions): Transport;

// ---- @varve/registry/server

import { BlobStore, RefStore } from '@varve/cache-store'
import { RegistryErrorOptions, RequestSummary, SpecError } from '@varve/registry'

export interface Access {
  readonly repository: string | undefined;
  readonly action: 'pull' | 'push' | 'delete';
}

export interface ListenOptions {
  readonly host?: string;
  readonly port?: number;
  readonly idleTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
}

export declare class RegistryError extends Error {
  readonly code: RegistryErrorCode;
  readonly status: number | undefined;
  readonly errors: readonly SpecError[];
  readonly request: RequestSummary | undefined;
  constructor(code: RegistryErrorCode, message: string, options?: RegistryErrorOptions);
}

export type RegistryErrorCode = 'ERR_REGISTRY_UNAUTHORIZED' | 'ERR_REGISTRY_DENIED' | 'ERR_REGISTRY_NOT_FOUND' | 'ERR_REGISTRY_RATE_LIMITED' | 'ERR_REGISTRY_TOO_LARGE' | 'ERR_REGISTRY_REJECTED' | 'ERR_REGISTRY_SERVER' | 'ERR_REGISTRY_CONNECTION' | 'ERR_REGISTRY_TIMEOUT' | 'ERR_REGISTRY_RESPONSE' | 'ERR_REGISTRY_REFUSED' | 'ERR_REGISTRY_LIMIT' | 'ERR_REGISTRY_UNSUPPORTED' | 'ERR_REGISTRY_LISTEN';

export type RegistryHandler = (request: Request) => Promise<Response>;

export interface RegistryHandlerOptions {
  readonly blobs: BlobStore;
  readonly refs: RefStore;
  readonly readOnly?: boolean;
  readonly allowDelete?: boolean;
  readonly allowMissing?: boolean;
  readonly limits?: Partial<RegistryLimits>;
  readonly authorize?: (access: Access, request: Request) => Promise<Response | undefined>;
  readonly onError?: (error: unknown) => void;
  readonly now?: () => number;
}

export interface RegistryLimits {
  readonly manifestBytes: number;
  readonly blobBytes: number;
  readonly uploads: number;
  readonly uploadIdleMs: number;
  readonly pageEntries: number;
}

export interface RegistryServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

export declare function createRegistryHandler(options: RegistryHandlerOptions): RegistryHandler;

export declare function listen(handler: (request: Request) => Promise<Response>, options?: ListenOptions): Promise<RegistryServer>;
