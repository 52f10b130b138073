/**
 * Finding an image by what a user types: a layout, an archive, a name, an id.
 *
 * @module
 */
import { statSync } from 'node:fs'
import { type Descriptor, hexOf } from '@varve/digest'
import { type ContentReader, formatReference, parseReference } from '@varve/oci-manifest'
import { readArchive } from '@varve/oci-manifest/archive'
import { type ImageLayout, openLayout } from '@varve/oci-manifest/layout'
import { withTag } from '../execute/base-images.ts'
import { openWorkspace } from '../workspace.ts'
import { usage } from './options.ts'

/** An image, and where its content is. */
export interface LocatedImage {
  readonly reader: ContentReader
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
  const path = asPath(text)
  if (path !== undefined) {
    if (path.kind === 'file') {
      const reader = await readArchive(path.path)
      return { reader, descriptor: reader.resolve(path.tag) }
    }
    const reader = await openLayout(path.path)
    return { reader, descriptor: await reader.resolve(path.tag) }
  }
  const { images } = await openWorkspace(cacheDirectory)
  return { reader: images, descriptor: await findInStore(text, images) }
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

function asPath(
  text: string,
): { readonly kind: 'file' | 'directory'; readonly path: string; readonly tag?: string } | undefined {
  if (!/^[./]|\.tar$/.test(text)) return undefined
  const colon = text.lastIndexOf(':')
  const candidates = [
    { path: text },
    ...(colon > 0 ? [{ path: text.slice(0, colon), tag: text.slice(colon + 1) }] : []),
  ]
  for (const candidate of candidates) {
    const stat = statSync(candidate.path, { throwIfNoEntry: false })
    if (stat !== undefined) return { ...candidate, kind: stat.isDirectory() ? 'directory' : 'file' }
  }
  throw usage(`There is no file or directory ${JSON.stringify(text)}`)
}
