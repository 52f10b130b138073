/**
 * `varve push`
 *
 * @module
 */
import { createRegistryClient } from '@varve/registry'
import { pushImage } from '../output/output.ts'
import { type CommandContext, say } from './console.ts'
import { locateImage } from './locate-image.ts'
import { cacheDirectory } from './options.ts'

/** Its options. */
export interface PushFlags {
  readonly cacheDir?: string
  readonly insecureRegistry: readonly string[]
  readonly json: boolean
}

/** Pushes an image of the store, a layout or an archive. */
export async function runPush(
  context: CommandContext,
  image: string,
  name: string | undefined,
  flags: PushFlags,
): Promise<void> {
  const { reader, descriptor } = await locateImage(image, cacheDirectory(flags.cacheDir, context))
  const target = name ?? image
  const registry = createRegistryClient({ insecure: flags.insecureRegistry })
  try {
    await pushImage(target, descriptor, reader, registry, context.signal)
  } finally {
    await registry.close()
  }
  say(context, flags.json ? JSON.stringify({ ...descriptor, name: target }) : descriptor.digest)
}
