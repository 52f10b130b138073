/**
 * `varve push`
 *
 * @module
 */
import { copyImage } from '@varve/registry'
import { parseReference } from '@varve/oci-manifest'
import { withTag } from '../execute/base-images.ts'
import { openWorkspace } from '../workspace.ts'
import { type CommandContext, say } from './console.ts'
import { locateImage } from './locate-image.ts'
import { cacheDirectory } from './options.ts'
import { openRegistryClient, type RegistryFlags } from './registry-client.ts'

/** Its options. */
export interface PushFlags extends RegistryFlags {
  readonly cacheDir?: string
  readonly json: boolean
}

/** Pushes an image of the store, a layout or an archive; only what the registry lacks is sent. */
export async function runPush(
  context: CommandContext,
  image: string,
  name: string | undefined,
  flags: PushFlags,
): Promise<void> {
  const { signal } = context
  const directory = cacheDirectory(flags.cacheDir, context)
  const { source, descriptor } = await locateImage(image, directory)
  const target = name ?? image
  const client = await openRegistryClient(context, flags, await openWorkspace(directory))
  try {
    const to = client.repository(withTag(parseReference(target)))
    await copyImage({ image: descriptor, from: source, to, signal })
  } finally {
    await client.close()
  }
  say(context, flags.json ? JSON.stringify({ ...descriptor, name: target }) : descriptor.digest)
}
