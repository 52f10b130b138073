/**
 * Assembles and reads OCI images: config, manifest, index, references, platforms.
 *
 * @packageDocumentation
 */
export type { AnnotationChanges } from './annotation-rules.ts'
export * from './annotations.ts'
export {
  type ArtifactBlob,
  assembleArtifact,
  type AssembleArtifactOptions,
  type AssembledArtifact,
} from './artifact/assemble-artifact.ts'
export {
  ARTIFACT_TYPE_ATTESTATION,
  assembleAttestation,
  type AssembleAttestationOptions,
  type AssembledAttestation,
  type Attestation,
  type AttestationStatement,
  readAttestations,
  type ReadAttestationsOptions,
  type StatementOptions,
  writeStatement,
} from './artifact/attestation.ts'
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
export { convertContent, type ConvertContentOptions } from './convert/content.ts'
export { convertImage, convertManifest, type ConvertOptions, type ImageFormat } from './convert/manifest.ts'
export {
  type BlobReader,
  type BlobWriter,
  copyContent,
  type CopyEvent,
  type CopyOptions,
  type CopyOutcome,
  type CopyResult,
} from './copy.ts'
export { type CopyPlan, planCopy, type PlannedDocument, type PlanOptions } from './copy-plan.ts'
export { createdFromEpoch } from './created.ts'
export { inlineContent, parseDescriptor } from './descriptor.ts'
export type { Parsed, ParseOptions } from './document.ts'
export { type AnnotateOptions, annotateIndex, annotateManifest } from './edit/annotate.ts'
export { configureImage, type ConfigureImageOptions } from './edit/configure.ts'
export type { EditOptions } from './edit/edit-image.ts'
export { editImages, editIndex, type EditIndexOptions } from './edit/index-entries.ts'
export {
  appendLayers,
  type AppendLayersOptions,
  flattenImage,
  type FlattenImageOptions,
  removeLayers,
  type RemoveLayersOptions,
  replaceLayers,
} from './edit/layers.ts'
export {
  type BaseAnnotations,
  baseAnnotations,
  rebaseByAnnotations,
  type RebaseByAnnotationsOptions,
  rebaseImage,
  type RebaseImageOptions,
  type RebaseOptions,
} from './edit/rebase.ts'
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
export { describeReferrer, referrersTag } from './referrer.ts'
export type { RewriteOptions, RewrittenContent } from './rewrite/content.ts'
export { withDocuments } from './rewrite/with-documents.ts'
export { type Finding, verifyImage, type VerifyImageOptions } from './verify-image.ts'
export { eachOf } from './workers.ts'
