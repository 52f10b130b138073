/**
 * File trees and container image layers: tar codec, snapshot, diff with whiteouts, pack, apply, flatten, gzip and zstd.
 *
 * @packageDocumentation
 */
export {
  type AdapterResult,
  type DeviceType,
  type FileSystemAdapter,
  systemAdapter,
  type XattrTask,
} from './apply/adapter.ts'
export type { FileObserver } from './apply/file-writer.ts'
export { type IdRange, mapOwners, type OwnerMap, type OwnerRule, squashOwners } from './apply/owners.ts'
export type { ApplyReport, UnsupportedAttribute } from './apply/report.ts'
export { apply, type ApplyOptions } from './apply.ts'
export { compress, type CompressOptions, encoderName } from './compression/compress.ts'
export { decompress, type DecompressOptions } from './compression/decompress.ts'
export { type Compression, detectCompression } from './compression/detect.ts'
export type { CompressionAlgorithm, EncoderOptions } from './compression/encoder.ts'
export type { EncoderChoice } from './compression/gzip.ts'
export { type Change, diff, type DiffOptions } from './diff.ts'
export type { OwnerMapping } from './diff/compare.ts'
export { type DirectoryOptions, fromDirectory, type Owner } from './directory.ts'
export type { ContentDigest } from './efficiency/ledger.ts'
export {
  type DuplicateContent,
  type Efficiency,
  efficiency,
  type EfficiencyOptions,
  type LayerEfficiency,
  type PathWaste,
} from './efficiency.ts'
export { createEntry, type Entry, type EntryFields, type EntryType, NO_XATTRS, withPath } from './entry.ts'
export { LayerError, type LayerErrorCode, type LayerErrorOptions } from './errors.ts'
export { flatten, type FlattenOptions } from './flatten.ts'
export { layerTree } from './layer-tree.ts'
export {
  type Layer,
  LAYER_MEDIA_TYPES,
  type LayerSink,
  openLayer,
  type PackedLayer,
  packLayer,
  type PackLayerOptions,
} from './layer.ts'
export { fromLayers, merge } from './merge.ts'
export { type OverlayChanges, overlayChanges, type OverlayOptions } from './overlay.ts'
export { pack, type PackOptions } from './pack.ts'
export {
  baseOf,
  comparePaths,
  decodePath,
  encodePath,
  isCleanPath,
  joinPath,
  normalizePath,
  parentOf,
} from './path.ts'
export { fromTar, type ReadTarOptions } from './read-tar.ts'
export { ESTARGZ_ANNOTATIONS, type EstargzOptions, packEstargz } from './seekable/estargz.ts'
export {
  packZstdChunked,
  ZSTD_CHUNKED_ANNOTATIONS,
  type ZstdChunkedOptions,
} from './seekable/zstd-chunked.ts'
export { type PathPredicate, select, type SelectOptions } from './select.ts'
export { decodeSnapshot, encodeSnapshot } from './snapshot/codec.ts'
export { createSnapshot, type Snapshot, type SnapshotOptions } from './snapshot.ts'
export { type DecodeOptions, decodeTar, type TarMember } from './tar/decode.ts'
export { encodeMember, type EncodeOptions } from './tar/encode.ts'
export { DEFAULT_LIMITS, type Limits } from './tar/limits.ts'
export type { ParseOptions } from './tar/parser.ts'
export type { SparseMap } from './tar/sparse.ts'
export { formatTarSplit, parseTarSplit, type TarSplitOptions } from './tar-split/format.ts'
export { type ContentLookup, joinTar, type JoinOptions } from './tar-split/join.ts'
export { type RewriteOptions, rewriteTar, type TarEdit } from './tar-split/rewrite.ts'
export {
  type SplitOptions,
  splitTar,
  type TarContent,
  type TarLiteral,
  type TarPart,
} from './tar-split/split.ts'
export { Tree } from './tree.ts'
export { unpack, type UnpackLayer, type UnpackOptions } from './unpack.ts'
export {
  formatWhiteout,
  isWhiteout,
  OPAQUE_NAME,
  parseWhiteout,
  type Whiteout,
  WHITEOUT_PREFIX,
} from './whiteout.ts'
export { type FileXattrs, readXattrs, type UnknownXattrs, type XattrOptions } from './xattrs.ts'
export { isImageXattr, type XattrFilter } from './xattrs/image-xattrs.ts'
