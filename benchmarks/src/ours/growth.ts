/**
 * Work in memory alone, on so many entries or layers, so many times; prints the milliseconds it took.
 *
 * @module
 */
import { createEntry, diff, type Entry, fromLayers, layerTree, merge, pack, Tree } from '@varve/layer'

const [, , what = '', count = '', times = ''] = process.argv

/** Paths as in a `node_modules`, sixteen to a directory. */
function makeTree(size: number, mtime: number, name: string): Tree {
  const entries: Entry[] = []
  for (let index = 0; index < size; index++) {
    if (index % 16 === 0) {
      entries.push(createEntry({ path: `${name}-${Math.floor(index / 16)}`, type: 'directory' }))
    }
    const path = `${name}-${Math.floor(index / 16)}/module-${index}.js`
    entries.push(createEntry({ path, type: 'file', mtime: index % 10 === 0 ? mtime : 0 }))
  }
  return Tree.from(entries)
}

async function overEntries(size: number): Promise<void> {
  const [lower, upper] = [makeTree(size, 1, 'package'), makeTree(size, 2, 'package')]
  const layer = layerTree(await diff(lower, upper), upper)
  let bytes = 0
  for await (const chunk of pack(merge(lower, layer))) bytes += chunk.byteLength
  if (bytes < size * 512) throw new Error(`${bytes} bytes of ${size} entries`)
}

function overLayers(size: number): void {
  const layers = Array.from({ length: size }, (_, index) => makeTree(1_000, index, `package-${index % 25}`))
  if (fromLayers(layers).size === 0) throw new Error('No entries')
}

const started = performance.now()
for (let time = 0; time < Number(times); time++) {
  // oxlint-disable-next-line no-await-in-loop -- one after the other is what is measured
  await (what === 'entries' ? overEntries(Number(count)) : overLayers(Number(count)))
}
process.stdout.write(`${performance.now() - started}\n`)
