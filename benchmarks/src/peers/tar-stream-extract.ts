/**
 * What {@link ../ours/apply.ts} does, with tar-stream in its fastest use: synchronous writes, no stream for each file.
 * It checks nothing.
 *
 * @module
 */
import {
  chmodSync,
  createReadStream,
  lutimesSync,
  mkdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { extract as createExtract } from 'tar-stream'

const [, , archive = '', directory = ''] = process.argv
const extract = createExtract()
createReadStream(archive, { highWaterMark: 1024 * 1024 }).pipe(extract)
mkdirSync(directory)
for await (const entry of extract) {
  const { name, type, mode, mtime, linkname } = entry.header
  const path = join(directory, name)
  const chunks: Uint8Array[] = []
  for await (const chunk of entry) chunks.push(chunk as Uint8Array)
  if (type === 'directory') {
    mkdirSync(path, { recursive: true })
    chmodSync(path, mode)
  } else if (type === 'symlink') {
    symlinkSync(linkname ?? '', path)
    lutimesSync(path, mtime, mtime)
  } else {
    writeFileSync(path, Buffer.concat(chunks))
    chmodSync(path, mode)
    utimesSync(path, mtime, mtime)
  }
}
