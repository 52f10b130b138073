/* oxlint-disable */
// Public types, written by scripts/api-snapshot.mjs. Do not edit.

// ---- @varve/oci-manifest

import { ByteSource, Descriptor, Digest, DigestErrorCode } from '@varve/digest'

export declare const ANNOTATION_BASE_DIGEST = "org.opencontainers.image.base.digest";

export declare const ANNOTATION_BASE_NAME = "org.opencontainers.image.base.name";

export declare const ANNOTATION_CREATED = "org.opencontainers.image.created";

export declare const ANNOTATION_REFERENCE_DIGEST = "vnd.docker.reference.digest";

export declare const ANNOTATION_REFERENCE_TYPE = "vnd.docker.reference.type";

export declare const ANNOTATION_REF_NAME = "org.opencontainers.image.ref.name";

export interface AssembleImageOptions {
  readonly platform: Platform;
  readonly config?: RuntimeConfig;
  readonly layers: readonly ImageLayer[];
  readonly history: readonly HistoryEntry[];
  readonly created: string;
  readonly author?: string;
  readonly annotations?: TextMap;
  readonly base?: BaseImage;
}

export interface AssembleIndexOptions {
  readonly annotations?: TextMap;
}

export interface AssembledImage {
  readonly config: Parsed<ImageConfig>;
  readonly manifest: Parsed<Manifest>;
}

export interface BaseImage {
  readonly config: Parsed<ImageConfig>;
  readonly layers: readonly Descriptor[];
  readonly name?: string;
  readonly digest?: Digest;
}

export interface ContentOptions {
  readonly signal?: AbortSignal;
}

export interface ContentReader {
  read(descriptor: Descriptor, options?: ContentOptions): Promise<ByteSource | undefined>;
}

export interface ContentWriter {
  has(descriptor: Descriptor, options?: ContentOptions): Promise<boolean>;
  write(descriptor: Descriptor, source: ByteSource, options?: ContentOptions): Promise<void>;
}

export type CopyEvent = {
  readonly type: 'transfer';
  readonly descriptor: Descriptor;
  readonly bytes: number;
} | {
  readonly type: 'done';
  readonly descriptor: Descriptor;
  readonly outcome: 'copied' | 'existed' | 'nondistributable';
};

export interface CopyOptions extends ContentOptions {
  readonly platform?: Platform;
  readonly concurrency?: number;
  readonly onProgress?: (event: CopyEvent) => void;
}

export declare const DEFAULT_DOMAIN = "docker.io";

export declare const DOCUMENT_MEDIA_TYPES: readonly string[];

export type Document = {
  readonly kind: 'manifest';
  readonly document: Parsed<Manifest>;
} | {
  readonly kind: 'index';
  readonly document: Parsed<ImageIndex>;
};

export declare const EMPTY_DESCRIPTOR: Descriptor;

export type EmptyObject = Readonly<Record<string, never>>;

export interface Finding {
  readonly code: OciManifestErrorCode | DigestErrorCode;
  readonly message: string;
  readonly descriptor: Descriptor;
}

export interface Healthcheck {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

export interface Image {
  readonly descriptor: Descriptor;
  readonly manifest: Parsed<Manifest>;
  readonly config: Parsed<ImageConfig>;
  readonly platform: Platform;
}

export interface ImageConfig {
  readonly created?: string;
  readonly author?: string;
  readonly architecture: string;
  readonly os: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
  readonly variant?: string;
  readonly config?: RuntimeConfig;
  readonly rootfs: RootFileSystem;
  readonly history?: readonly HistoryEntry[];
}

export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly manifests: readonly IndexEntry[];
  readonly subject?: Descriptor;
  readonly annotations?: TextMap;
}

export interface ImageLayer {
  readonly descriptor: Descriptor;
  readonly diffID: Digest;
}

export interface IndexEntry extends Descriptor {
  readonly platform?: Platform;
}

export type JsonInput = null | boolean | string | number | JsonNumber | readonly JsonInput[] | ReadonlyMap<string, JsonInput> | {
  readonly [key: string]: JsonInput | undefined;
};

export interface JsonLimits {
  readonly maxBytes?: number;
  readonly maxDepth?: number;
}

export declare class JsonNumber {
  readonly text: string;
  constructor(text: string);
}

export type JsonObject = ReadonlyMap<string, JsonValue>;

export type JsonValue = null | boolean | string | JsonNumber | readonly JsonValue[] | JsonObject;

