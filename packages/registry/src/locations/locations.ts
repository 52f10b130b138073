/**
 * What is known of blobs elsewhere: in which repositories they are, and which of them hold the same layer.
 *
 * All of it is hints. A mount that fails drops the place, and nothing is believed unverified.
 *
 * @module
 */
import type { Descriptor, Digest } from '@varve/digest'

/** A repository of a registry. */
export interface BlobPlace {
  /** As references spell it, such as `docker.io`. */
  readonly registry: string
  readonly repository: string
}

/** Remembers where blobs are. Errors of whatever keeps it are swallowed: a hint that is lost costs time only. */
export interface BlobLocations {
  /** Notes that a repository has a blob. */
  add(digest: Digest, place: BlobPlace): Promise<void>
  /** Forgets it, because the repository turned out not to have the blob. */
  drop(digest: Digest, place: BlobPlace): Promise<void>
  /** Repositories of a registry that may have a blob, the latest noted first. */
  repositoriesOf(digest: Digest, registry: string): Promise<readonly string[]>
  /** Notes a diffID that was computed here, not one that a config claims. */
  addLayer(diffID: Digest, layer: Descriptor): Promise<void>
  /** Blobs known to hold a layer, whatever their compression. */
  layersOf(diffID: Digest): Promise<readonly Descriptor[]>
  /** The diffID of a blob. */
  diffIDOf(digest: Digest): Promise<Digest | undefined>
}
