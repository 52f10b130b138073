/**
 * `varve layer efficiency`
 *
 * @module
 */
import { digestStream } from '@varve/digest'
import { type Efficiency, efficiency, type Entry } from '@varve/layer'
import { type CommandContext, say } from '../console.ts'
import { printable } from '../display/lines.ts'
import { withArchives } from './archives.ts'

/** Its options. */
export interface EfficiencyFlags {
  readonly limit: number
  readonly json: boolean
}

/** Shows how much of some layers is visible when all are applied, and where the rest went. */
export async function runEfficiency(
  context: CommandContext,
  names: readonly string[],
  flags: EfficiencyFlags,
): Promise<void> {
  const { signal } = context
  await withArchives(context, async (archives) => {
    const layers = []
    for (const name of names) layers.push(await archives.layer(name))
    const found = await efficiency(layers, { digest: (entry) => digestOfContent(entry, signal), signal })
    if (flags.json) say(context, JSON.stringify(found))
    else for (const line of linesOf(found, names, flags.limit)) say(context, line)
  })
}

async function digestOfContent({ content }: Entry, signal: AbortSignal): Promise<string | undefined> {
  return content && (await digestStream(content.open({ signal }))).digest
}

function linesOf(found: Efficiency, names: readonly string[], limit: number): string[] {
  const percent = Math.floor(found.ratio * 1000) / 10
  return [
    `shipped ${found.shipped} bytes, visible ${found.visible} (${percent} %), wasted ${found.wasted}, duplicated ${found.duplicated}`,
    ...found.layers.map(
      ({ shipped, wasted }, index) =>
        `layer   ${shipped} bytes, ${wasted} of them wasted  ${printable(names[index] ?? '')}`,
    ),
    ...found.paths
      .slice(0, limit)
      .map(
        ({ path, wasted, overwritten, metadata, deleted }) =>
          `wasted  ${wasted} bytes (overwritten ${overwritten}, metadata ${metadata}, deleted ${deleted})  /${printable(path)}`,
      ),
    ...found.duplicates.slice(0, limit).map(({ size, files }) => {
      const paths = files.map(({ path }) => `/${printable(path)}`)
      return `same    ${size} bytes each  ${paths.join(' ')}`
    }),
  ]
}
