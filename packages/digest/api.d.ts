/* oxlint-disable */
// Public types, written by scripts/api-snapshot.mjs. Do not edit.

// ---- @varve/digest

export type Algorithm = OciAlgorithm | 'blake3';

export interface BlockReader {
  readonly size: number;
  read(target: Uint8Array, position: number): number;
  close(): void;
}

export interface ByteSource {
  readonly size: number | undefined;
  open(options?: OpenOptions): AsyncIterable<Uint8Array>;
  openBlocks?(): BlockReader | undefined;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  readonly urls?: readonly string[];
  readonly data?: string;
}

export type Digest = `${Algorithm}:${string}` & {
  readonly [validated]: true;
};

export interface DigestAndSize {
  readonly digest: Digest;
  readonly size: number;
}

export declare class DigestError extends Error {
  readonly code: DigestErrorCode;
  readonly expected: string | number | undefined;
  readonly actual: string | number | undefined;
  constructor(code: DigestErrorCode, message: string, options?: DigestErrorOptions);
}

export type DigestErrorCode = 'ERR_DIGEST_INVALID' | 'ERR_DIGEST_UNSUPPORTED' | 'ERR_DIGEST_MISMATCH' | 'ERR_DIGEST_SIZE' | 'ERR_DIGEST_LIMIT';

export interface DigestErrorOptions extends ErrorOptions {
  readonly expected?: string | number;
  readonly actual?: string | number;
}

export interface Digester {
  update(chunk: Uint8Array): void;
  finish(): DigestAndSize;
}

export interface Expected {
  readonly digest: Digest;
  readonly size?: number | undefined;
}

export declare const OCI_ALGORITHMS: readonly OciAlgorithm[];

export type OciAlgorithm = 'sha256' | 'sha512';

export interface OpenOptions {
  readonly start?: number;
  readonly end?: number;
  readonly signal?: AbortSignal;
}

export declare function algorithmOf(digest: Digest): Algorithm;

export declare function assertExpected(actual: DigestAndSize, expected: Expected): void;

export declare function bytesSource(bytes: Uint8Array): ByteSource;

export declare function compareDigests(a: Digest, b: Digest): number;

export declare function concatSources(parts: readonly ByteSource[]): ByteSource;

export declare function createDigester(algorithm?: Algorithm): Digester;

export declare function describe(mediaType: string, bytes: Uint8Array, algorithm?: OciAlgorithm): Descriptor;

export declare function digestOf(bytes: Uint8Array, algorithm?: Algorithm): Digest;

export declare function digestStream(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, algorithm?: Algorithm): Promise<DigestAndSize>;

export declare function formatDigest(algorithm: Algorithm, hex: string): Digest;

export declare function hexOf(digest: Digest): string;

export declare function isDigest(input: unknown, algorithms?: readonly Algorithm[]): input is Digest;

export declare function parseDigest(input: string, algorithms?: readonly Algorithm[]): Digest;

export declare function readAll(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, limit: number): Promise<Uint8Array>;

export declare function sliceSource(source: ByteSource, start: number, end?: number | undefined): ByteSource;

export declare function streamSource(start: (signal?: AbortSignal) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>, size?: number): ByteSource;

export declare function unverifiedSource(source: ByteSource): ByteSource;

export declare function verifiedSource(source: ByteSource, expected: Expected): ByteSource;

export declare function verify(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, expected: Expected): AsyncGenerator<Uint8Array, void, void>;

export declare function withSignal(signal: AbortSignal | undefined): {
  readonly signal?: AbortSignal;
};

// not exported, but part of the types above

declare const validated: unique symbol;

// ---- @varve/digest/node

import { Algorithm, ByteSource, DigestAndSize } from '@varve/digest'

export declare function digestFile(path: string | Uint8Array, algorithm?: Algorithm): DigestAndSize;

export declare function fileSource(path: string | Uint8Array, size?: number): ByteSource;
