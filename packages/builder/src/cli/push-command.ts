/**
 * `varve push`
 *
 * @module
 */
import { Command } from 'commander'
import { createRegistryClient } from '@varve/registry'
import { pushImage } from '../output/output.ts'
import { type CommandContext, say } from './console.ts'
import { locateImage } from './locate-image.ts'
import { cacheDirectory, collect } from './options.ts'

interface Flags {
  readonly cacheDir?: string
  readonly insecureRegistry: readonly string[]
  readonly json: boolean
}

/** Pushes an image of the store, a layout or an archive. */
export function pushCommand(context: CommandContext): Command {
  return new Command('push')
    .description('Push an image to a registry')
    .argument('<image>', 'name or id in the store, layout directory, or archive')
    .argument('[name]', 'where to push it (default: its own name)')
    .option('--cache-dir <path>', 'the store')
    .option('--insecure-registry <host>', 'speak plain HTTP to it; loopback always is', collect, [])
    .option('--json', 'print one JSON object', false)
    .action(async (image: string, name: string | undefined, flags: Flags) => {
      const { reader, descriptor } = await locateImage(image, cacheDirectory(flags.cacheDir, context))
      const target = name ?? image
      const registry = createRegistryClient({ insecure: flags.insecureRegistry })
      try {
        await pushImage(target, descriptor, reader, registry, context.signal)
      } finally {
        await registry.close()
      }
      say(context, flags.json ? JSON.stringify({ ...descriptor, name: target }) : descriptor.digest)
    })
}
