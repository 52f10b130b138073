/**
 * `varve layer diff`
 *
 * @module
 */
import { type Change, diff, type DiffOptions, layerTree } from '@varve/layer'
import { type CommandContext, say } from '../console.ts'
import { entryObject } from '../display/entries.ts'
import { printable } from '../display/lines.ts'
import { withArchives } from './archives.ts'
import { checkLayerOutput, type LayerOutputFlags, writeLayer } from './layer-output.ts'

/** Its options. */
export interface DiffFlags extends LayerOutputFlags {
  readonly content: DiffOptions['content'] & {}
  readonly list: boolean
}

const LETTERS = { add: 'A', modify: 'M', delete: 'D' } as const

/** Compares two directories or layers; writes the layer that makes the second of the first, or lists the changes. */
export async function runDiff(
  context: CommandContext,
  lowerName: string,
  upperName: string,
  flags: DiffFlags,
): Promise<void> {
  if (!flags.list) checkLayerOutput(flags, context)
  await withArchives(context, async (archives) => {
    const [lower, upper] = [await archives.tree(lowerName), await archives.tree(upperName)]
    const changes = await diff(lower, upper, { content: flags.content, signal: context.signal })
    if (!flags.list) return writeLayer(context, layerTree(changes, upper), flags)
    for (const change of changes) {
      say(context, flags.json ? JSON.stringify(changeObject(change)) : changeLine(change))
    }
  })
}

function changeLine({ kind, path }: Change): string {
  return `${LETTERS[kind]} /${printable(path)}`
}

function changeObject({ kind, path, entry, previous }: Change): unknown {
  return {
    kind,
    path,
    ...(entry !== undefined && { entry: entryObject(entry) }),
    ...(previous !== undefined && { previous: entryObject(previous) }),
  }
}
