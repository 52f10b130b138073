/**
 * An archive to be written: a file that appears when it is whole.
 *
 * @module
 */
import type { ContentOptions, ContentReader } from '@varve/oci-manifest'
import type { ArchiveRoot } from '@varve/oci-manifest/archive'

/** How archives are laid out. */
export type ArchiveFormat = 'oci' | 'docker'

/** An archive that `copyImage` writes. */
export interface ArchiveTarget {
  /** Of the file. One that is there is replaced, once the new one is whole. */
  readonly path: string
  readonly format: ArchiveFormat
  /** The bytes of an archive of these images. */
  pack(roots: readonly ArchiveRoot[], from: ContentReader, options: ContentOptions): AsyncIterable<Uint8Array>
}

/** What an archive is to be. */
export interface ArchiveTargetOptions {
  /**
   * `oci`, the default, takes whatever an image layout takes. `docker`, for `docker load`, takes images of one platform,
   * by default that of this machine, whose names are whole references.
   */
  readonly format?: ArchiveFormat
}

/**
 * A file for `copyImage` to write an archive to.
 *
 * @example
 * await copyImage({ from: client.repository('alpine:3.20'), to: archiveTarget('alpine.tar') })
 */
export function archiveTarget(path: string, { format = 'oci' }: ArchiveTargetOptions = {}): ArchiveTarget {
  return {
    path,
    format,
    async *pack(roots, from, options) {
      // Loaded by those only who write one.
      const { writeArchive, writeDockerArchive } = await import('@varve/oci-manifest/archive')
      yield* (format === 'oci' ? writeArchive : writeDockerArchive)(roots, from, options)
    },
  }
}
