/** What several test files need. */
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bytesSource } from '@varve/digest'
import { type EntryFields, createEntry, fromLayers, fromTar, openLayer, packLayer, Tree } from '@varve/layer'
import {
  assembleImage,
  type ContentReader,
  hostPlatform,
  type Platform,
  readImage,
} from '@varve/oci-manifest'
import { openLayout } from '@varve/oci-manifest/layout'
import type { Descriptor } from '@varve/digest'
import type { RuntimeConfig } from '@varve/oci-manifest'

/** Writes files below a directory, all with one old modification time. */
export function writeFiles(directory: string, files: Readonly<Record<string, string>>): string {
  mkdirSync(directory, { recursive: true })
  for (const [path, text] of Object.entries(files)) {
    const file = join(directory, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    utimesSync(file, 1_000_000_000, 1_000_000_000)
  }
  return directory
}

/** A file with text in it, for {@link makeBase}. */
export function textEntry(path: string, text: string, fields: Partial<EntryFields> = {}): EntryFields {
  const bytes = new TextEncoder().encode(text)
  return { path, type: 'file', size: bytes.byteLength, content: bytesSource(bytes), ...fields }
}

/** An image of one layer in a layout directory, tagged `latest`. */
export async function makeBase(
  directory: string,
  entries: readonly EntryFields[],
  options: { readonly config?: RuntimeConfig; readonly platform?: Platform; readonly tag?: string } = {},
): Promise<Descriptor> {
  const chunks: Uint8Array[] = []
  const tree = Tree.from(entries.map((fields) => createEntry(fields)))
  const layer = await packLayer(tree, { write: (chunk) => void chunks.push(chunk.slice()) })
  const { config, manifest } = assembleImage({
    platform: options.platform ?? hostPlatform(),
    config: options.config ?? {},
    layers: [layer],
    history: [{ created_by: 'base' }],
    created: '1970-01-01T00:00:00Z',
  })
  const layout = await openLayout(directory, { create: true })
  await layout.write(layer.descriptor, bytesSource(Buffer.concat(chunks)))
  for (const { descriptor, bytes } of [config, manifest]) await layout.write(descriptor, bytesSource(bytes))
  await layout.tag(options.tag ?? 'latest', manifest.descriptor)
  return manifest.descriptor
}

/** The files of an image as lines: path, type, mode, owner, and text or link target. */
export async function listImage(
  reader: ContentReader,
  root: Descriptor,
  platform?: Platform,
): Promise<string[]> {
  const image = await readImage(reader, root, platform === undefined ? {} : { platform })
  const trees = image.manifest.value.layers.map(async (descriptor, index) => {
    const source = await reader.read(descriptor)
    const diffID = image.config.value.rootfs.diff_ids[index]
    if (source === undefined || diffID === undefined) throw new Error(`No layer ${descriptor.digest}`)
    return fromTar(openLayer(descriptor, diffID, source).uncompressed)
  })
  const lines: string[] = []
  for (const { path, type, mode, uid, gid, linkname, content } of fromLayers(await Promise.all(trees))) {
    const chunks: Uint8Array[] = []
    if (content !== undefined) for await (const chunk of content.open()) chunks.push(chunk)
    const detail = linkname === '' ? Buffer.concat(chunks).toString() : `-> ${linkname}`
    lines.push(`${path} ${type} ${mode.toString(8)} ${uid}:${gid} ${detail}`.trimEnd())
  }
  return lines
}
