/**
 * The main job, end to end: a real image built twice, the second time all from cache, pushed to an embedded registry,
 * pulled back and proven. Needs no network, no root and no Docker.
 *
 * @module
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hello } from './hello.ts'

const directory = await mkdtemp(join(tmpdir(), 'varve-hello-'))
try {
  await hello({ directory, print: (line) => process.stdout.write(`${line}\n`) })
} finally {
  await rm(directory, { recursive: true, force: true })
}
