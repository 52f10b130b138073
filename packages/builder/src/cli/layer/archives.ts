/**
 * Layers as arguments: files, or standard input as `-`.
 *
 * @module
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type ByteSource, readAll } from '@varve/digest'
import { fileSource } from '@varve/digest/node'
import { decompress, detectCompression, fromDirectory, fromLayers, fromTar, type Tree } from '@varve/layer'
import type { CommandContext } from '../console.ts'
import { named } from '../named.ts'
import { usage } from '../options.ts'

/** Bytes that tell how a file is compressed. */
const HEAD = 4
const BLOCK = 1024 * 1024

/** Opens layers for one command; what it had to unpack on the way is removed when it is closed. */
export class Archives {
  readonly #context: CommandContext
  #directory: string | undefined
  #count = 0
  #stdinTaken = false

  constructor(context: CommandContext) {
    this.#context = context
  }

  /** The bytes as they are, compressed or not, once. */
  read(name: string): AsyncIterable<Uint8Array> {
    if (name !== '-') return createReadStream(name, { highWaterMark: BLOCK, signal: this.#context.signal })
    if (this.#stdinTaken) throw usage('Standard input can be one layer only')
    this.#stdinTaken = true
    return this.#context.stdin
  }

  /** The raw members of a layer; their contents can be read until this is closed. */
  async layer(name: string): Promise<Tree> {
    return named(name, async () => fromTar(await this.#open(name), { signal: this.#context.signal }))
  }

  /** A directory, or what a layer by itself unpacks to. */
  async tree(name: string): Promise<Tree> {
    if (name !== '-' && (await named(name, () => stat(name))).isDirectory()) {
      return fromDirectory(name, { signal: this.#context.signal })
    }
    return fromLayers([await this.layer(name)])
  }

  async close(): Promise<void> {
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true })
  }

  /** An uncompressed archive that can be read anywhere: a plain file is one already. */
  async #open(name: string): Promise<ByteSource> {
    const { signal } = this.#context
    if (name !== '-') {
      const source = fileSource(name)
      const head = await readAll(source.open({ end: HEAD, signal }), HEAD)
      if (detectCompression(head) === 'none') return source
    }
    this.#directory ??= await mkdtemp(join(tmpdir(), 'varve-'))
    const path = join(this.#directory, String(this.#count++))
    await pipeline(decompress(this.read(name), { signal }), createWriteStream(path, { flags: 'wx' }))
    return fileSource(path)
  }
}

/** Runs a command with archives to open. */
export async function withArchives(
  context: CommandContext,
  use: (archives: Archives) => Promise<void>,
): Promise<void> {
  const archives = new Archives(context)
  try {
    await use(archives)
  } finally {
    await archives.close()
  }
}