export type LayerCompression = 'none' | 'gzip' | 'zstd';

export declare const MAX_DOCUMENT_BYTES: number;

export declare const MEDIA_TYPE_DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";

export declare const MEDIA_TYPE_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar";

export declare const MEDIA_TYPE_DOCKER_LAYER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar";

export declare const MEDIA_TYPE_DOCKER_LAYER_FOREIGN_GZIP = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

export declare const MEDIA_TYPE_DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip";

export declare const MEDIA_TYPE_DOCKER_LAYER_ZSTD = "application/vnd.docker.image.rootfs.diff.tar.zstd";

export declare const MEDIA_TYPE_DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";

export declare const MEDIA_TYPE_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

export declare const MEDIA_TYPE_DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json";

export declare const MEDIA_TYPE_DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws";

export declare const MEDIA_TYPE_OCI_CONFIG = "application/vnd.oci.image.config.v1+json";

export declare const MEDIA_TYPE_OCI_EMPTY = "application/vnd.oci.empty.v1+json";

export declare const MEDIA_TYPE_OCI_INDEX = "application/vnd.oci.image.index.v1+json";

export declare const MEDIA_TYPE_OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";

export declare const MEDIA_TYPE_OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";

export declare const MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar";

export declare const MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE_GZIP = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";

export declare const MEDIA_TYPE_OCI_LAYER_NONDISTRIBUTABLE_ZSTD = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd";

export declare const MEDIA_TYPE_OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd";

export declare const MEDIA_TYPE_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: TextMap;
}

export interface MatchOptions {
  readonly strict?: boolean;
  readonly crossArchitecture?: boolean;
}

export declare class OciManifestError extends Error {
  readonly code: OciManifestErrorCode;
  readonly at: string | undefined;
  readonly digest: string | undefined;
  readonly available: readonly string[] | undefined;
  readonly owner: string | undefined;
  constructor(code: OciManifestErrorCode, message: string, options?: OciManifestErrorOptions);
}

export type OciManifestErrorCode = 'ERR_OCI_MANIFEST_INVALID' | 'ERR_OCI_MANIFEST_LIMIT' | 'ERR_OCI_MANIFEST_REFERENCE' | 'ERR_OCI_MANIFEST_PLATFORM' | 'ERR_OCI_MANIFEST_NOT_FOUND' | 'ERR_OCI_MANIFEST_LAYOUT' | 'ERR_OCI_MANIFEST_LOCKED' | 'ERR_OCI_MANIFEST_ARCHIVE' | 'ERR_OCI_MANIFEST_UNSUPPORTED';

export interface OciManifestErrorOptions extends ErrorOptions {
  readonly at?: string;
  readonly digest?: string;
  readonly available?: readonly string[];
  readonly owner?: string;
}

export interface ParseOptions extends JsonLimits {
  readonly descriptor?: Descriptor;
  readonly mediaType?: string;
  readonly maxEntries?: number;
}

export interface Parsed<T> {
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
  readonly value: T;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
}

export interface ReadImageOptions extends ContentOptions, MatchOptions {
  readonly platform?: Platform;
}

export interface Reference {
  readonly domain: string;
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export interface RootFileSystem {
  readonly type: 'layers';
  readonly diff_ids: readonly Digest[];
}

export interface RuntimeConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, EmptyObject>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: Readonly<Record<string, EmptyObject>>;
  readonly WorkingDir?: string;
  readonly Labels?: TextMap;
  readonly StopSignal?: string;
  readonly ArgsEscaped?: boolean;
  readonly Healthcheck?: Healthcheck;
  readonly Shell?: readonly string[];
  readonly OnBuild?: readonly string[];
}

export type TextMap = Readonly<Record<string, string>>;

