/**
 * `varve serve`
 *
 * @module
 */
import { once } from 'node:events'
import { createLocalStore } from '@varve/cache-store/local'
import { createRegistryHandler, listen } from '@varve/registry/server'
import { type CommandContext, say, tell } from './console.ts'
import { cacheDirectory, usage } from './options.ts'

/** Its options. */
export interface ServeFlags {
  readonly port: string
  readonly host: string
  readonly store?: string
  readonly readOnly: boolean
}

/** Serves a store as a registry until it is interrupted. */
export async function runServe(context: CommandContext, flags: ServeFlags): Promise<void> {
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
}
