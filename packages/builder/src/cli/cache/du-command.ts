/**
 * `varve cache du`
 *
 * @module
 */
import { createLocalStore } from '@varve/cache-store/local'
import { type CommandContext, say } from '../console.ts'
import { formatBytes } from '../display/lines.ts'
import { cacheDirectory } from '../options.ts'

/** Its options. */
export interface DuFlags {
  readonly cacheDir?: string
  readonly json: boolean
}

/** Shows the real disk usage of the store, by kind. */
export async function runDu(context: CommandContext, { cacheDir, json }: DuFlags): Promise<void> {
  const { signal } = context
  const store = await createLocalStore({ directory: cacheDirectory(cacheDir, context), readOnly: true })
  const usage = await store.usage({ signal })
  if (json) {
    say(context, JSON.stringify(usage))
    return
  }
  for (const [what, { count, bytes }] of Object.entries(usage)) {
    say(context, `${what.padEnd(10)} ${String(count).padStart(8)}  ${formatBytes(bytes)}`)
  }
}
