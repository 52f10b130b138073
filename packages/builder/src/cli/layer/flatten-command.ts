/**
 * `varve layer flatten`
 *
 * @module
 */
import { flatten } from '@varve/layer'
import type { CommandContext } from '../console.ts'
import { withArchives } from './archives.ts'
import { checkLayerOutput, type LayerOutputFlags, writeLayer } from './layer-output.ts'

/** Its options. */
export interface FlattenFlags extends LayerOutputFlags {
  /** Layers that stay as they are: the result goes on top of them. */
  readonly keep: number
}

/** Makes one layer of several. */
export async function runFlatten(
  context: CommandContext,
  names: readonly string[],
  flags: FlattenFlags,
): Promise<void> {
  checkLayerOutput(flags, context)
  await withArchives(context, async (archives) => {
    const layers = []
    for (const name of names) layers.push(await archives.layer(name))
    await writeLayer(context, flatten(layers, { from: flags.keep }), flags)
  })
}
