/**
 * Digests of the files of a directory, remembered between builds.
 *
 * A remembered digest is used only if size, mtime, ctime and inode are what they were and the file was at rest when
 * it was hashed: user code cannot set ctime, and a file changed within the clock's grain of the hashing is read again.
 *
 * @module
 */
import { existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import { type Digest, digestOf, isDigest } from '@varve/digest'
import { digestFile } from '@varve/digest/node'
import { encodePath } from '@varve/layer'
import { BuilderError } from '../errors.ts'

/** A file must have been at rest this long before it was hashed: file systems' clocks are coarse. */
const REST_NS = 2_000_000_000n

interface Remembered {
  readonly stamp: string
  readonly digest: Digest
}

/** Digests of files below one directory. */
export class FileHashes {
  readonly #directory: string
  readonly #index: string | undefined
  #known: Map<string, Remembered>
  /** What was asked for in this build: what is kept for the next one. */
  readonly #used = new Map<string, Remembered>()
  #changed = false

  /** `index` is the file that remembers; without one nothing is remembered. A damaged one is ignored. */
  constructor(directory: string, index?: string) {
    this.#directory = directory
    this.#index = index
    this.#known = index === undefined ? new Map() : readIndex(index)
  }

  /** The digest of a regular file. @throws {BuilderError} `ERR_BUILDER_CONTEXT` if it cannot be read. */
  digest(path: string): Digest {
    const used = this.#used.get(path)
    if (used !== undefined) return used.digest
    const { stamp, changedNs } = this.#stamp(path)
    const known = this.#known.get(path)
    if (known?.stamp === stamp) {
      this.#used.set(path, known)
      return known.digest
    }
    const startedNs = BigInt(Date.now()) * 1_000_000n
    const { digest } = this.#attempt(path, () => digestFile(this.#absolute(path)))
    this.#changed = true
    this.#used.set(path, { stamp: startedNs - changedNs > REST_NS ? stamp : `racy ${stamp}`, digest })
    return digest
  }

  /**
   * Makes sure that no file was touched since it was hashed: what was packed is what was hashed.
   *
   * @throws {BuilderError} `ERR_BUILDER_CONTEXT` naming the file.
   */
  assertUnchanged(paths: Iterable<string>): void {
    for (const path of paths) {
      const used = this.#used.get(path)
      if (used === undefined || used.stamp.replace(/^racy /, '') === this.#stamp(path).stamp) continue
      throw new BuilderError(
        'ERR_BUILDER_CONTEXT',
        `${JSON.stringify(path)} changed while it was being copied`,
        {
          hint: 'Build again when nothing writes to the context',
        },
      )
    }
  }

  /** Remembers what this build has seen. A failure costs time in the next build and nothing else. */
  save(): void {
    if (this.#index === undefined || (!this.#changed && this.#used.size === this.#known.size)) return
    const lines = [...this.#used]
      .filter(([, { stamp }]) => !stamp.startsWith('racy'))
      .map(([path, { stamp, digest }]) => JSON.stringify([path, stamp, digest]))
    const body = `${lines.join('\n')}\n`
    const temporary = `${this.#index}.${randomBytes(16).toString('hex')}`
    try {
      mkdirSync(dirname(this.#index), { recursive: true })
      writeFileSync(temporary, `${checksum(body)}\n${body}`)
      renameSync(temporary, this.#index)
    } catch {
      if (existsSync(temporary)) rmSync(temporary)
    }
  }

  #stamp(path: string): { readonly stamp: string; readonly changedNs: bigint } {
    const stat = this.#attempt(path, () => lstatSync(this.#absolute(path), { bigint: true }))
    return {
      stamp: `${stat.size} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.ino} ${stat.dev}`,
      changedNs: stat.ctimeNs > stat.mtimeNs ? stat.ctimeNs : stat.mtimeNs,
    }
  }

  #attempt<T>(path: string, read: () => T): T {
    try {
      return read()
    } catch (cause) {
      throw new BuilderError(
        'ERR_BUILDER_CONTEXT',
        `Cannot read ${JSON.stringify(path)} in the build context`,
        { cause },
      )
    }
  }

  #absolute(path: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.#directory}/`), encodePath(path)])
  }
}

function readIndex(file: string): Map<string, Remembered> {
  try {
    const text = readFileSync(file, 'utf8')
    const end = text.indexOf('\n')
    const body = text.slice(end + 1)
    if (checksum(body) !== text.slice(0, end)) return new Map()
    return new Map(
      body
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as [string, string, string])
        .flatMap(([path, stamp, digest]) => (isDigest(digest) ? [[path, { stamp, digest }] as const] : [])),
    )
  } catch {
    return new Map()
  }
}

function checksum(text: string): string {
  return digestOf(new TextEncoder().encode(text))
}
