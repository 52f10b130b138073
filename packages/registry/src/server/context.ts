/**
 * What every endpoint works on.
 *
 * @module
 */
import type { BlobStore } from '@varve/cache-store'
import type { Catalog } from './catalog.ts'
import type { UnderLease } from './leases.ts'
import type { RegistryLimits } from './limits.ts'
import type { WithBody } from './memory.ts'
import type { Quota } from './quota.ts'
import type { InTurn } from '../turns.ts'
import type { Uploads } from './uploads.ts'

/** Handed to each endpoint by the handler. */
export interface Context {
  readonly blobs: BlobStore
  readonly catalog: Catalog
  readonly uploads: Uploads
  readonly limits: RegistryLimits
  /** For manifests. */
  readonly withBody: WithBody
  readonly quota: Quota
  readonly underLease: UnderLease
  /** Changes of one manifest in one repository. */
  readonly inTurn: InTurn
  readonly now: () => number
  /** Manifests may name content that is not in the repository. */
  readonly allowMissing: boolean
  /** Whether the caller of this request may read another repository: asked before a mount. */
  readonly mayPull: (repository: string) => Promise<boolean>
  /** Told why a response broke off. */
  readonly report: (error: unknown) => void
}
