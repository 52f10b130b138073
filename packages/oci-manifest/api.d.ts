/* oxlint-disable */
// Public types, written by scripts/api-snapshot.mjs. Do not edit.

// ---- @varve/oci-manifest

import { ByteSource, Descriptor, Digest, DigestErrorCode } from '@varve/digest'

export declare const ANNOTATION_AUTHORS = "org.opencontainers.image.authors";

export declare const ANNOTATION_BASE_DIGEST = "org.opencontainers.image.base.digest";

export declare const ANNOTATION_BASE_NAME = "org.opencontainers.image.base.name";

export declare const ANNOTATION_CREATED = "org.opencontainers.image.created";

export declare const ANNOTATION_DESCRIPTION = "org.opencontainers.image.description";

export declare const ANNOTATION_DOCUMENTATION = "org.opencontainers.image.documentation";

export declare const ANNOTATION_LICENSES = "org.opencontainers.image.licenses";

export declare const ANNOTATION_PREDICATE_TYPE = "in-toto.io/predicate-type";

export declare const ANNOTATION_REFERENCE_DIGEST = "vnd.docker.reference.digest";

export declare const ANNOTATION_REFERENCE_TYPE = "vnd.docker.reference.type";

export declare const ANNOTATION_REF_NAME = "org.opencontainers.image.ref.name";

export declare const ANNOTATION_REVISION = "org.opencontainers.image.revision";

export declare const ANNOTATION_SOURCE = "org.opencontainers.image.source";

export declare const ANNOTATION_TITLE = "org.opencontainers.image.title";

export declare const ANNOTATION_URL = "org.opencontainers.image.url";

export declare const ANNOTATION_VENDOR = "org.opencontainers.image.vendor";

export declare const ANNOTATION_VERSION = "org.opencontainers.image.version";

export declare const ARTIFACT_TYPE_ATTESTATION = "application/vnd.docker.attestation.manifest.v1+json";

export interface AnnotateOptions<T extends Descriptor = Descriptor> {
  readonly document?: AnnotationChanges;
  readonly each?: (descriptor: T, index: number) => AnnotationChanges | undefined;
}

export type AnnotationChanges = Readonly<Record<string, string | null>>;

export interface AppendLayersOptions extends EditOptions {
  readonly layers: readonly ImageLayer[];
  readonly history: readonly HistoryEntry[];
}

export interface ArtifactBlob {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly annotations?: TextMap;
}

export interface AssembleArtifactOptions {
  readonly artifactType: string;
  readonly style?: '1.1' | '1.0';
  readonly config?: ArtifactBlob | Descriptor;
  readonly layers?: readonly (ArtifactBlob | Descriptor)[];
  readonly subject?: Descriptor;
  readonly annotations?: TextMap;
  readonly created?: string;
  readonly inlineBytes?: number;
}

export interface AssembleAttestationOptions {
  readonly subject: Descriptor;
  readonly statements: readonly AttestationStatement[];
  readonly form?: 'artifact' | 'image';
}

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
  readonly artifactType?: string;
  readonly subject?: Descriptor;
}

export interface AssembledArtifact {
  readonly manifest: Parsed<Manifest>;
  readonly blobs: readonly {
    readonly descriptor: Descriptor;
    readonly bytes: Uint8Array;
  }[];
}

export interface AssembledAttestation extends AssembledArtifact {
  readonly entry: IndexEntry;
}

export interface AssembledImage {
  readonly config: Parsed<ImageConfig>;
  readonly manifest: Parsed<Manifest>;
}

export interface Attestation {
  readonly subject: Digest;
  readonly entry: IndexEntry;
  readonly manifest: Parsed<Manifest>;
  readonly statements: readonly {
    readonly predicateType: string | undefined;
    readonly descriptor: Descriptor;
  }[];
}

export interface AttestationStatement {
  readonly predicateType: string;
  readonly content: Uint8Array | Descriptor;
}

export interface BaseAnnotations {
  readonly name?: string;
  readonly digest?: Digest;
}

export interface BaseImage {
  readonly config: Parsed<ImageConfig>;
  readonly layers: readonly Descriptor[];
  readonly name?: string;
  readonly digest?: Digest;
}

export interface BlobReader {
  blob(descriptor: Descriptor): ByteSource;
}

export interface BlobWriter {
  pushBlob(descriptor: Descriptor, source: ByteSource, options?: ContentOptions & {
    readonly from?: ContentReader;
  }): Promise<'copied' | 'existed' | 'mounted'>;
}

