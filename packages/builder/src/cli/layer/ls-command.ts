/**
 * `varve layer ls`
 *
 * @module
 */
import { decodeTar, decompress, type Entry } from '@varve/layer'
import { type CommandContext, write } from '../console.ts'
import { entryLine, entryObject } from '../display/entries.ts'
import { named } from '../named.ts'
import { withArchives } from './archives.ts'

/** Its options. */
export interface LsFlags {
  readonly json: boolean
  readonly strict: boolean
}

/** Lists the members of layers as they are stored, one object a line with `--json`. Bodies are skipped. */
export async function runLs(
  context: CommandContext,
  names: readonly string[],
  flags: LsFlags,
): Promise<void> {
  const { signal } = context
  const line = flags.json ? (entry: Entry) => JSON.stringify(entryObject(entry)) : entryLine
  await withArchives(context, async (archives) => {
    for (const name of names.length === 0 ? ['-'] : names) {
      await named(name, async () => {
        const chunks = decompress(archives.read(name), { signal })
        for await (const { entry } of decodeTar(chunks, { signal, strict: flags.strict })) {
          await write(context, `${line(entry)}\n`)
        }
      })
    }
  })
}