export interface VerifyImageOptions extends ContentOptions {
  readonly decompress?: (compression: LayerCompression, source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
}

export declare function assembleImage(options: AssembleImageOptions): AssembledImage;

export declare function assembleIndex(entries: readonly IndexEntry[], options?: AssembleIndexOptions): Parsed<ImageIndex>;

export declare function chainID(diffIDs: readonly Digest[]): Digest | undefined;

export declare function chainIDs(diffIDs: readonly Digest[]): readonly Digest[];

export declare function compressionOf(mediaType: string): LayerCompression | undefined;

export declare function copyContent(root: Descriptor, from: ContentReader, to: ContentWriter, options?: CopyOptions): Promise<void>;

export declare function dockerReference(reference: Reference): Reference;

export declare function familiarName({ domain, path }: Reference): string;

export declare function familiarReference(reference: Reference): string;

export declare function formatPlatform(platform: Platform): string;

export declare function formatReference(reference: Reference): string;

export declare function hostPlatform(): Platform;

export declare function inlineContent(descriptor: Descriptor): Uint8Array | undefined;

export declare function isConfigType(mediaType: string): boolean;

export declare function isDocumentType(mediaType: string): boolean;

export declare function isIndexType(mediaType: string): boolean;

export declare function isLayerType(mediaType: string): boolean;

export declare function isManifestType(mediaType: string): boolean;

export declare function isNondistributableType(mediaType: string): boolean;

export declare function isPlatformMatch(candidate: Platform, wanted: Platform, options?: MatchOptions): boolean;

export declare function isSchema1Type(mediaType: string): boolean;

export declare function isTag(text: string): boolean;

export declare function matchPlatform<T extends {
  readonly platform?: Platform;
}>(candidates: readonly T[], wanted: Platform, options?: MatchOptions): readonly T[];

export declare function normalizePlatform(platform: Platform): Platform;

export declare function ociLayerType(mediaType: string): string;

export declare function parseAnyReference(text: string): Reference | Digest;

export declare function parseConfig(bytes: Uint8Array, options?: ParseOptions): Parsed<ImageConfig>;

export declare function parseDescriptor(value: JsonValue | undefined, at: string): Descriptor;

export declare function parseDocument(bytes: Uint8Array, options?: ParseOptions): Document;

export declare function parseIndex(bytes: Uint8Array, options?: ParseOptions): Parsed<ImageIndex>;

export declare function parseJson(bytes: Uint8Array, limits?: JsonLimits): JsonValue;

export declare function parseManifest(bytes: Uint8Array, options?: ParseOptions): Parsed<Manifest>;

export declare function parsePlatform(text: string): Platform;

export declare function parseReference(text: string): Reference;

export declare function readImage(reader: ContentReader, descriptor: Descriptor, options?: ReadImageOptions): Promise<Image>;

export declare function sortedMap<T>(record: Readonly<Record<string, T>>): ReadonlyMap<string, T>;

export declare function verifyImage(reader: ContentReader, descriptor: Descriptor, options?: VerifyImageOptions): Promise<readonly Finding[]>;

export declare function writeJson(value: JsonInput): Uint8Array;

// ---- @varve/oci-manifest/layout

import { ContentOptions, ContentReader, ContentWriter, ImageIndex, IndexEntry, Parsed } from '@varve/oci-manifest'

export interface ImageLayout extends ContentReader, ContentWriter {
  readonly directory: string;
  index(): Promise<Parsed<ImageIndex>>;
  resolve(nameOrDigest?: string): Promise<IndexEntry>;
  tag(name: string | undefined, entry: IndexEntry, options?: ContentOptions): Promise<void>;
  untag(name: string, options?: ContentOptions): Promise<boolean>;
  tags(): Promise<ReadonlyMap<string, IndexEntry>>;
}

export interface OpenLayoutOptions {
  readonly create?: boolean;
  readonly lockTimeoutMs?: number;
  readonly lockStaleMs?: number;
}

export declare function openLayout(directory: string, options?: OpenLayoutOptions): Promise<ImageLayout>;

// ---- @varve/oci-manifest/archive

import { ByteSource } from '@varve/digest'
import { ContentOptions, ContentReader, ImageIndex, IndexEntry, Parsed, Platform } from '@varve/oci-manifest'

export interface ArchiveRoot {
  readonly descriptor: IndexEntry;
  readonly name?: string;
}

export interface ImageArchive extends ContentReader {
  readonly index: Parsed<ImageIndex>;
  readonly names: readonly string[];
  resolve(nameOrDigest?: string): IndexEntry;
}

export interface ReadArchiveOptions extends ContentOptions {
  readonly maxEntries?: number;
}

export interface WriteArchiveOptions extends ContentOptions {
  readonly platform?: Platform;
}

export declare function readArchive(archive: ByteSource | string, options?: ReadArchiveOptions): Promise<ImageArchive>;

export declare function writeArchive(roots: readonly ArchiveRoot[], from: ContentReader, options?: WriteArchiveOptions): AsyncGenerator<Uint8Array, void, void>;
