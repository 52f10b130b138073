/**
 * Packs a directory.
 *
 * @module
 */
import { fromDirectory, type PackedLayer, packLayer } from '@varve/layer'
import { open } from 'node:fs/promises'

/** Writes a directory as a gzip layer: the same bytes for the same files, whoever packs them. */
export async function packDirectory(directory: string, file: string): Promise<PackedLayer> {
  const tree = await fromDirectory(directory, { owner: { uid: 0, gid: 0 }, mtime: { clamp: 1_700_000_000 } })
  const output = await open(file, 'w')
  try {
    return await packLayer(tree, { write: (chunk) => output.writeFile(chunk) })
  } finally {
    await output.close()
  }
}
