/**
 * `varve layer pack`
 *
 * @module
 */
import { type DirectoryOptions, fromDirectory, type Owner, select } from '@varve/layer'
import type { CommandContext } from '../console.ts'
import { parseEpoch, usage } from '../options.ts'
import { named } from '../named.ts'
import { checkLayerOutput, type LayerOutputFlags, writeLayer } from './layer-output.ts'

/** Its options. */
export interface PackFlags extends LayerOutputFlags {
  readonly owner?: string
  readonly exclude: readonly string[]
  readonly xattrs: boolean
}

/** Packs a directory as a layer. Times are not later than SOURCE_DATE_EPOCH, if that is set. */
export async function runPack(context: CommandContext, directory: string, flags: PackFlags): Promise<void> {
  checkLayerOutput(flags, context)
  const epoch = context.environment['SOURCE_DATE_EPOCH']
  const options: DirectoryOptions = {
    signal: context.signal,
    ...(epoch !== undefined && epoch !== '' && { mtime: { clamp: parseEpoch(epoch) } }),
    ...(flags.owner !== undefined && { owner: parseOwner(flags.owner) }),
    ...(flags.xattrs && { xattrs: 'read' as const }),
  }
  const tree = await named(directory, () => fromDirectory(directory, options))
  const patterns = flags.exclude.map((pattern) => `!${pattern}`)
  await writeLayer(context, patterns.length === 0 ? tree : select(tree, patterns), flags)
}

/** `UID:GID`, both numbers. */
export function parseOwner(text: string): Owner {
  const [, uid, gid] = /^(\d{1,10}):(\d{1,10})$/.exec(text) ?? []
  if (uid === undefined || gid === undefined)
    throw usage(`Expected UID:GID in numbers, got ${JSON.stringify(text)}`)
  return { uid: Number(uid), gid: Number(gid) }
}
