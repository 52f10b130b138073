/**
 * Compares two directories.
 *
 * @module
 */
import { diff, fromDirectory, layerTree, type Tree } from '@varve/layer'

/** The members of the layer that makes `after` of `before`; deletions are whiteouts. */
export async function layerOfChanges(before: string, after: string): Promise<Tree> {
  const [lower, upper] = [await fromDirectory(before), await fromDirectory(after)]
  const changes = await diff(lower, upper)
  for (const { kind, path } of changes) process.stdout.write(`${kind} ${path}\n`)
  return layerTree(changes, upper)
}
