/**
 * `varve serve`
 *
 * @module
 */
import { once } from 'node:events'
import { Command } from 'commander'
import { createLocalStore } from '@varve/cache-store/local'
import { createRegistryHandler, listen } from '@varve/registry/server'
import { type CommandContext, say, tell } from './console.ts'
import { cacheDirectory, usage } from './options.ts'

interface Flags {
  readonly port: string
  readonly host: string
  readonly store?: string
  readonly readOnly: boolean
}

/** Serves a store as a registry until it is interrupted. */
export function serveCommand(context: CommandContext): Command {
  return new Command('serve')
    .description('Serve a store as a registry')
    .option('--port <number>', '0 chooses a free one', '5000')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--store <path>', 'the store (default: VARVE_CACHE_DIR or the XDG cache directory)')
    .option('--read-only', 'refuse uploads and deletions', false)
    .action(async (flags: Flags) => {
      if (!/^\d{1,5}$/.test(flags.port) || Number(flags.port) > 65_535) {
        throw usage(`Not a port: ${JSON.stringify(flags.port)}`)
      }
      const { signal } = context
      const { blobs, refs } = await createLocalStore({ directory: cacheDirectory(flags.store, context) })
      const handler = createRegistryHandler({ blobs, refs, readOnly: flags.readOnly })
      const server = await listen(handler, { host: flags.host, port: Number(flags.port) })
      try {
        say(context, server.url)
        tell(context, 'Ctrl-C stops it')
        if (!signal.aborted) await once(signal, 'abort')
      } finally {
        await server.close()
      }
    })
}
