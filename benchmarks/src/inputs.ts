/**
 * What the benchmarks work on: made when first asked for, in a temporary directory, the same in every run.
 *
 * @module
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { runShell, scriptPath } from './process.ts'
import { createRandom, type Random } from './random.ts'
import { type RegistryServer, startRegistryServer } from './registry-server.ts'
import { type S3Server, startS3Server } from './s3-server.ts'

/** Paths of the inputs. */
export interface Inputs {
  /** An empty directory for output. */
  readonly scratch: string
  /** 1 GiB: one random MiB, over and over. */
  largeFile(): string
  /** The same of 256 MiB, for what takes longer. */
  quarterFile(): string
  /** 40,000 small files in 2,500 directories, as in a `node_modules`. */
  tree(): string
  /** 1 GiB of random bytes in 8 files. */
  largeTree(): string
  /** The first half of it, for work that takes longer. */
  halfTree(): string
  /** GNU tar's archive of {@link tree}. */
  treeArchive(): string
  /** GNU tar's archive of {@link halfTree}. */
  halfArchive(): string
  /** The first 80 MiB of it, for work that takes longer. */
  archivePart(): string
  /** 128 MiB of random bytes in a file of its own directory. */
  randomTree(): string
  /** An OCI layout whose image `x` has that archive as its only layer, not compressed further than umoci does it. */
  umociImage(): string
  /** A cache store with this many records; the number is that of the first call. */
  cache(records: number): string
  /** An OCI layout whose image `x` has one layer of 1 GiB, or 200 small ones. */
  image(what: 'large' | 'layers'): string
  /** A running registry; {@link close} stops it. */
  registry(): Promise<RegistryServer>
  /** A running S3 server; {@link close} stops it. */
  s3(): Promise<S3Server>
  close(): Promise<void>
}

const MEBIBYTE = 1024 * 1024
const LARGE_FILE_MEBIBYTES = 1024
const LARGE_FILES = 8
const FILES = 40_000
const FILES_PER_DIRECTORY = 16
/** 2024-01-01, so that archives do not change from day to day. */
const MODIFIED = 1_704_067_200

/** Inputs below a directory, which the caller removes. */
export function createInputs(directory: string): Inputs {
  const scratch = join(directory, 'scratch')
  mkdirSync(scratch)
  const tree = once(() => makeTree(join(directory, 'tree'), FILES))
  const halfTree = once(() => makeTree(join(directory, 'half-tree'), FILES / 2))
  const treeArchive = once(() => makeArchive(join(directory, 'tree.tar'), tree()))
  let cache: string | undefined
  let server: Promise<S3Server> | undefined
  let registry: Promise<RegistryServer> | undefined
  const largeFile = once(() => makeLargeFile(join(directory, 'large'), LARGE_FILE_MEBIBYTES))
  const halfArchive = once(() => makeArchive(join(directory, 'half-tree.tar'), halfTree()))
  const makeImage = (name: string, layers: string): string => {
    const layout = join(directory, name)
    runShell('"$NODE" "$1" "$2" "$3"', scriptPath('ours/registry-image'), layout, layers)
    return layout
  }
  const images = {
    large: once(() => {
      const path = join(directory, 'large.gz')
      // Stored, not compressed: a peer would compress a layer that is not, and time is not to go there.
      runShell('pigz -0 -n -c "$1" >"$2"', largeFile(), path)
      const layout = makeImage('large-image', path)
      rmSync(path)
      return layout
    }),
    layers: once(() => makeImage('layers-image', '200')),
  }
  return {
    scratch,
    largeFile,
    quarterFile: once(() => makeLargeFile(join(directory, 'quarter'), LARGE_FILE_MEBIBYTES / 4)),
    tree,
    halfTree,
    treeArchive,
    halfArchive,
    largeTree: once(() => makeRandomTree(join(directory, 'large-tree'), LARGE_FILES)),
    archivePart: once(() => {
      const path = join(directory, 'part.tar')
      runShell('head -c 80M "$1" >"$2"', treeArchive(), path)
      return path
    }),
    randomTree: once(() => makeRandomTree(join(directory, 'random-tree'), 1)),
    umociImage: once(() => {
      const layout = join(directory, 'image')
      const commands =
        'umoci init --layout "$1" && umoci new --image "$1:x" && umoci raw add-layer --image "$1:x" "$2"'
      runShell(commands, layout, halfArchive())
      return `${layout}:x`
    }),
    cache: (records) => {
      if (cache === undefined) {
        cache = join(directory, 'cache')
        runShell('"$NODE" "$1" "$2" "$3"', scriptPath('ours/cache-fill'), cache, String(records))
      }
      return cache
    },
    image: (what) => images[what](),
    registry: () => (registry ??= startRegistryServer(join(directory, 'registry'))),
    s3: () => (server ??= startS3Server()),
    close: async () => {
      await (await registry)?.stop()
      ;(await server)?.stop()
    },
  }
}

