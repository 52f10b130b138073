/**
 * Attestations: statements about an image, listed beside it in its index.
 *
 * BuildKit, docs/attestations/attestation-storage.md; in-toto Attestation Framework v1, "Statement".
 *
 * @module
 */
import { type Descriptor, describe, type Digest, hexOf, algorithmOf, withSignal } from '@varve/digest'
import {
  ANNOTATION_PREDICATE_TYPE,
  ANNOTATION_REFERENCE_DIGEST,
  ANNOTATION_REFERENCE_TYPE,
} from '../annotations.ts'
import type { ContentOptions, ContentReader } from '../content.ts'
import type { Parsed } from '../document.ts'
import { invalid, quoted } from '../errors.ts'
import { digestAt } from '../fields.ts'
import { readDocument } from '../graph.ts'
import type { ImageIndex, IndexEntry } from '../image-index.ts'
import { type JsonInput, writeJson } from '../json-writer.ts'
import type { Manifest } from '../manifest.ts'
import { isManifestType, MEDIA_TYPE_IN_TOTO, MEDIA_TYPE_OCI_CONFIG } from '../media-types.ts'
import { type ArtifactBlob, assembleArtifact, type AssembledArtifact } from './assemble-artifact.ts'

/** What BuildKit calls the manifest of an attestation. */
export const ARTIFACT_TYPE_ATTESTATION = 'application/vnd.docker.attestation.manifest.v1+json'

/** Value of the annotation that tells an entry is an attestation. */
const REFERENCE_TYPE = 'attestation-manifest'
/** The platform of what is not to be run. */
const UNKNOWN = { architecture: 'unknown', os: 'unknown' }

/** One statement, as bytes, or stored already. */
export interface AttestationStatement {
  /** What it claims, such as `https://slsa.dev/provenance/v1`. */
  readonly predicateType: string
  readonly content: Uint8Array | Descriptor
}

/** What {@link assembleAttestation} takes. */
export interface AssembleAttestationOptions {
  /** The manifest of the image. */
  readonly subject: Descriptor
  /** At least one. */
  readonly statements: readonly AttestationStatement[]
  /** `artifact` (default): with `artifactType`, subject and empty config. `image`: with an image config, as before. */
  readonly form?: 'artifact' | 'image'
}

/** A new attestation; nothing of it is stored anywhere yet. */
export interface AssembledAttestation extends AssembledArtifact {
  /** For the index, after all images. */
  readonly entry: IndexEntry
}

/** An attestation that an index lists. */
export interface Attestation {
  /** The image that it is about. */
  readonly subject: Digest
  readonly entry: IndexEntry
  readonly manifest: Parsed<Manifest>
  readonly statements: readonly {
    /** As annotated; the statement itself says the same, or is not to be trusted. */
    readonly predicateType: string | undefined
    readonly descriptor: Descriptor
  }[]
}

/** What to read. */
export interface ReadAttestationsOptions extends ContentOptions {
  /** Only what is about this image. */
  readonly subject?: Digest
}

/** What {@link writeStatement} takes. */
export interface StatementOptions {
  readonly subject: readonly { readonly name: string; readonly digest: Digest }[]
  readonly predicateType: string
  readonly predicate: JsonInput
}

/** Writes an in-toto statement; the same input gives the same bytes. */
export function writeStatement({ subject, predicateType, predicate }: StatementOptions): Uint8Array {
  return writeJson({
    _type: 'https://in-toto.io/Statement/v1',
    subject: subject.map(({ name, digest }) => ({ name, digest: { [algorithmOf(digest)]: hexOf(digest) } })),
    predicateType,
    predicate,
  })
}

/**
 * Writes the manifest of an attestation, and its entry for the index of the image.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if there are no statements.
 */
export function assembleAttestation(options: AssembleAttestationOptions): AssembledAttestation {
  const { subject, statements, form = 'artifact' } = options
  if (statements.length === 0) throw invalid('layers', 'No statement')
  const layers = statements.map(layerOf)
  const { manifest, blobs } =
    form === 'artifact'
      ? assembleArtifact({ artifactType: ARTIFACT_TYPE_ATTESTATION, layers, subject })
      : assembleArtifact({
          artifactType: MEDIA_TYPE_OCI_CONFIG,
          style: '1.0',
          config: { mediaType: MEDIA_TYPE_OCI_CONFIG, bytes: imageConfig(layers) },
          layers,
        })
  const entry: IndexEntry = {
    ...manifest.descriptor,
    annotations: {
      [ANNOTATION_REFERENCE_DIGEST]: subject.digest,
      [ANNOTATION_REFERENCE_TYPE]: REFERENCE_TYPE,
    },
    platform: UNKNOWN,
  }
  return { manifest, blobs, entry }
}

/**
 * Reads the attestations that an index lists, in order, one at a time. Entries of other reference types are passed over.
 *
 * Nothing here tells whether a statement is true, or who made it.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if an attestation names two images, or none; `_NOT_FOUND`,
 *   `_LIMIT`.
 * @throws {DigestError} if bytes are not what their descriptor says.
 */
export async function* readAttestations(
  reader: ContentReader,
  { manifests }: ImageIndex,
  options: ReadAttestationsOptions = {},
): AsyncGenerator<Attestation, void, void> {
  for (const [index, entry] of manifests.entries()) {
    const { annotations, platform: _, ...descriptor } = entry
    if (annotations?.[ANNOTATION_REFERENCE_TYPE] !== REFERENCE_TYPE || !isManifestType(entry.mediaType))
      continue
    const place = `manifests[${index}].annotations.${ANNOTATION_REFERENCE_DIGEST}`
    const subject = digestAt(annotations[ANNOTATION_REFERENCE_DIGEST], place)
    if (options.subject !== undefined && options.subject !== subject) continue
    const found = await readDocument(reader, descriptor, withSignal(options.signal))
    const manifest = found.document as Parsed<Manifest>
    const stated = manifest.value.subject?.digest
    if (stated !== undefined && stated !== subject) {
      throw invalid(place, `Listed for ${quoted(subject)}, but about ${quoted(stated)}`)
    }
    yield { subject, entry, manifest, statements: statementsOf(manifest.value) }
  }
}

/** Layers of other types are not statements. */
function statementsOf({ layers }: Manifest): Attestation['statements'] {
  return layers
    .filter(({ mediaType }) => mediaType === MEDIA_TYPE_IN_TOTO)
    .map((descriptor) => ({ predicateType: descriptor.annotations?.[ANNOTATION_PREDICATE_TYPE], descriptor }))
}

function layerOf({ predicateType, content }: AttestationStatement): ArtifactBlob | Descriptor {
  const annotations = { [ANNOTATION_PREDICATE_TYPE]: predicateType }
  if (content instanceof Uint8Array) return { mediaType: MEDIA_TYPE_IN_TOTO, bytes: content, annotations }
  return {
    ...content,
    mediaType: MEDIA_TYPE_IN_TOTO,
    annotations: { ...content.annotations, ...annotations },
  }
}

/** The config of the older form: of no platform, with the statements as layers. */
function imageConfig(layers: readonly (ArtifactBlob | Descriptor)[]): Uint8Array {
  const digests = layers.map((layer) =>
    'bytes' in layer ? describe(layer.mediaType, layer.bytes).digest : layer.digest,
  )
  return writeJson({ ...UNKNOWN, config: {}, rootfs: { type: 'layers', diff_ids: digests } })
}
