/**
 * What a build takes and gives.
 *
 * @module
 */
import type { Writable } from 'node:stream'
import type { Descriptor } from '@varve/digest'
import type { Platform } from '@varve/oci-manifest'
import type { RegistryClient, RegistryClientOptions } from '@varve/registry'
import type { RemoteCache } from '../cache/remote-cache.ts'
import type { BuildEvent, EventListener } from '../events.ts'
import type { LayoutReference } from '../execute/base-images.ts'
import type { BuiltImage } from '../output/assemble.ts'
import type { Output } from '../output/output.ts'
import type { Plan } from '../plan/plan.ts'
import type { RunnerName } from '../run/create-runner.ts'

/** A directory or an image that the Dockerfile can name. */
export type NamedContext =
  | { readonly type: 'directory'; readonly directory: string }
  | ({ readonly type: 'layout' } & LayoutReference)

/** What to build, and how. Only `context` and `cacheDirectory` are needed. */
export interface BuildOptions {
  /** The build context, a directory. */
  readonly context: string
  /** Default `Dockerfile` in the context. */
  readonly dockerfile?: string
  readonly target?: string
  readonly buildArgs?: ReadonlyMap<string, string>
  readonly labels?: ReadonlyMap<string, string>
  /** Default: Linux on this machine's architecture. Several give an index. */
  readonly platforms?: readonly Platform[]
  readonly contexts?: ReadonlyMap<string, NamedContext>
  /** Names for the image, as references. */
  readonly tags?: readonly string[]
  readonly outputs?: readonly Output[]
  /** Run every step; what it makes is recorded. */
  readonly noCache?: boolean
  /** Run a RUN again whose result is older than this many milliseconds. */
  readonly maxAgeMs?: number
  /**
   * Modes of files of the context: `exact`, the default, or `git`: 0755 for directories and executable files, 0644 for
   * others, as a checkout with the usual umask has them, so that computers with different umasks share a cache.
   */
  readonly contextModes?: 'exact' | 'git'
  /** Ask registries for base images that the store has by that name. */
  readonly pull?: boolean
  /** Caches that are shared with other machines, asked in order after the store. The caller closes them. */
  readonly caches?: readonly RemoteCache[]
  /** The store; made if absent. */
  readonly cacheDirectory: string
  /** Seconds since 1970 for every time in the image. Default 0. */
  readonly epoch?: number
  /** Who runs RUN. Default `auto`. */
  readonly runner?: RunnerName
  /** Default: a client of its own, which remembers in the store where blobs are. */
  readonly registry?: RegistryClient
  /** For a client of its own: credentials, hosts, proxies; or what finds them out when they are first needed. */
  readonly registryOptions?: RegistryClientOptions | (() => Promise<RegistryClientOptions>)
  /** Takes an archive output whose file is `-`. */
  readonly stdout?: Writable
  readonly onEvent?: EventListener
  readonly signal?: AbortSignal
}

/** What happened to one step. */
export type StepReport = Omit<Extract<BuildEvent, { type: 'step-end' }>, 'type'>

/** What a build made. */
export interface BuildResult {
  /** The manifest, or the index of several platforms. */
  readonly descriptor: Descriptor
  readonly images: readonly BuiltImage[]
  /** Full references. */
  readonly names: readonly string[]
  /** In the order they ended. */
  readonly steps: readonly StepReport[]
  readonly plan: Plan
}
