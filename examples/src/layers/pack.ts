/**
 * Packs a directory.
 *
 * @module
 */
import { open } from 'node:fs/promises'
import { fromDirectory, type PackedLayer, packLayer } from '@varve/layer'

/** Writes a directory as a gzip layer: the same bytes for the same files, whoever runs it and wherever. */
export async function packDirectory(directory: string, file: string): Promise<PackedLayer> {
  const tree = await fromDirectory(directory, {
    owner: { uid: 0, gid: 0 },
    mtime: { clamp: 1_700_000_000 },
  })
  const output = await open(file, 'w')
  try {
    return await packLayer(tree, { write: (chunk) => output.writeFile(chunk) })
  } finally {
    await output.close()
  }
}
