/**
 * A directory with a store and a base image, in which Dockerfiles are built by the compiled command.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type CommandOptions, type Outcome, succeed, varve } from './command.ts'
import { findBusybox } from '@varve/testing/peers'

/** What `varve build --json` prints. */
export interface Built {
  readonly digest: string
  readonly images: ReadonlyArray<{
    readonly config: { readonly digest: string }
    readonly layers: ReadonlyArray<{
      readonly descriptor: { readonly digest: string }
      readonly diffID: string
    }>
  }>
  readonly steps: ReadonlyArray<{
    readonly name: string
    readonly cache: 'hit' | 'miss'
    readonly why: string
  }>
}

/** Files of a context, by path; `null` is a directory. */
export type Files = Readonly<Record<string, string | Buffer | null>>

/** One event of `--progress json`, as far as tests look at it. */
export interface Event {
  readonly type: string
  readonly step?: string
  readonly name?: string
  readonly text?: string
  readonly message?: string
  readonly rule?: string
}

/** A finished build. */
export interface Build {
  readonly result: Built
  readonly events: readonly Event[]
  /** What each step printed, in the order they began. */
  readonly logs: readonly string[]
}

/** Extra arguments and environment of a build. */
export interface BuildFlags extends CommandOptions {
  readonly flags?: readonly string[]
  /** Default: the workbench's. */
  readonly cache?: string
}

/** Accounts of the base image. */
export const ACCOUNTS: Files = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n',
  'etc/group': 'root:x:0:\napp:x:1000:\nextra:x:2000:app\nmore:x:2001:other,app\n',
}

/** Makes a temporary directory to work in; it goes with this process. */
export function createWorkbench(): Workbench {
  // Lower case: podman and buildah take paths for names.
  const directory = join(tmpdir(), `varve-system-${randomBytes(8).toString('hex')}`)
  mkdirSync(directory)
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  return new Workbench(directory)
}

/** A temporary directory. */
export class Workbench {
  readonly directory: string
  readonly cache: string
  #contexts = 0

  constructor(directory: string) {
    this.directory = directory
    this.cache = join(directory, 'cache')
  }

  path(...names: readonly string[]): string {
    return join(this.directory, ...names)
  }

  /** Writes a context; gives its path. */
  context(dockerfile: string, files: Files = {}): string {
    this.#contexts += 1
    const directory = this.path(`context-${this.#contexts}`)
    writeFiles(directory, { Dockerfile: dockerfile, ...files })
    return directory
  }

  /** Context files of an image that has a shell, two accounts and nothing else. */
  baseContext(): string {
    const directory = this.context(
      'FROM scratch\nCOPY . /\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n',
      { ...ACCOUNTS, '.dockerignore': 'Dockerfile\n.dockerignore\n', bin: null },
    )
    copyFileSync(findBusybox() ?? 'busybox', join(directory, 'bin/busybox'))
    return directory
  }

  /** A layout with {@link baseContext} built, made once; Dockerfiles name it `base`. */
  async base(): Promise<string> {
    const layout = this.path('base')
    if (!existsSync(layout)) {
      const { code, stderr } = await varve([
        'build',
        '--cache-dir',
        this.cache,
        '-o',
        layout,
        this.baseContext(),
      ])
      if (code !== 0) throw new Error(`The base image could not be built: ${stderr}`)
    }
    return layout
  }

  /** Runs `varve build` on a context; the caller looks at the exit code. The base image is made if it is used. */
  async attempt(
    context: string,
    { flags = [], cache = this.cache, ...options }: BuildFlags = {},
  ): Promise<Outcome> {
    const dockerfile = join(context, 'Dockerfile')
    const based = existsSync(dockerfile) && /^FROM base\b/m.test(readFileSync(dockerfile, 'utf8'))
    const base = based ? ['--build-context', `base=oci-layout://${await this.base()}`] : []
    return varve(['build', '--cache-dir', cache, ...base, ...flags, context], options)
  }

  /** Builds a context that must build. */
  async build(context: string, { flags = [], ...options }: BuildFlags = {}): Promise<Build> {
    const { code, stdout, stderr } = await this.attempt(context, {
      flags: ['--json', '--progress', 'json', ...flags],
      ...options,
    })
    const strange = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'))
    if (code !== 0 || strange.length > 0) {
      throw new Error(`The build ended with ${code}: ${strange.join('\n')}`)
    }
    const events = stderr
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Event)
    return { result: JSON.parse(stdout) as Built, events, logs: logsOf(events) }
  }

  /** Where the store keeps a blob. */
  blob(digest: string, cache: string = this.cache): string {
    return join(cache, 'blobs', ...digest.split(':'))
  }

  /** The image configuration of a build. */
  config({ result }: Build): { readonly config: Readonly<Record<string, unknown>> } {
    return JSON.parse(readFileSync(this.blob(result.images[0]?.config.digest ?? ''), 'utf8')) as {
      config: Record<string, unknown>
    }
  }

  /**
   * The members of one layer as GNU tar lists them: type and mode, owner, size or device, time, name. Layers are
   * counted from the end: -1 is the last.
   */
  async members({ result }: Build, index = -1, cache: string = this.cache): Promise<string[]> {
    const digest = result.images[0]?.layers.at(index)?.descriptor.digest ?? ''
    const listing = await succeed(
      'tar',
      ['--numeric-owner', '--full-time', '--quoting-style=escape', '-tvzf', this.blob(digest, cache)],
      { env: { TZ: 'UTC', LC_ALL: 'C' } },
    )
    return listing
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.replaceAll(/ +/g, ' '))
  }
}

function logsOf(events: readonly Event[]): string[] {
  const started = events.filter(({ type }) => type === 'step-start')
  return started.map(({ step }) =>
    events.map((event) => (event.type === 'step-log' && event.step === step ? event.text : '')).join(''),
  )
}

/** Writes files below a directory, making what is missing. */
export function writeFiles(directory: string, files: Files): void {
  mkdirSync(directory, { recursive: true })
  for (const [name, content] of Object.entries(files)) {
    const path = join(directory, name)
    mkdirSync(content === null ? path : dirname(path), { recursive: true })
    if (content !== null) writeFileSync(path, content)
  }
}
