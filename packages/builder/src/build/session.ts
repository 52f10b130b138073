/**
 * What the phases of one build share.
 *
 * @module
 */
import type { BuildStore } from '../cache/build-store.ts'
import type { Content } from '../execute/content.ts'
import type { Workspace } from '../workspace.ts'
import type { BuildOptions } from './options.ts'
import type { RegistryAccess } from './registry-access.ts'

/** One build in progress. */
export interface Session {
  readonly options: BuildOptions
  readonly workspace: Workspace
  /** The workspace's store, with the caches of others behind it. */
  readonly store: BuildStore
  readonly registries: RegistryAccess
  readonly content: Content
  /** Absolute path of the build context. */
  readonly context: string
  /** Absolute path of the Dockerfile. */
  readonly file: string
}
