/**
 * Where images come from, and where they go.
 *
 * @module
 */
import type { Descriptor } from '@varve/digest'
import type {
  BlobReader,
  BlobWriter,
  ContentOptions,
  ContentReader,
  ContentWriter,
  ImageIndex,
  Parsed,
  Platform,
} from '@varve/oci-manifest'
import type { ReferrerList, Repository } from '../repository.ts'
import type { ArchiveTarget } from './archive-target.ts'

/** A repository, a layout, an archive that was opened, or whatever reads like them. */
export interface ImageSource extends ContentReader, Partial<BlobReader>, Partial<ReferrerList> {
  /**
   * What a name or digest means; without one, the only image, or what the source was opened for. The platform is for
   * layouts in which several roots share a name.
   */
  resolve(
    nameOrDigest?: string,
    options?: ContentOptions & { readonly platform?: Platform },
  ): Promise<Descriptor> | Descriptor
  /** Roots: where referrers are looked for in a source that has no list of them. */
  readonly index?: Parsed<ImageIndex> | (() => Promise<Parsed<ImageIndex>>)
}

/** A layout, or whatever is written like one. */
export interface ImageTarget extends ContentWriter, Partial<BlobWriter> {
  /** Names content that is here, or, without a name, keeps it. */
  tag(name: string | undefined, descriptor: Descriptor, options?: ContentOptions): Promise<void>
}

/** Where an image can go. */
export type ImageDestination = Repository | ImageTarget | ArchiveTarget

/** Whether it is a repository of a registry. */
export function isRepository(place: ImageSource | ImageDestination): place is Repository {
  return 'reference' in place && 'manifest' in place
}
