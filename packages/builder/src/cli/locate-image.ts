/**
 * Finding an image by what a user types: a layout, an archive, a name, an id.
 *
 * @module
 */
import { statSync } from 'node:fs'
import { type Descriptor, hexOf } from '@varve/digest'
import { formatReference, parseReference } from '@varve/oci-manifest'
import { readArchive } from '@varve/oci-manifest/archive'
import { type ImageLayout, openLayout } from '@varve/oci-manifest/layout'
import type { ImageSource } from '@varve/registry'
import { withTag } from '../execute/base-images.ts'
import { openWorkspace } from '../workspace.ts'
import { usage } from './options.ts'

/** An image, and where its content is. */
export interface LocatedImage {
  readonly source: ImageSource
  readonly descriptor: Descriptor
}

/** Leading hexadecimal digits of a digest, with or without the algorithm. */
const SHORT_ID = /^(?:sha256:)?([0-9a-f]{6,64})$/

/**
 * Finds an image: `DIR[:TAG]` and `FILE.tar` if they exist and are written as paths, else a name or an id in the store.
 *
 * @throws {BuilderError} `ERR_BUILDER_USAGE` if nothing, or more than one image, fits.
 */
export async function locateImage(text: string, cacheDirectory: string): Promise<LocatedImage> {
  if (looksLikePath(text)) {
    const { source, name } = await locatePath(text)
    return { source, descriptor: await source.resolve(name) }
  }
  const { images } = await openWorkspace(cacheDirectory)
  return { source: images, descriptor: await findInStore(text, images) }
}

/** An image of the store by name or by the beginning of its digest. */
export async function findInStore(text: string, images: ImageLayout): Promise<Descriptor> {
  const tags = await images.tags()
  const id = SHORT_ID.exec(text)?.[1]
  const byId = [...tags.values()].filter(({ digest }) => id !== undefined && hexOf(digest).startsWith(id))
  const digests = new Set(byId.map(({ digest }) => digest))
  if (digests.size > 1) throw usage(`${JSON.stringify(text)} is the beginning of ${digests.size} digests`)
  const [found] = byId
  if (found !== undefined) return found
  const named = tags.get(formatReference(withTag(parseReference(text))))
  if (named !== undefined) return named
  const known = [...tags.keys()].join(', ')
  throw usage(
    `The store has no image ${JSON.stringify(text)}`,
    known === '' ? 'It has none at all' : `It has ${known}`,
  )
}

/** Whether what is written means a file or a directory, and not a name. */
export function looksLikePath(text: string): boolean {
  return /^[./]|\.tar(?::|$)/.test(text)
}

/**
 * Opens `DIR[:NAME]` or `FILE.tar[:NAME]`.
 *
 * @throws {BuilderError} `ERR_BUILDER_USAGE` if there is nothing of that path.
 */
export async function locatePath(
  text: string,
): Promise<{ readonly source: ImageSource; readonly name: string | undefined }> {
  // A path may hold colons itself, so whatever exists decides.
  for (let end = text.length; end > 0; end = text.lastIndexOf(':', end - 1)) {
    const path = text.slice(0, end)
    const name = end === text.length ? undefined : text.slice(end + 1)
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat === undefined) continue
    return { source: stat.isDirectory() ? await openLayout(path) : await readArchive(path), name }
  }
  throw usage(`There is no file or directory ${JSON.stringify(text)}`)
}
