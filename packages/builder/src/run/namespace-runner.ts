/**
 * Runs RUN on Linux with no daemon: one worker process per step, in namespaces of its own.
 *
 * As root the worker gets mount and pid namespaces; as an ordinary user a user namespace with the subordinate ids of
 * `/etc/subuid` too, in which layers are unpacked and read back, so that ids inside are the image's.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hexOf } from '@varve/digest'
import { chainIDs } from '@varve/oci-manifest'
import { BuilderError } from '../errors.ts'
import type { Job, Reply, Sandbox, Stacking, UnpackedLayer } from './job.ts'
import { ROOTLESS_VARIABLE } from './overlay.ts'
import type { RunLayer, RunOutcome, Runner } from './runner.ts'
import { findTool } from './tools.ts'

/** How a runner is made. */
export interface NamespaceRunnerOptions {
  /** A directory of its own; made if absent, removed by `close`. */
  readonly directory: string
  /** Working directories of runners that are no more; removed at the first run. */
  readonly abandoned?: readonly string[]
  /** Default: bwrap where it is installed, else unshare. */
  readonly sandbox?: Sandbox
  /** Default: overlay where it works. */
  readonly stacking?: Stacking
}

interface JobOutput {
  onOutput?(stream: 'stdout' | 'stderr', chunk: Uint8Array): void
  write?(chunk: Uint8Array): Promise<void>
}

const INSTALL = 'Install util-linux (unshare, mount, setpriv) and, better, bubblewrap (bwrap)'
const SUBORDINATE_IDS =
  'Give the user subordinate ids in /etc/subuid and /etc/subgid, install uidmap, or run as root'

/**
 * Makes a runner. Nothing is started or checked before the first run.
 *
 * @throws {BuilderError} `ERR_BUILDER_RUNNER` on another system than Linux, or where nothing can isolate a process.
 */
