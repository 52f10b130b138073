/**
 * `varve copy`
 *
 * @module
 */
import { parseReference, type Platform } from '@varve/oci-manifest'
import { openLayout } from '@varve/oci-manifest/layout'
import {
  type ArchiveFormat,
  archiveTarget,
  copyImage,
  type ImageDestination,
  type ImageSource,
  type RegistryClient,
} from '@varve/registry'
import { withTag } from '../execute/base-images.ts'
import { openWorkspace } from '../workspace.ts'
import { type CommandContext, say, tell } from './console.ts'
import { locatePath, looksLikePath } from './locate-image.ts'
import { cacheDirectory, parsePlatforms, usage } from './options.ts'
import { openRegistryClient, type RegistryFlags } from './registry-client.ts'

/** Its options. */
export interface CopyFlags extends RegistryFlags {
  readonly platform: readonly string[]
  readonly sparse: boolean
  readonly referrers: boolean
  /** Of an archive. */
  readonly format: ArchiveFormat
  readonly cacheDir?: string
  readonly json: boolean
}

/** Where an image goes, and the names it gets there. */
interface Target {
  readonly to: ImageDestination
  readonly tags?: readonly string[]
}

/** `FILE.tar[:NAME]`; in a docker-archive, the name is a reference with colons of its own. */
const ARCHIVE = /^(.*?\.tar)(?::(.+))?$/s

/** Copies an image between registries, layouts and archives, without a stop in the store. */
export async function runCopy(
  context: CommandContext,
  from: string,
  to: string,
  flags: CopyFlags,
): Promise<void> {
  const { signal } = context
  const platforms = parsePlatforms(flags.platform)
  if (flags.format === 'docker') assertForDocker(to, platforms, flags)
  const workspace = await openWorkspace(cacheDirectory(flags.cacheDir, context))
  const client = await openRegistryClient(context, flags, workspace)
  try {
    const source = await openSource(from, client)
    // Before anything is made where it shall go.
    await source.from.resolve(source.image, { signal })
    const result = await copyImage({
      ...source,
      ...(await openTarget(to, flags.format, client)),
      ...(platforms.length > 0 && { platforms, sparse: flags.sparse }),
      referrers: flags.referrers,
      signal,
    })
    const { descriptor, copied, existed, mounted, bytes, referrers } = result
    if (flags.json) {
      say(context, JSON.stringify({ ...descriptor, copied, existed, mounted, bytes, referrers }))
      return
    }
    say(context, descriptor.digest)
    tell(context, `${copied} copied (${bytes} bytes), ${mounted} mounted, ${existed} were there`)
  } finally {
    await client.close()
  }
}

async function openSource(
  text: string,
  client: RegistryClient,
): Promise<{ readonly from: ImageSource; readonly image?: string }> {
  if (!looksLikePath(text)) return { from: client.repository(withTag(parseReference(text))) }
  const { source, name } = await locatePath(text)
  return { from: source, ...(name !== undefined && { image: name }) }
}

async function openTarget(text: string, format: ArchiveFormat, client: RegistryClient): Promise<Target> {
  if (!looksLikePath(text)) return { to: client.repository(withTag(parseReference(text))) }
  const archive = ARCHIVE.exec(text)
  const [, path = text, name] = archive ?? /^(.*?)(?::([A-Za-z0-9_][\w.-]*))?$/s.exec(text) ?? []
  const tags = name === undefined ? {} : { tags: [name] }
  if (archive !== null) return { to: archiveTarget(path, { format }), ...tags }
  return { to: await openLayout(path, { create: true }), ...tags }
}

/** What `docker load` cannot take. */
function assertForDocker(to: string, platforms: readonly Platform[], { referrers }: CopyFlags): void {
  if (!looksLikePath(to) || !ARCHIVE.test(to))
    throw usage('--format docker is for archives', 'Write to a FILE.tar')
  if (platforms.length > 1) throw usage('A docker-archive holds an image for one platform')
  if (referrers) throw usage('A docker-archive holds no referrers')
}
