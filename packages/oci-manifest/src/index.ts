/**
 * Assembles and reads OCI images: config, manifest, index, references, platforms.
 *
 * @packageDocumentation
 */
export * from './annotations.ts'
export {
  assembleImage,
  type AssembledImage,
  assembleIndex,
  type AssembleImageOptions,
  type AssembleIndexOptions,
  type BaseImage,
  type ImageLayer,
} from './assemble.ts'
export { chainID, chainIDs } from './chain-id.ts'
export {
  type Healthcheck,
  type HistoryEntry,
  type ImageConfig,
  parseConfig,
  type RootFileSystem,
  type RuntimeConfig,
} from './config.ts'
export type { ContentOptions, ContentReader, ContentWriter } from './content.ts'
export { copyContent, type CopyEvent, type CopyOptions } from './copy.ts'
export { inlineContent, parseDescriptor } from './descriptor.ts'
export type { Parsed, ParseOptions } from './document.ts'
export { OciManifestError, type OciManifestErrorCode, type OciManifestErrorOptions } from './errors.ts'
export type { EmptyObject, TextMap } from './fields.ts'
export { type Image, readImage, type ReadImageOptions } from './image.ts'
export { type Document, type ImageIndex, type IndexEntry, parseDocument, parseIndex } from './image-index.ts'
export {
  type JsonLimits,
  JsonNumber,
  type JsonObject,
  type JsonValue,
  MAX_DOCUMENT_BYTES,
  parseJson,
} from './json.ts'
export { type JsonInput, sortedMap, writeJson } from './json-writer.ts'
export { type Manifest, parseManifest } from './manifest.ts'
export * from './media-types.ts'
export { formatPlatform, hostPlatform, normalizePlatform, parsePlatform, type Platform } from './platform.ts'
export { isPlatformMatch, type MatchOptions, matchPlatform } from './platform-match.ts'
export {
  DEFAULT_DOMAIN,
  dockerReference,
  familiarName,
  familiarReference,
  formatReference,
  isTag,
  parseAnyReference,
  parseReference,
  type Reference,
} from './reference.ts'
export { type Finding, verifyImage, type VerifyImageOptions } from './verify-image.ts'
