/* oxlint-disable */
// Public types, written by scripts/api-snapshot.mjs. Do not edit.

// ---- @varve/layer

import { ByteSource, Descriptor, Digest } from '@varve/digest'

export type AdapterResult = 'done' | 'unsupported';

export interface ApplyOptions {
  readonly diffID?: Digest;
  readonly limits?: Partial<Limits>;
  readonly owner?: OwnerRule;
  readonly adapter?: FileSystemAdapter;
  readonly unsupported?: 'report' | 'error';
  readonly signal?: AbortSignal;
}

export interface ApplyReport {
  readonly diffID: Digest;
  readonly size: number;
  readonly entries: number;
  readonly unsupported: readonly UnsupportedAttribute[];
  readonly replaced: readonly string[];
}

export interface Change {
  readonly kind: 'add' | 'modify' | 'delete';
  readonly path: string;
  readonly entry?: Entry | undefined;
  readonly previous?: Entry | undefined;
}

export interface CompressOptions {
  readonly algorithm: CompressionAlgorithm;
  readonly level?: number;
  readonly inFlight?: number;
  readonly signal?: AbortSignal;
}

export type Compression = 'gzip' | 'zstd' | 'none';

export type CompressionAlgorithm = 'gzip' | 'none';

export declare const DEFAULT_LIMITS: Limits;

export interface DecodeOptions extends ParseOptions {
  readonly signal?: AbortSignal;
}

export interface DecompressOptions {
  readonly algorithm?: Compression | 'auto';
  readonly limits?: Partial<Limits>;
  readonly signal?: AbortSignal;
}

export type DeviceType = 'char' | 'block' | 'fifo';

export interface DiffOptions {
  readonly content?: 'stat' | 'racy' | 'always';
  readonly ignoreMtimeOnly?: boolean;
  readonly signal?: AbortSignal;
}

export interface DirectoryOptions {
  readonly filter?: (path: string, isDirectory: boolean) => boolean | 'descend';
  readonly mtime?: 'keep' | number | {
    readonly clamp: number;
  };
  readonly owner?: 'keep' | Owner | ((uid: number, gid: number) => Owner);
  readonly nanoseconds?: boolean;
  readonly onSkip?: (path: string, reason: 'socket' | 'unknown') => void;
  readonly signal?: AbortSignal;
}

export interface EncodeOptions {
  readonly nanoseconds?: boolean;
}

export interface Entry {
  readonly path: string;
  readonly type: EntryType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly linkname: string;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array> | undefined;
  readonly pax?: ReadonlyMap<string, Uint8Array> | undefined;
  readonly content?: ByteSource | undefined;
}

export type EntryFields = Pick<Entry, 'path' | 'type'> & Partial<Entry>;

export type EntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo';

export interface FileSystemAdapter {
  setXattrs(path: string | Uint8Array, xattrs: ReadonlyMap<string, Uint8Array>): AdapterResult;
  makeDevice(path: string | Uint8Array, type: DeviceType, major: number, minor: number, mode: number): AdapterResult;
}

export declare const LAYER_MEDIA_TYPES: Readonly<Record<CompressionAlgorithm, string>>;

export interface Layer {
  readonly descriptor: Descriptor;
  readonly diffID: Digest;
  readonly compressed: ByteSource;
  readonly uncompressed: ByteSource;
}

export declare class LayerError extends Error {
  readonly code: LayerErrorCode;
  readonly path: string | undefined;
  readonly offset: number | undefined;
  readonly limit: string | undefined;
  constructor(code: LayerErrorCode, message: string, options?: LayerErrorOptions);
}

export type LayerErrorCode = 'ERR_LAYER_PATH' | 'ERR_LAYER_ENTRY' | 'ERR_LAYER_DUPLICATE' | 'ERR_LAYER_TAR' | 'ERR_LAYER_COMPRESSION' | 'ERR_LAYER_LIMIT' | 'ERR_LAYER_UNSAFE' | 'ERR_LAYER_WHITEOUT' | 'ERR_LAYER_LINK' | 'ERR_LAYER_READ' | 'ERR_LAYER_CHANGED' | 'ERR_LAYER_APPLY' | 'ERR_LAYER_UNSUPPORTED';

export interface LayerErrorOptions extends ErrorOptions {
  readonly path?: string | undefined;
  readonly offset?: number | undefined;
  readonly limit?: string | undefined;
}

export interface LayerSink {
  write(chunk: Uint8Array): void | Promise<void>;
}

