/**
 * `varve layer apply`
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { parseDigest } from '@varve/digest'
import { apply, type ApplyOptions, type ApplyReport, systemAdapter, unpack } from '@varve/layer'
import { type CommandContext, say, tell } from '../console.ts'
import { printable } from '../display/lines.ts'
import { usage } from '../options.ts'
import { withArchives } from './archives.ts'
import { parseOwner } from './pack-command.ts'

/** Its options. */
export interface ApplyFlags {
  readonly diffId: readonly string[]
  readonly owner?: string
  readonly strict: boolean
  readonly json: boolean
}

/**
 * Applies layers in order: to a directory that is there, in place; to one that is not, whole or not at all.
 */
export async function runApply(
  context: CommandContext,
  root: string,
  names: readonly string[],
  flags: ApplyFlags,
): Promise<void> {
  const layers = names.length === 0 ? ['-'] : names
  if (flags.diffId.length > layers.length) throw usage('There are more diffIDs than layers')
  const options: ApplyOptions = {
    adapter: systemAdapter(),
    signal: context.signal,
    ...(flags.owner !== undefined && { owner: ownerOf(flags.owner) }),
    ...(flags.strict && { unsupported: 'error' as const }),
  }
  await withArchives(context, async (archives) => {
    const sources = layers.map((name, index) => {
      const diffID = flags.diffId[index]
      return { open: () => archives.read(name), ...(diffID !== undefined && { diffID: parseDigest(diffID) }) }
    })
    let reports: readonly ApplyReport[]
    if (!existsSync(root)) reports = await unpack(root, sources, options)
    else {
      const done: ApplyReport[] = []
      for (const { open, ...verified } of sources) {
        done.push(await apply(root, open(), { ...options, ...verified }))
      }
      reports = done
    }
    for (const report of reports) tellReport(context, report, flags.json)
  })
}

function ownerOf(text: string): ApplyOptions['owner'] & {} {
  if (text === 'keep' || text === 'ignore') return text
  const owner = parseOwner(text)
  return () => owner
}

function tellReport(context: CommandContext, report: ApplyReport, json: boolean): void {
  if (json) say(context, JSON.stringify(report))
  else say(context, report.diffID)
  for (const { path, attribute } of report.unsupported) {
    tell(context, `varve: /${printable(path)}: its ${attribute} could not be set`)
  }
}
