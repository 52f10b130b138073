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
  readonly xattrFilter?: XattrFilter;
  readonly unsupported?: 'report' | 'error';
  readonly onFile?: FileObserver;
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

export interface CompressOptions extends EncoderOptions {
  readonly inFlight?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type Compression = 'gzip' | 'zstd' | 'none';

export type CompressionAlgorithm = 'gzip' | 'zstd' | 'none';

export type ContentDigest = (entry: Entry) => string | undefined | Promise<string | undefined>;

export type ContentLookup = (content: TarContent) => ByteSource | undefined | Promise<ByteSource | undefined>;

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
  readonly owner?: 'compare' | 'ignore' | OwnerMapping;
  readonly signal?: AbortSignal;
}

export interface DirectoryOptions {
  readonly filter?: (path: string, isDirectory: boolean) => boolean | 'descend';
  readonly mtime?: 'keep' | number | {
    readonly clamp: number;
  };
  readonly owner?: 'keep' | Owner | ((uid: number, gid: number) => Owner);
  readonly nanoseconds?: boolean;
  readonly xattrs?: 'ignore' | 'read' | FileXattrs;
  readonly onUnknownXattrs?: UnknownXattrs;
  readonly onSkip?: (path: string, reason: 'socket' | 'unknown') => void;
  readonly signal?: AbortSignal;
}

export interface DuplicateContent {
  readonly digest: string;
  readonly size: number;
  readonly files: readonly {
    readonly layer: number;
    readonly path: string;
  }[];
}

export declare const ESTARGZ_ANNOTATIONS: {
  readonly tocDigest: 'containerd.io/snapshot/stargz/toc.digest';
  readonly uncompressedSize: 'io.containers.estargz.uncompressed-size';
};

export interface Efficiency {
  readonly shipped: number;
  readonly visible: number;
  readonly wasted: number;
  readonly ratio: number;
  readonly duplicated: number;
  readonly layers: readonly LayerEfficiency[];
  readonly paths: readonly PathWaste[];
  readonly duplicates: readonly DuplicateContent[];
}

export interface EfficiencyOptions {
  readonly count?: 'content' | 'archive';
  readonly digest?: ContentDigest;
  readonly signal?: AbortSignal;
}

export interface EncodeOptions {
  readonly nanoseconds?: boolean;
}

export type EncoderChoice = 'native' | 'portable';

