/**
 * What {@link ../ours/list.ts} does, with tar-stream.
 *
 * @module
 */
import { createReadStream } from 'node:fs'
import { extract as createExtract } from 'tar-stream'

const extract = createExtract()
createReadStream(process.argv[2] ?? '', { highWaterMark: 1024 * 1024 }).pipe(extract)
let text = ''
for await (const entry of extract) {
  text += `${entry.header.name}\n`
  entry.resume()
}
process.stdout.write(text)
