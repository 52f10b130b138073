/**
 * Unpacks layers.
 *
 * @module
 */
import { unpack, type UnpackLayer } from '@varve/layer'

/** Makes a root file system of layers, base first: whole, or not there at all. */
export async function makeRoot(root: string, layers: readonly UnpackLayer[]): Promise<string[]> {
  const reports = await unpack(root, layers)
  return reports.flatMap(({ unsupported }) =>
    unsupported.map(({ path, attribute }) => `${path}: no ${attribute}`),
  )
}