export function createNamespaceRunner(options: NamespaceRunnerOptions): Runner {
  const unshare = findTool('unshare')
  if (process.platform !== 'linux' || unshare === undefined) {
    const message =
      process.platform === 'linux' ? 'RUN needs unshare' : `RUN needs Linux, this is ${process.platform}`
    throw new BuilderError('ERR_BUILDER_RUNNER', message, { hint: INSTALL })
  }
  const sandbox = options.sandbox ?? (findTool('bwrap') === undefined ? 'unshare' : 'bwrap')
  const { directory } = options
  const rootless = process.getuid?.() !== 0
  let stacking: Promise<Stacking> | undefined
  /** One unpacking at a time: parallel branches share most of their layers. */
  let unpacking: Promise<unknown> = Promise.resolve()

  return {
    name: sandbox,
    async run(request, output, { signal } = {}): Promise<RunOutcome> {
      signal?.throwIfAborted()
      stacking ??= options.stacking === undefined ? probe() : Promise.resolve(options.stacking)
      const way = await stacking
      const layers = unpackedLayers(request.layers)
      const unpacked = unpacking.then(() =>
        work({ kind: 'unpack', directory, stacking: way, layers }, {}, signal),
      )
      unpacking = unpacked.catch(() => undefined)
      const { warnings: unpackingWarnings = [] } = await unpacked
      const run = randomBytes(8).toString('hex')
      const names = layers.map(({ name }) => name)
      const job: Job = {
        kind: 'exec',
        directory,
        stacking: way,
        sandbox,
        layers: names,
        run,
        request: { ...request },
      }
      try {
        const reply = await work(job, output, signal)
        if (reply.layer === undefined)
          throw new BuilderError('ERR_BUILDER_RUNNER', 'The worker sent no layer')
        return { layer: reply.layer, warnings: [...unpackingWarnings, ...(reply.warnings ?? [])] }
      } finally {
        await remove(join(directory, 'runs', run))
      }
    },
    async close(): Promise<void> {
      if (stacking !== undefined) await remove(directory)
    },
  }

  /** Files of a user namespace belong to ids that only a worker in one may touch. */
  async function remove(path: string): Promise<void> {
    if (rootless) await work({ kind: 'remove', directory: path }, {})
    else await rm(path, { recursive: true, force: true })
  }

  async function probe(): Promise<Stacking> {
    mkdirSync(directory, { recursive: true })
    try {
      for (const old of options.abandoned ?? []) await remove(old)
      const { stacking: found = 'copy' } = await work({ kind: 'probe', directory }, {})
      return found
    } catch (cause) {
      const message = rootless
        ? 'RUN as an ordinary user needs a user namespace with subordinate ids'
        : 'RUN needs mount and pid namespaces'
      throw new BuilderError('ERR_BUILDER_RUNNER', message, {
        cause,
        hint: rootless ? SUBORDINATE_IDS : INSTALL,
      })
    }
  }

  /** Starts a worker, gives it a job and waits for its reply. An abort kills it and everything it started. */
  async function work(
    job: Job,
    output: JobOutput,
    signal?: AbortSignal,
  ): Promise<Extract<Reply, { ok: true }>> {
    const child = spawn(unshare ?? 'unshare', [...namespaceFlags(rootless), ...workerCommand()], {
      cwd: '/',
      stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, [ROOTLESS_VARIABLE]: rootless ? '1' : '0' },
    })
    const kill = (): void => void child.kill('SIGKILL')
    signal?.addEventListener('abort', kill)
    const log: Uint8Array[] = []
    const [stdin, stdout, stderr, layerBytes, replyBytes] = child.stdio
    stdin?.on('error', () => undefined)
    ;(stdin as NodeJS.WritableStream).write(`${JSON.stringify(job)}\n`)
    stdout?.on('data', (chunk: Uint8Array) => output.onOutput?.('stdout', chunk))
    stderr?.on('data', (chunk: Uint8Array) => {
      if (output.onOutput === undefined) log.push(chunk)
      else output.onOutput('stderr', chunk)
    })
    const ended = new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => resolve(code ?? 1))
    })
    try {
      const [text] = await Promise.all([
        collect(replyBytes as AsyncIterable<Uint8Array>),
        forward(layerBytes as AsyncIterable<Uint8Array>, output),
        ended,
      ])
      signal?.throwIfAborted()
      const reply = text === '' ? undefined : (JSON.parse(text) as Reply)
      if (reply?.ok === true) return reply
      const said = Buffer.concat(log).toString().trim()
      const { code, message, exitCode, hint } = reply ?? {
        code: 'ERR_BUILDER_RUNNER',
        message: said || 'The worker ended',
      }
      throw new BuilderError(code, message, {
        ...(exitCode !== undefined && { exitCode }),
        ...(hint !== undefined && { hint }),
      })
    } finally {
      signal?.removeEventListener('abort', kill)
      kill()
    }
  }
}

/** `--kill-child`: when unshare is killed, so is the worker, and with the first process of a pid namespace all others. */
function namespaceFlags(rootless: boolean): string[] {
  const user = rootless ? ['--user', '--map-auto', '--map-root-user'] : []
  const others = [
    '--mount',
    '--propagation',
    'private',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '--',
  ]
  return [...user, ...others]
}

/** The worker beside this file, also in dist (026), run as this process is run: compiled, or through the same loader. */
function workerCommand(): string[] {
  const worker = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)
  return [process.execPath, ...process.execArgv, fileURLToPath(worker)]
}

function unpackedLayers(layers: readonly RunLayer[]): UnpackedLayer[] {
  const chain = chainIDs(layers.map(({ diffID }) => diffID))
  // Short names: all of them together must fit into one page of mount options.
  return layers.map(({ file, diffID }, index) => {
    const id = chain[index]
    return { name: id === undefined ? String(index) : hexOf(id).slice(0, 20), file, diffID }
  })
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function forward(stream: AsyncIterable<Uint8Array>, output: JobOutput): Promise<void> {
  for await (const chunk of stream) await output.write?.(chunk)
}
