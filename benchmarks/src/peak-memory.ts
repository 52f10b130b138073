/**
 * Loaded before a script by `node --import`: writes the peak of its memory, in bytes, to descriptor 3.
 *
 * @module
 */
import { writeSync } from 'node:fs'

process.on('exit', () => {
  writeSync(3, String(process.resourceUsage().maxRSS * 1024))
})
