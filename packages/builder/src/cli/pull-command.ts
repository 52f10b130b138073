/**
 * `varve pull`
 *
 * @module
 */
import {
  type ContentReader,
  formatReference,
  parsePlatform,
  parseReference,
  readImage,
} from '@varve/oci-manifest'
import type { Descriptor } from '@varve/digest'
import { copyImage } from '@varve/registry'
import { withTag } from '../execute/base-images.ts'
import { openWorkspace } from '../workspace.ts'
import { type CommandContext, say } from './console.ts'
import { cacheDirectory } from './options.ts'
import { openRegistryClient, type RegistryFlags } from './registry-client.ts'

/** Its options. */
export interface PullFlags extends RegistryFlags {
  readonly platform?: string
  readonly cacheDir?: string
  readonly json: boolean
}

/** Pulls an image, or the one for a platform, into the store; every byte is verified on the way. */
export async function runPull(context: CommandContext, text: string, flags: PullFlags): Promise<void> {
  const { signal } = context
  const reference = withTag(parseReference(text))
  const workspace = await openWorkspace(cacheDirectory(flags.cacheDir, context))
  const client = await openRegistryClient(context, flags, workspace)
  const name = formatReference(reference)
  let image: Descriptor
  try {
    const from = client.repository(reference)
    image = await wantedImage(from, await from.resolve(undefined, { signal }), flags.platform, signal)
    await copyImage({ image, from, to: workspace.images, tags: [name], signal })
  } finally {
    await client.close()
  }
  say(context, flags.json ? JSON.stringify({ ...image, name }) : image.digest)
}

async function wantedImage(
  reader: ContentReader,
  root: Descriptor,
  platform: string | undefined,
  signal: AbortSignal,
): Promise<Descriptor> {
  if (platform === undefined) return root
  return (await readImage(reader, root, { platform: parsePlatform(platform), signal })).descriptor
}
