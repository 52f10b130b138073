/**
 * WORKDIR.
 *
 * @module
 */
import type { BlobStore } from '@varve/cache-store'
import { createEntry, type Entry, layerTree, parentOf, Tree } from '@varve/layer'
import { accountsOf, resolveIdentity } from '../copy/identity.ts'
import { resolveInRoot } from '../copy/in-root.ts'
import { BuilderError, type SourceLocation } from '../errors.ts'
import type { WorkdirStep } from '../plan/plan.ts'
import { commonFields, diffIDsOf, type RootResult, storeTree, type StepWork } from './work.ts'

/** A WORKDIR whose inputs are resolved. */
export interface WorkdirInput {
  readonly step: WorkdirStep
  readonly parent: RootResult
  readonly parentTree: () => Promise<Tree>
  readonly epoch: number
  readonly blobs: BlobStore
  readonly location: SourceLocation | undefined
  readonly signal?: AbortSignal
}

/** Prepares a WORKDIR: it makes the directories that are not there, owned by the user in force. */
export function prepareWorkdir(input: WorkdirInput): StepWork {
  const { step, parent, epoch, blobs, signal } = input
  const fields = { ...commonFields(epoch, diffIDsOf(parent)), path: step.path, user: step.user }
  return {
    definition: { document: { kv: 1, kind: 'workdir', fields }, listings: [] },
    run: async () => storeTree(await makeDirectories(input), blobs, signal),
  }
}

async function makeDirectories({ step, parentTree, epoch, location }: WorkdirInput): Promise<Tree> {
  const tree = await parentTree()
  const { uid, gid } = await resolveIdentity(step.user, accountsOf(tree), { numericGroup: 'root', location })
  const made: Entry[] = []
  const context: Entry[] = []
  for (let path = resolveInRoot(tree, step.path); path !== ''; path = parentOf(path)) {
    const there = tree.get(path)
    if (there === undefined)
      made.push(createEntry({ path, type: 'directory', mode: 0o755, uid, gid, mtime: epoch }))
    else if (there.type === 'directory') context.push(there)
    else {
      throw new BuilderError('ERR_BUILDER_COPY', `Not a directory: ${JSON.stringify(`/${path}`)}`, {
        ...(location !== undefined && { location }),
      })
    }
  }
  const changes = made.toReversed().map((entry) => ({ kind: 'add', path: entry.path, entry }) as const)
  return layerTree(changes, Tree.from([...made, ...context]))
}