export interface ConfigureImageOptions extends EditOptions {
  readonly config?: {
    readonly [K in keyof RuntimeConfig]?: RuntimeConfig[K] | null;
  };
  readonly env?: Readonly<Record<string, string | null>>;
  readonly labels?: Readonly<Record<string, string | null>>;
  readonly author?: string | null;
  readonly history?: readonly HistoryEntry[];
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

export interface ConvertContentOptions extends ConvertOptions, RewriteOptions {
}

export interface ConvertOptions {
  readonly to: ImageFormat;
  readonly lossy?: boolean;
}

export type CopyEvent = {
  readonly type: 'transfer';
  readonly descriptor: Descriptor;
  readonly bytes: number;
} | {
  readonly type: 'done';
  readonly descriptor: Descriptor;
  readonly outcome: CopyOutcome;
};

export interface CopyOptions extends PlanOptions {
  readonly concurrency?: number;
  readonly trustManifests?: boolean;
  readonly writeRoot?: (root: PlannedDocument, signal: AbortSignal) => Promise<'copied' | 'existed'>;
  readonly onProgress?: (event: CopyEvent) => void;
}

export type CopyOutcome = 'copied' | 'existed' | 'mounted' | 'nondistributable';

export interface CopyPlan {
  readonly root: Descriptor;
  readonly blobs: readonly Descriptor[];
  readonly levels: readonly (readonly PlannedDocument[])[];
  readonly present: readonly Descriptor[];
}

export interface CopyResult {
  readonly descriptor: Descriptor;
  readonly documents: readonly Descriptor[];
  readonly copied: number;
  readonly existed: number;
  readonly mounted: number;
  readonly bytes: number;
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

export interface EditIndexOptions {
  readonly keep?: (entry: IndexEntry) => boolean;
  readonly append?: readonly IndexEntry[];
}

export interface EditOptions {
  readonly created: string;
}

export type EmptyObject = Readonly<Record<string, never>>;

export interface Finding {
  readonly code: OciManifestErrorCode | DigestErrorCode;
  readonly message: string;
  readonly descriptor: Descriptor;
  readonly at?: string;
}

export interface FlattenImageOptions extends EditOptions {
  readonly layer: ImageLayer;
  readonly history?: HistoryEntry;
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

export type ImageFormat = 'oci' | 'docker';

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

export declare const MEDIA_TYPE_IN_TOTO = "application/vnd.in-toto+json";

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

export type OciManifestErrorCode = 'ERR_OCI_MANIFEST_INVALID' | 'ERR_OCI_MANIFEST_LIMIT' | 'ERR_OCI_MANIFEST_REFERENCE' | 'ERR_OCI_MANIFEST_PLATFORM' | 'ERR_OCI_MANIFEST_BASE' | 'ERR_OCI_MANIFEST_NOT_FOUND' | 'ERR_OCI_MANIFEST_LAYOUT' | 'ERR_OCI_MANIFEST_LOCKED' | 'ERR_OCI_MANIFEST_ARCHIVE' | 'ERR_OCI_MANIFEST_UNSUPPORTED';

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

export interface PlanOptions extends ContentOptions {
  readonly platforms?: readonly Platform[];
  readonly sparse?: boolean;
  readonly attestations?: boolean;
  readonly concurrency?: number;
}

export interface PlannedDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
}

export interface ReadAttestationsOptions extends ContentOptions {
  readonly subject?: Digest;
}

export interface ReadImageOptions extends ContentOptions, MatchOptions {
  readonly platform?: Platform;
}

export interface RebaseByAnnotationsOptions extends RebaseOptions, ContentOptions {
  readonly locate: (reference: string) => Promise<{
    readonly reader: ContentReader;
    readonly descriptor: Descriptor;
  }>;
}

export interface RebaseImageOptions extends RebaseOptions {
  readonly oldBase: AssembledImage;
  readonly newBase: AssembledImage;
  readonly name?: string;
  readonly digest?: Digest;
}

export interface RebaseOptions extends EditOptions {
  readonly config?: 'image' | 'merged';
}

export interface Reference {
  readonly domain: string;
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export interface RemoveLayersOptions extends EditOptions {
  readonly layers: readonly number[];
}

export interface RewriteOptions extends ContentOptions {
  readonly attestations?: 'drop' | 'repoint';
}

export interface RewrittenContent {
  readonly descriptor: Descriptor;
  readonly documents: readonly Parsed<unknown>[];
  readonly dropped: readonly IndexEntry[];
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

export interface StatementOptions {
  readonly subject: readonly {
    readonly name: string;
    readonly digest: Digest;
  }[];
  readonly predicateType: string;
  readonly predicate: JsonInput;
}

export type TextMap = Readonly<Record<string, string>>;

export interface VerifyImageOptions extends ContentOptions, DecompressOptions {
}

export declare function annotateIndex(index: Parsed<ImageIndex>, options: AnnotateOptions<IndexEntry>): Parsed<ImageIndex>;

export declare function annotateManifest(manifest: Parsed<Manifest>, options: AnnotateOptions): Parsed<Manifest>;

export declare function appendLayers(image: AssembledImage, options: AppendLayersOptions): AssembledImage;

export declare function assembleArtifact(options: AssembleArtifactOptions): AssembledArtifact;

export declare function assembleAttestation(options: AssembleAttestationOptions): AssembledAttestation;

export declare function assembleImage(options: AssembleImageOptions): AssembledImage;

export declare function assembleIndex(entries: readonly IndexEntry[], options?: AssembleIndexOptions): Parsed<ImageIndex>;

export declare function baseAnnotations({ annotations }: Manifest): BaseAnnotations;

export declare function chainID(diffIDs: readonly Digest[]): Digest | undefined;

export declare function chainIDs(diffIDs: readonly Digest[]): readonly Digest[];

export declare function compressionOf(mediaType: string): LayerCompression | undefined;

export declare function configureImage(image: AssembledImage, options: ConfigureImageOptions): AssembledImage;

export declare function convertContent(reader: ContentReader, root: Descriptor, options: ConvertContentOptions): Promise<RewrittenContent>;

export declare function convertImage(image: AssembledImage, options: ConvertOptions): AssembledImage;

export declare function convertManifest(manifest: Parsed<Manifest>, options: ConvertOptions): Parsed<Manifest>;

export declare function copyContent(root: Descriptor, from: ContentReader & Partial<BlobReader>, to: ContentWriter & Partial<BlobWriter>, options?: CopyOptions): Promise<CopyResult>;

export declare function createdFromEpoch(value: string | undefined): string | undefined;

export declare function describeReferrer({ kind, document }: Document): Descriptor;

export declare function dockerLayerType(mediaType: string): string | undefined;

export declare function dockerReference(reference: Reference): Reference;

export declare function eachOf<T>(items: readonly T[], { concurrency, signal, }: {
  readonly concurrency?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}, work: (item: T, signal: AbortSignal) => Promise<void>): Promise<void>;

export declare function editImages(reader: ContentReader, root: Descriptor, edit: (image: AssembledImage, entry: IndexEntry) => AssembledImage | Promise<AssembledImage>, options?: RewriteOptions): Promise<RewrittenContent>;

export declare function editIndex(index: Parsed<ImageIndex>, options: EditIndexOptions): Parsed<ImageIndex>;

export declare function familiarName({ domain, path }: Reference): string;

export declare function familiarReference(reference: Reference): string;

export declare function flattenImage(image: AssembledImage, options: FlattenImageOptions): AssembledImage;

export declare function formatPlatform(platform: Platform): string;

export declare function formatReference(reference: Reference): string;

export declare function hostPlatform(): Platform;

export declare function inlineContent(descriptor: Descriptor): Uint8Array | undefined;

export declare function isConfigType(mediaType: string): boolean;

export declare function isDocumentType(mediaType: string): boolean;

export declare function isIndexType(mediaType: string): boolean;

export declare function isLayerType(mediaType: string): boolean;

export declare function isManifestType(mediaType: string): boolean;

export declare function isMediaTypeName(text: string): boolean;

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

export declare function planCopy(root: Descriptor, from: ContentReader, options?: PlanOptions, isPresent?: (manifest: Descriptor, signal: AbortSignal) => Promise<boolean>): Promise<CopyPlan>;

export declare function readAttestations(reader: ContentReader, { manifests }: ImageIndex, options?: ReadAttestationsOptions): AsyncGenerator<Attestation, void, void>;

export declare function readImage(reader: ContentReader, descriptor: Descriptor, options?: ReadImageOptions): Promise<Image>;

export declare function rebaseByAnnotations(image: AssembledImage, options: RebaseByAnnotationsOptions): Promise<AssembledImage>;

export declare function rebaseImage(image: AssembledImage, options: RebaseImageOptions): AssembledImage;

export declare function referrersTag(subject: Digest): string;

export declare function removeLayers(image: AssembledImage, options: RemoveLayersOptions): AssembledImage;

export declare function replaceLayers(image: AssembledImage, layers: readonly ImageLayer[]): AssembledImage;

export declare function sortedMap<T>(record: Readonly<Record<string, T>>): ReadonlyMap<string, T>;

export declare function verifyImage(reader: ContentReader, descriptor: Descriptor, options?: VerifyImageOptions): Promise<readonly Finding[]>;

export declare function withDocuments(reader: ContentReader, documents: readonly Parsed<unknown>[]): ContentReader;

export declare function writeJson(value: JsonInput): Uint8Array;

export declare function writeStatement({ subject, predicateType, predicate }: StatementOptions): Uint8Array;

// not exported, but part of the types above

export interface DecompressOptions {
  readonly decompress?: (compression: LayerCompression, source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
  readonly maxLayerBytes?: number;
}

// ---- @varve/oci-manifest/layout

import { BlobWriter, ContentOptions, ContentReader, ContentWriter, ImageIndex, IndexEntry, MatchOptions, Parsed, Platform } from '@varve/oci-manifest'
import { Descriptor, Digest } from '@varve/digest'

export interface CollectOptions extends ContentOptions {
  readonly dryRun?: boolean;
  readonly graceMs?: number;
  readonly lockTimeoutMs?: number;
  readonly lockStaleMs?: number;
}

export interface Collection {
  readonly kept: number;
  readonly removed: readonly Digest[];
  readonly bytes: number;
}

export interface ImageLayout extends ContentReader, ContentWriter, BlobWriter {
  readonly directory: string;
  index(): Promise<Parsed<ImageIndex>>;
  resolve(nameOrDigest?: string, options?: ResolveOptions): Promise<IndexEntry>;
  tag(name: string | undefined, entry: IndexEntry, options?: ContentOptions): Promise<void>;
  untag(name: string, options?: ContentOptions): Promise<boolean>;
  tags(): Promise<ReadonlyMap<string, IndexEntry>>;
  referrers(subject: Digest, options?: ReferrersOptions): Promise<readonly Descriptor[]>;
}

export interface OpenLayoutOptions {
  readonly create?: boolean;
  readonly lockTimeoutMs?: number;
  readonly lockStaleMs?: number;
}

export interface ReferrersOptions extends ContentOptions {
  readonly artifactType?: string;
}

export interface ResolveOptions extends MatchOptions {
  readonly platform?: Platform;
}

export declare function collectLayout(layout: {
  readonly directory: string;
}, options?: CollectOptions): Promise<Collection>;

export declare function openLayout(directory: string, options?: OpenLayoutOptions): Promise<ImageLayout>;

// ---- @varve/oci-manifest/archive

import { ByteSource } from '@varve/digest'
import { ContentOptions, ContentReader, ImageIndex, IndexEntry, LayerCompression, MatchOptions, Parsed, Platform } from '@varve/oci-manifest'

export interface ArchiveRoot {
  readonly descriptor: IndexEntry;
  readonly name?: string;
}

export interface ImageArchive extends ContentReader {
  readonly format: 'oci' | 'docker';
  readonly index: Parsed<ImageIndex>;
  readonly names: readonly string[];
  resolve(nameOrDigest?: string, options?: ResolveOptions): IndexEntry;
}

export interface ReadArchiveOptions extends ContentOptions, DecompressOptions {
  readonly maxEntries?: number;
}

export interface ResolveOptions extends MatchOptions {
  readonly platform?: Platform;
}

export interface WriteArchiveOptions extends ContentOptions {
  readonly platform?: Platform;
}

export declare function readArchive(archive: ByteSource | string, options?: ReadArchiveOptions): Promise<ImageArchive>;

export declare function writeArchive(roots: readonly ArchiveRoot[], from: ContentReader, options?: WriteArchiveOptions): AsyncGenerator<Uint8Array, void, void>;

export declare function writeArchiveFile(path: string, archive: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>;

export declare function writeDockerArchive(roots: readonly ArchiveRoot[], from: ContentReader, options?: WriteArchiveOptions): AsyncGenerator<Uint8Array, void, void>;

// not exported, but part of the types above

export interface DecompressOptions {
  readonly decompress?: (compression: LayerCompression, source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
  readonly maxLayerBytes?: number;
}
