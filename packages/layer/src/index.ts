/**
 * File trees and container image layers: tar codec, diff with whiteouts, pack, apply, merge, gzip.
 *
 * @packageDocumentation
 */
export {
  type AdapterResult,
  type DeviceType,
  type FileSystemAdapter,
  systemAdapter,
} from './apply/adapter.ts'
export type { OwnerRule } from './apply/metadata.ts'
export type { ApplyReport, UnsupportedAttribute } from './apply/report.ts'
export { apply, type ApplyOptions } from './apply.ts'
export {
  compress,
  type CompressionAlgorithm,
  type CompressOptions,
  encoderName,
} from './compression/compress.ts'
export { decompress, type DecompressOptions } from './compression/decompress.ts'
export { type Compression, detectCompression } from './compression/detect.ts'
export { type Change, diff, type DiffOptions } from './diff.ts'
export { type DirectoryOptions, fromDirectory, type Owner } from './directory.ts'
export { createEntry, type Entry, type EntryFields, type EntryType, NO_XATTRS, withPath } from './entry.ts'
export { LayerError, type LayerErrorCode, type LayerErrorOptions } from './errors.ts'
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
export { type DecodeOptions, decodeTar, type TarMember } from './tar/decode.ts'
export { encodeMember, type EncodeOptions } from './tar/encode.ts'
export { DEFAULT_LIMITS, type Limits } from './tar/limits.ts'
export type { ParseOptions } from './tar/parser.ts'
export type { SparseMap } from './tar/sparse.ts'
export { Tree } from './tree.ts'
export {
  formatWhiteout,
  isWhiteout,
  OPAQUE_NAME,
  parseWhiteout,
  type Whiteout,
  WHITEOUT_PREFIX,
} from './whiteout.ts'
