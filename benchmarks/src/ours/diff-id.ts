/**
 * Packs a directory and prints the diffID; the archive goes nowhere.
 *
 * @module
 */
import { fromDirectory, packLayer } from '@varve/layer'

const { diffID } = await packLayer(
  await fromDirectory(process.argv[2] ?? ''),
  { transient: true, write: () => {} },
  { compression: 'none' },
)
process.stdout.write(`${diffID}\n`)
