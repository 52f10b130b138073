/**
 * What {@link ../ours/pack.ts} does, with tar-stream in its fastest use: synchronous reads, no stream for each file.
 *
 * @module
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { pack as createPack } from 'tar-stream'

const root = process.argv[2] ?? ''
const pack = createPack()

async function write(): Promise<void> {
  for await (const chunk of pack) process.stdout.write(chunk as Uint8Array)
}

async function visit(directory: string): Promise<void> {
  for (const name of readdirSync(join(root, directory)).toSorted()) {
    const path = directory === '' ? name : `${directory}/${name}`
    const stats = lstatSync(join(root, path))
    const common = {
      name: path,
      mode: stats.mode & 0o7777,
      mtime: stats.mtime,
      uid: stats.uid,
      gid: stats.gid,
    }
    if (stats.isDirectory()) {
      pack.entry({ ...common, type: 'directory' })
      // oxlint-disable-next-line no-await-in-loop -- the order is the archive's
      await visit(path)
    } else if (stats.isSymbolicLink()) {
      pack.entry({ ...common, type: 'symlink', linkname: readlinkSync(join(root, path)) })
    } else {
      // oxlint-disable-next-line no-await-in-loop -- one file at a time
      await new Promise((resolve) => pack.entry(common, readFileSync(join(root, path)), resolve))
    }
  }
}

const written = write()
await visit('')
pack.finalize()
await written