function makeLargeFile(path: string, mebibytes: number): string {
  writeRandom(path, mebibytes)
  return path
}

function makeRandomTree(path: string, files: number): string {
  mkdirSync(path)
  for (let index = 0; index < files; index++) {
    writeRandom(join(path, `part-${index}`), LARGE_FILE_MEBIBYTES / LARGE_FILES)
  }
  return path
}

/** The same random MiB over and over: too far apart for gzip to see. */
function writeRandom(path: string, mebibytes: number): void {
  const random = createRandom(1)
  const block = Uint8Array.from({ length: MEBIBYTE }, () => random(256))
  const file = openSync(path, 'w')
  for (let index = 0; index < mebibytes; index++) writeSync(file, block)
  closeSync(file)
}

function makeArchive(path: string, tree: string): string {
  runShell('tar --sort=name -cf "$2" -C "$1" .', tree, path)
  return path
}

function makeTree(path: string, files: number): string {
  const random = createRandom(2)
  const source = makeSource(random)
  for (let index = 0; index < files; index++) {
    const directory = join(path, directoryName(Math.floor(index / FILES_PER_DIRECTORY)))
    const file = join(directory, `module-${index}.js`)
    if (index % FILES_PER_DIRECTORY === 0) {
      mkdirSync(directory, { recursive: true })
      symlinkSync(`module-${index}.js`, join(directory, 'index.js'))
    }
    const length = fileLength(random)
    const start = random(source.byteLength - length)
    writeFileSync(file, source.subarray(start, start + length), { mode: random(50) === 0 ? 0o755 : 0o644 })
    utimesSync(file, MODIFIED, MODIFIED)
  }
  return path
}

/** Three levels, long enough here and there that ustar needs its prefix field. */
function directoryName(index: number): string {
  const scope = `@scope-${index % 25}`
  const name = `package-with-a-telling-name-${Math.floor(index / 25)}`
  return join('node_modules', scope, name, index % 3 === 0 ? 'dist/internal/helpers/of/helpers' : 'lib')
}

/** Most files are small, a few are large; about 4 KiB on average. */
function fileLength(random: Random): number {
  const kind = random(100)
  if (kind < 70) return 100 + random(2_000)
  if (kind < 97) return 2_000 + random(12_000)
  return 14_000 + random(60_000)
}

/** Text that compresses about as well as program text does. */
function makeSource(random: Random): Uint8Array {
  const words = Array.from({ length: 2_000 }, () =>
    Array.from({ length: 2 + random(9) }, () => String.fromCodePoint(97 + random(26))).join(''),
  )
  const marks = [' ', ' ', ' ', ' ', '.', '(', ')', ' = ', ',\n  ', ';\n', '\n', '()\n\n']
  let text = ''
  while (text.length < 4 * MEBIBYTE) {
    // The smaller of two draws: some words are far more frequent than others.
    text += `${words[Math.min(random(words.length), random(words.length))]}${marks[random(marks.length)]}`
  }
  return new TextEncoder().encode(text)
}

function once(make: () => string): () => string {
  let made: string | undefined
  return () => (made ??= make())
}
