/**
 * `varve pull`
 *
 * @module
 */
import type { Descriptor } from '@varve/digest'
import { copyContent, formatReference, parsePlatform, parseReference, readImage } from '@varve/oci-manifest'
import type { ImageLayout } from '@varve/oci-manifest/layout'
import { createRegistryClient, type Repository } from '@varve/registry'
import { withTag } from '../execute/base-images.ts'
import { openWorkspace } from '../workspace.ts'
import { type CommandContext, say } from './console.ts'
import { cacheDirectory } from './options.ts'

/** Its options. */
export interface PullFlags {
  readonly platform?: string
  readonly cacheDir?: string
  readonly insecureRegistry: readonly string[]
  readonly json: boolean
}

/** Pulls an image into the store; every byte is verified on the way. */
export async function runPull(context: CommandContext, text: string, flags: PullFlags): Promise<void> {
  const { signal } = context
  const reference = withTag(parseReference(text))
  const { images } = await openWorkspace(cacheDirectory(flags.cacheDir, context))
  const registry = createRegistryClient({ insecure: flags.insecureRegistry })
  const name = formatReference(reference)
  let descriptor: Descriptor
  try {
    descriptor = await pullImage(registry.repository(reference), images, flags.platform, signal)
  } finally {
    await registry.close()
  }
  await images.tag(name, descriptor, { signal })
  say(context, flags.json ? JSON.stringify({ ...descriptor, name }) : descriptor.digest)
}

/** Copies an image, or the one for a platform; gives its root. */
async function pullImage(
  repository: Repository,
  images: ImageLayout,
  platform: string | undefined,
  signal: AbortSignal,
): Promise<Descriptor> {
  const root = await repository.resolve(undefined, { signal })
  const wanted = platform === undefined ? undefined : parsePlatform(platform)
  const descriptor =
    wanted === undefined ? root : (await readImage(repository, root, { platform: wanted, signal })).descriptor
  await copyContent(descriptor, repository, images, { signal })
  return descriptor
}
