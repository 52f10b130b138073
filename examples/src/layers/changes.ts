/**
 * Compares two directories.
 *
 * @module
 */
import { diff, fromDirectory, layerTree, pack } from '@varve/layer'

/** The uncompressed layer that turns one directory into another; what is gone becomes whiteouts. */
export async function* packChanges(before: string, after: string): AsyncGenerator<Uint8Array> {
  const [lower, upper] = [await fromDirectory(before), await fromDirectory(after)]
  yield* pack(layerTree(await diff(lower, upper), upper))
}
