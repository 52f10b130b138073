/**
 * The least that Node can do to look at every entry: names and `lstat`. Prints how many milliseconds it took, the second
 * time, as {@link ../ours/diff-nothing.ts} does.
 *
 * @module
 */
import { lstatSync, readdirSync } from 'node:fs'

const [, , directory = ''] = process.argv
walk(directory)
const started = performance.now()
walk(directory)
process.stdout.write(`${performance.now() - started}\n`)

function walk(parent: string): void {
  for (const name of readdirSync(parent)) {
    const path = `${parent}/${name}`
    if (lstatSync(path).isDirectory()) walk(path)
  }
}