export interface Limits {
  readonly entries: number;
  readonly bytes: number;
  readonly pathDepth: number;
  readonly pathBytes: number;
  readonly paxBytes: number;
  readonly ratio: number;
}

export declare const NO_XATTRS: ReadonlyMap<string, Uint8Array>;

export declare const OPAQUE_NAME = ".wh..wh..opq";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export type OwnerRule = 'keep' | 'ignore' | ((uid: number, gid: number) => Owner);

export interface PackLayerOptions extends EncodeOptions {
  readonly compression?: CompressionAlgorithm;
  readonly level?: number;
  readonly signal?: AbortSignal;
}

export interface PackOptions extends EncodeOptions {
  readonly signal?: AbortSignal;
}

export interface PackedLayer {
  readonly descriptor: Descriptor;
  readonly diffID: Digest;
  readonly size: number;
  readonly entries: number;
  readonly encoder: string;
}

export interface ParseOptions {
  readonly strict?: boolean;
  readonly limits?: Partial<Limits>;
}

export interface ReadTarOptions extends ParseOptions {
  readonly signal?: AbortSignal;
}

export type SparseMap = readonly number[];

export interface TarMember {
  readonly entry: Entry;
  readonly offset: number;
  readonly storedSize: number;
  readonly sparse: SparseMap | undefined;
  readonly body: AsyncIterable<Uint8Array>;
}

export declare class Tree implements Iterable<Entry> {
  #private;
  private constructor();
  static from(entries: Iterable<Entry>): Tree;
  get size(): number;
  get(path: string): Entry | undefined;
  has(path: string): boolean;
  children(path: string): Entry[];
  below(path: string): Generator<Entry, void, void>;
  [Symbol.iterator](): Iterator<Entry, undefined, undefined>;
}

export interface UnsupportedAttribute {
  readonly path: string;
  readonly attribute: 'xattrs' | 'device' | 'owner' | 'mtime';
}

export declare const WHITEOUT_PREFIX = ".wh.";

export type Whiteout = {
  readonly kind: 'file';
  readonly parent: string;
  readonly name: string;
} | {
  readonly kind: 'opaque';
  readonly parent: string;
};

export declare function apply(root: string, source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options?: ApplyOptions): Promise<ApplyReport>;

export declare function baseOf(path: string): string;

export declare function comparePaths(a: string, b: string): number;

export declare function compress(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options: CompressOptions): AsyncGenerator<Uint8Array, void, void>;

export declare function createEntry(fields: EntryFields): Entry;

export declare function decodePath(bytes: Uint8Array): string;

export declare function decodeTar(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options?: DecodeOptions): AsyncGenerator<TarMember, void, void>;

export declare function decompress(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options?: DecompressOptions): AsyncGenerator<Uint8Array, void, void>;

export declare function detectCompression(head: Uint8Array): Compression;

export declare function diff(lower: Tree, upper: Tree, options?: DiffOptions): Promise<Change[]>;

export declare function encodeMember(entry: Entry, options?: EncodeOptions): Uint8Array;

export declare function encodePath(path: string): Uint8Array;

export declare function encoderName(algorithm: CompressionAlgorithm, level?: number): string;

export declare function formatWhiteout(path: string): string;

export declare function fromDirectory(root: string, options?: DirectoryOptions): Promise<Tree>;

export declare function fromLayers(layers: Iterable<Tree>): Tree;

export declare function fromTar(source: ByteSource, options?: ReadTarOptions): Promise<Tree>;

export declare function isCleanPath(path: string): boolean;

export declare function isWhiteout(path: string): boolean;

export declare function joinPath(parent: string, name: string): string;

export declare function layerTree(changes: readonly Change[], upper: Tree): Tree;

export declare function merge(lower: Tree, layer: Tree): Tree;

export declare function normalizePath(name: string): string;

export declare function openLayer(descriptor: Descriptor, diffID: Digest, compressed: ByteSource, options?: {
  readonly limits?: Partial<Limits>;
}): Layer;

export declare function pack(tree: Tree, options?: PackOptions): AsyncGenerator<Uint8Array, void, void>;

export declare function packLayer(tree: Tree, sink: LayerSink, options?: PackLayerOptions): Promise<PackedLayer>;

export declare function parentOf(path: string): string;

export declare function parseWhiteout(path: string): Whiteout | undefined;

export declare function systemAdapter(): FileSystemAdapter;

export declare function withPath(entry: Entry, path: string): Entry;
