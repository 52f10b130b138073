/**
 * Where a built image goes.
 *
 * @module
 */
import { mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Descriptor, withSignal } from '@varve/digest'
import { type ContentReader, copyContent, formatReference, parseReference } from '@varve/oci-manifest'
import { openLayout } from '@varve/oci-manifest/layout'
import type { RegistryClient } from '@varve/registry'
import { BuilderError } from '../errors.ts'
import { withTag } from '../execute/base-images.ts'
import { asOutput } from './whole-file.ts'

/** One place to write an image to. */
export type Output =
  /** A layout directory. */
  | { readonly type: 'layout'; readonly directory: string }
  /** An oci-archive; `-` is standard output. */
  | { readonly type: 'archive'; readonly file: string }
  /** The registries that the image's names say. */
  | { readonly type: 'registry' }

/** What is written. */
export interface OutputImage {
  readonly descriptor: Descriptor
  /** Full references; an image may have none, except for a registry. */
  readonly names: readonly string[]
}

/** What outputs need beside the image. */
export interface OutputOptions {
  readonly openRegistry: () => Promise<RegistryClient>
  /** Takes archives whose file is `-`. */
  readonly stdout?: Writable
  readonly signal?: AbortSignal
}

/**
 * Writes an image; tells where, for people.
 *
 * @throws {BuilderError} `ERR_BUILDER_OUTPUT` if a place cannot be written; nothing is left there half.
 */
export async function writeOutput(
  output: Output,
  image: OutputImage,
  from: ContentReader,
  options: OutputOptions,
): Promise<string> {
  switch (output.type) {
    case 'layout':
      return writeLayout(output.directory, image, from, options)
    case 'archive':
      return putArchive(output.file, image, from, options)
    default:
      return push(image, from, options)
  }
}

async function writeLayout(
  directory: string,
  { descriptor, names }: OutputImage,
  from: ContentReader,
  { signal }: OutputOptions,
): Promise<string> {
  return asOutput(directory, async () => {
    const layout = await openLayout(directory, { create: true })
    await copyContent(descriptor, from, layout, withSignal(signal))
    if (names.length === 0) await layout.tag(undefined, descriptor, withSignal(signal))
    for (const name of names) await layout.tag(tagOf(name), descriptor, withSignal(signal))
    return `layout ${layout.directory}`
  })
}

async function putArchive(
  file: string,
  { descriptor, names }: OutputImage,
  from: ContentReader,
  { signal, stdout }: OutputOptions,
): Promise<string> {
  const roots =
    names.length === 0 ? [{ descriptor }] : names.map((name) => ({ descriptor, name: tagOf(name) }))
  const { writeArchive, writeArchiveFile } = await import('@varve/oci-manifest/archive')
  const bytes = writeArchive(roots, from, withSignal(signal))
  if (file === '-') {
    if (stdout === undefined) throw new TypeError('No stream for the archive was given')
    await pipeline(Readable.from(bytes, { objectMode: false }), stdout, { end: false })
    return 'archive on standard output'
  }
  await asOutput(file, async () => {
    await mkdir(dirname(resolve(file)), { recursive: true })
    await writeArchiveFile(file, bytes)
  })
  return `archive ${resolve(file)}`
}

async function push(
  { descriptor, names }: OutputImage,
  from: ContentReader,
  { openRegistry, signal }: OutputOptions,
): Promise<string> {
  if (names.length === 0) {
    throw new BuilderError('ERR_BUILDER_USAGE', 'An image without a name cannot be pushed', {
      hint: 'Give it one by -t',
    })
  }
  const { copyImage } = await import('@varve/registry')
  const registry = await openRegistry()
  const source = { read: from.read.bind(from), resolve: () => descriptor }
  for (const name of names) {
    const to = registry.repository(withTag(parseReference(name)))
    await copyImage({ image: descriptor, from: source, to, ...withSignal(signal) })
  }
  return `registry ${names.join(', ')}`
}

/** A name's tag, which is how layouts name images among themselves. */
function tagOf(name: string): string {
  return parseReference(name).tag ?? formatReference(parseReference(name))
}