export interface EncoderOptions {
  readonly algorithm: CompressionAlgorithm;
  readonly level?: number | undefined;
  readonly encoder?: EncoderChoice | undefined;
  readonly single?: boolean | undefined;
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

export interface EstargzOptions extends EncodeOptions {
  readonly prioritized?: readonly string[];
  readonly chunkSize?: number;
  readonly level?: number;
  readonly encoder?: EncoderChoice;
  readonly inFlight?: number;
  readonly signal?: AbortSignal;
}

export type FileObserver = (path: string, digest: Digest) => void;

export interface FileSystemAdapter {
  setXattrs(path: string | Uint8Array, xattrs: ReadonlyMap<string, Uint8Array>): AdapterResult;
  setXattrBatch?(tasks: readonly XattrTask[], filter: XattrFilter): readonly (readonly string[])[];
  makeDevice(path: string | Uint8Array, type: DeviceType, major: number, minor: number, mode: number): AdapterResult;
}

export type FileXattrs = ReadonlyMap<string, ReadonlyMap<string, Uint8Array> | undefined>;

export interface FlattenOptions {
  readonly from?: number;
  readonly to?: number;
  readonly base?: Tree | 'unknown';
}

export interface IdRange {
  readonly container: number;
  readonly host: number;
  readonly size: number;
}

export interface JoinOptions {
  readonly signal?: AbortSignal;
}

export declare const LAYER_MEDIA_TYPES: Readonly<Record<CompressionAlgorithm, string>>;

export interface Layer {
  readonly descriptor: Descriptor;
  readonly diffID: Digest;
  readonly compressed: ByteSource;
  readonly uncompressed: ByteSource;
}

export interface LayerEfficiency {
  readonly shipped: number;
  readonly visible: number;
  readonly wasted: number;
  readonly hides: number;
  readonly whiteouts: number;
  readonly idleWhiteouts: number;
}

export declare class LayerError extends Error {
  readonly code: LayerErrorCode;
  readonly path: string | undefined;
  readonly offset: number | undefined;
  readonly limit: string | undefined;
  constructor(code: LayerErrorCode, message: string, options?: LayerErrorOptions);
}

export type LayerErrorCode = 'ERR_LAYER_PATH' | 'ERR_LAYER_ENTRY' | 'ERR_LAYER_DUPLICATE' | 'ERR_LAYER_TAR' | 'ERR_LAYER_COMPRESSION' | 'ERR_LAYER_LIMIT' | 'ERR_LAYER_UNSAFE' | 'ERR_LAYER_WHITEOUT' | 'ERR_LAYER_LINK' | 'ERR_LAYER_READ' | 'ERR_LAYER_CHANGED' | 'ERR_LAYER_EXISTS' | 'ERR_LAYER_SNAPSHOT' | 'ERR_LAYER_APPLY' | 'ERR_LAYER_UNSUPPORTED';

export interface LayerErrorOptions extends ErrorOptions {
  readonly path?: string | undefined;
  readonly offset?: number | undefined;
  readonly limit?: string | undefined;
}

export interface LayerSink {
  readonly transient?: boolean;
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

export interface OverlayChanges {
  readonly changes: readonly Change[];
  readonly tree: Tree;
}

export interface OverlayOptions {
  readonly xattrs?: 'read' | 'none' | FileXattrs;
  readonly userXattr?: boolean;
  readonly merged?: string;
  readonly directory?: Pick<DirectoryOptions, 'mtime' | 'owner' | 'nanoseconds' | 'onSkip'>;
  readonly diff?: Omit<DiffOptions, 'signal'>;
  readonly signal?: AbortSignal;
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface OwnerMap {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
  readonly unmapped?: 'error' | 'report' | Owner;
}

export type OwnerMapping = (uid: number, gid: number) => {
  readonly uid: number;
  readonly gid: number;
};

export type OwnerRule = 'keep' | 'ignore' | ((uid: number, gid: number) => Owner | undefined);

export interface PackLayerOptions extends PackOptions {
  readonly compression?: CompressionAlgorithm;
  readonly level?: number;
  readonly encoder?: EncoderChoice;
  readonly single?: boolean;
  readonly inFlight?: number;
}

export interface PackOptions extends EncodeOptions {
  readonly onFile?: (path: string, digest: Digest) => void;
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

export type PathPredicate = (path: string, entry: Entry) => boolean;

export interface PathWaste {
  readonly path: string;
  readonly wasted: number;
  readonly count: number;
  readonly overwritten: number;
  readonly metadata: number;
  readonly deleted: number;
  readonly whiteouts: number;
}

export interface ReadTarOptions extends ParseOptions {
  readonly signal?: AbortSignal;
}

export interface RewriteOptions extends ParseOptions, EncodeOptions {
  readonly signal?: AbortSignal;
}

export interface SelectOptions {
  readonly parents?: boolean;
}

export declare class Snapshot {
  #private;
  readonly root: string;
  readonly time: number;
  readonly tree: Tree;
  digest(path: string): Digest | undefined;
  learn(path: string, digest: Digest): void;
}

export interface SnapshotOptions extends DirectoryOptions {
  readonly previous?: Snapshot | undefined;
  readonly digests?: ReadonlyMap<string, Digest> | undefined;
}

export type SparseMap = readonly number[];

export interface SplitOptions extends ParseOptions {
  readonly signal?: AbortSignal;
}

export interface TarContent {
  readonly type: 'content';
  readonly path: string;
  readonly size: number;
  readonly crc64: string | undefined;
  readonly sparse?: SparseMap | undefined;
}

export interface TarEdit {
  readonly member?: (entry: Entry) => Entry | undefined;
  readonly append?: Iterable<Entry>;
}

export interface TarLiteral {
  readonly type: 'literal';
  readonly bytes: Uint8Array;
}

export interface TarMember {
  readonly entry: Entry;
  readonly offset: number;
  readonly storedSize: number;
  readonly sparse: SparseMap | undefined;
  readonly body: AsyncIterable<Uint8Array>;
}

export type TarPart = TarLiteral | TarContent;

export interface TarSplitOptions {
  readonly limits?: Partial<Limits>;
  readonly lineBytes?: number;
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

export type UnknownXattrs = (path: string, reason: 'tool' | 'unreadable') => void;

export interface UnpackLayer {
  readonly diffID?: Digest;
  open(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface UnpackOptions extends Omit<ApplyOptions, 'diffID'> {
  readonly replace?: boolean;
}

export interface UnsupportedAttribute {
  readonly path: string;
  readonly attribute: 'xattrs' | 'device' | 'owner' | 'mtime';
  readonly names?: readonly string[];
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

export type XattrFilter = (name: string) => boolean;

export interface XattrOptions {
  readonly paths?: readonly string[] | undefined;
  readonly filter?: XattrFilter | undefined;
  readonly onUnknown?: UnknownXattrs | undefined;
  readonly tool?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface XattrTask {
  readonly fd: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  readonly replace: boolean;
}

export declare const ZSTD_CHUNKED_ANNOTATIONS: {
  readonly manifestChecksum: 'io.github.containers.zstd-chunked.manifest-checksum';
  readonly manifestPosition: 'io.github.containers.zstd-chunked.manifest-position';
  readonly tarSplitPosition: 'io.github.containers.zstd-chunked.tarsplit-position';
};

export interface ZstdChunkedOptions extends EncodeOptions {
  readonly chunkSize?: number;
  readonly level?: number;
  readonly encoder?: EncoderChoice;
  readonly inFlight?: number;
  readonly signal?: AbortSignal;
}

export declare function apply(root: string, source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options?: ApplyOptions): Promise<ApplyReport>;

export declare function baseOf(path: string): string;

export declare function comparePaths(a: string, b: string): number;

export declare function compress(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options: CompressOptions): AsyncGenerator<Uint8Array, void, void>;

export declare function createEntry(fields: EntryFields): Entry;

export declare function createSnapshot(root: string, options?: SnapshotOptions): Promise<Snapshot>;

export declare function decodePath(bytes: Uint8Array): string;

export declare function decodeSnapshot(bytes: Uint8Array, root: string): Snapshot;

export declare function decodeTar(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options?: DecodeOptions): AsyncGenerator<TarMember, void, void>;

export declare function decompress(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options?: DecompressOptions): AsyncGenerator<Uint8Array, void, void>;

export declare function detectCompression(head: Uint8Array): Compression;

export declare function diff(lower: Tree, upper: Tree, options?: DiffOptions): Promise<Change[]>;

export declare function efficiency(layers: Iterable<Tree>, options?: EfficiencyOptions): Promise<Efficiency>;

export declare function encodeMember(entry: Entry, options?: EncodeOptions): Uint8Array;

export declare function encodePath(path: string): Uint8Array;

export declare function encodeSnapshot(snapshot: Snapshot): Uint8Array;

export declare function encoderName(options: EncoderOptions): string;

export declare function flatten(layers: Iterable<Tree>, options?: FlattenOptions): Tree;

export declare function formatTarSplit(skeleton: AsyncIterable<TarPart> | Iterable<TarPart>): AsyncGenerator<Uint8Array, void, void>;

export declare function formatWhiteout(path: string): string;

export declare function fromDirectory(root: string, options?: DirectoryOptions): Promise<Tree>;

export declare function fromLayers(layers: Iterable<Tree>): Tree;

export declare function fromTar(source: ByteSource, options?: ReadTarOptions): Promise<Tree>;

export declare function isCleanPath(path: string): boolean;

export declare function isImageXattr(name: string): boolean;

export declare function isWhiteout(path: string): boolean;

export declare function joinPath(parent: string, name: string): string;

export declare function joinTar(skeleton: AsyncIterable<TarPart> | Iterable<TarPart>, contentOf: ContentLookup, options?: JoinOptions): AsyncGenerator<Uint8Array, void, void>;

export declare function layerTree(changes: readonly Change[], upper: Tree): Tree;

export declare function mapOwners({ uids, gids, unmapped }: OwnerMap): OwnerRule;

export declare function merge(lower: Tree, layer: Tree): Tree;

export declare function normalizePath(name: string): string;

export declare function openLayer(descriptor: Descriptor, diffID: Digest, compressed: ByteSource, options?: {
  readonly limits?: Partial<Limits>;
}): Layer;

export declare function overlayChanges(upper: string, lower: Tree | string, options?: OverlayOptions): Promise<OverlayChanges>;

export declare function pack(tree: Tree, options?: PackOptions): AsyncGenerator<Uint8Array, void, void>;

export declare function packEstargz(tree: Tree, sink: LayerSink, options?: EstargzOptions): Promise<PackedLayer>;

export declare function packLayer(tree: Tree, sink: LayerSink, options?: PackLayerOptions): Promise<PackedLayer>;

export declare function packZstdChunked(tree: Tree, sink: LayerSink, options?: ZstdChunkedOptions): Promise<PackedLayer>;

export declare function parentOf(path: string): string;

export declare function parseTarSplit(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options?: TarSplitOptions): AsyncGenerator<TarPart, void, void>;

export declare function parseWhiteout(path: string): Whiteout | undefined;

export declare function readXattrs(root: string, options?: XattrOptions): Promise<FileXattrs | undefined>;

export declare function rewriteTar(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, edit: TarEdit, options?: RewriteOptions): AsyncGenerator<Uint8Array, void, void>;

export declare function select(tree: Tree, choice: PathPredicate | string | readonly string[], options?: SelectOptions): Tree;

export declare function splitTar(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options?: SplitOptions): AsyncGenerator<TarPart, void, void>;

export declare function squashOwners({ uid, gid }: Owner): OwnerRule;

export declare function systemAdapter(): FileSystemAdapter;

export declare function unpack(target: string, layers: Iterable<UnpackLayer> | AsyncIterable<UnpackLayer>, options?: UnpackOptions): Promise<readonly ApplyReport[]>;

export declare function withPath(entry: Entry, path: string): Entry;
