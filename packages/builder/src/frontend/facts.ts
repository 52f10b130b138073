/**
 * What lowering must be told, since it does no I/O: the base images it asks for.
 *
 * @module
 */
import type { Digest } from '@varve/digest'
import { formatPlatform, type ImageConfig, type Platform } from '@varve/oci-manifest'
import type { SourceLocation } from '../errors.ts'

/** An image that a Dockerfile names. */
export interface ImageNeed {
  /** As written, variables expanded: a reference, or the name of a context. */
  readonly name: string
  readonly platform: Platform
  readonly location: SourceLocation
}

/** What became of an {@link ImageNeed}. */
export interface BaseImage {
  /** Full name, for messages and for fetching. */
  readonly reference: string
  /** Of the manifest chosen for the platform. */
  readonly manifest: Digest
  readonly config: ImageConfig
}

/** Answers so far, by {@link factKey}. */
export type Facts = ReadonlyMap<string, BaseImage>

/** Under which name a need is answered. */
export function factKey(name: string, platform: Platform): string {
  return `${formatPlatform(platform)} ${name}`
}

/** Thrown inside lowering where a fact is missing, caught at its top. */
export class MissingFact extends Error {
  readonly need: ImageNeed

  constructor(need: ImageNeed) {
    super(`Needs ${need.name}`)
    this.need = need
  }
}
