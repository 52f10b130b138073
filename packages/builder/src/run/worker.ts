/**
 * The process inside the namespaces: unpacks layers, mounts them, runs one command, packs what it changed.
 *
 * Everything it mounts is in a mount namespace of its own and everything it starts in a pid namespace of which it is
 * the first process, so nothing outlives it. It ends when its standard input closes: with its parent.
 *
 * @module
 */
import { rmSync, write, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { BuilderError } from '../errors.ts'
import { execute } from './execute.ts'
import { type Job, LAYER_FD, type Reply, REPLY_FD } from './job.ts'
import { probeOverlay } from './overlay.ts'
import { unpackLayers } from './unpack.ts'

const writeTo = promisify(write)

/** Reads the job, does it, replies, exits. */
function main(): void {
  process.umask(0o022)
  const lines = createInterface({ input: process.stdin })
  lines.once('line', (line) => {
    void perform(JSON.parse(line) as Job).then(reply, fail)
  })
  // The parent is gone: as the first process of the pid namespace this takes everything along.
  lines.once('close', () => process.exit(1))
}

async function perform(job: Job): Promise<Reply> {
  switch (job.kind) {
    case 'probe':
      return { ok: true, stacking: probeOverlay(job.directory) }
    case 'remove':
      rmSync(job.directory, { recursive: true, force: true })
      return { ok: true }
    case 'unpack':
      return { ok: true, warnings: await unpackLayers(job) }
    default:
      return execute(job, writeLayer)
  }
}

async function writeLayer(chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength;) {
    offset += (await writeTo(LAYER_FD, chunk, offset, chunk.byteLength - offset)).bytesWritten
  }
}

function reply(message: Reply): void {
  writeSync(REPLY_FD, `${JSON.stringify(message)}\n`)
  process.exit(0)
}

function fail(error: unknown): void {
  const { message } = error as Error
  if (error instanceof BuilderError) {
    const { code, exitCode, hint } = error
    reply({
      ok: false,
      code,
      message,
      ...(exitCode !== undefined && { exitCode }),
      ...(hint !== undefined && { hint }),
    })
    return
  }
  const stderr = (error as { stderr?: Uint8Array }).stderr?.toString().trim() ?? ''
  reply({ ok: false, code: 'ERR_BUILDER_RUNNER', message: stderr === '' ? message : `${message}: ${stderr}` })
}

main()
