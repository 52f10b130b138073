/**
 * `varve inspect`
 *
 * @module
 */
import { withSignal } from '@varve/digest'
import { type Entry, fromLayers, fromTar, openLayer } from '@varve/layer'
import { type ContentReader, formatPlatform, type Image, parsePlatform, readImage } from '@varve/oci-manifest'
import { BuilderError } from '../errors.ts'
import { type CommandContext, say } from './console.ts'
import { entryLine, entryObject } from './display/entries.ts'
import { printable } from './display/lines.ts'
import { locateImage } from './locate-image.ts'
import { cacheDirectory } from './options.ts'

/** Its options. */
export interface InspectFlags {
  readonly platform?: string
  readonly files: boolean
  readonly cacheDir?: string
  readonly json: boolean
}

/** Shows what an image is made of. */
export async function runInspect(context: CommandContext, name: string, flags: InspectFlags): Promise<void> {
  const { source: reader, descriptor } = await locateImage(name, cacheDirectory(flags.cacheDir, context))
  const platform = flags.platform === undefined ? {} : { platform: parsePlatform(flags.platform) }
  const image = await readImage(reader, descriptor, { ...platform, ...withSignal(context.signal) })
  const files = flags.files ? await filesOf(image, reader, context.signal) : undefined
  if (flags.json) say(context, JSON.stringify(asObject(image, files)))
  else for (const line of asLines(image, files)) say(context, line)
}

function asObject(image: Image, files: readonly Entry[] | undefined): unknown {
  const { descriptor, manifest, config } = image
  return {
    ...descriptor,
    manifest: manifest.value,
    config: config.value,
    ...(files !== undefined && {
      files: files.map(entryObject),
    }),
  }
}

function asLines(
  { descriptor, manifest, config, platform }: Image,
  files: readonly Entry[] | undefined,
): string[] {
  const { value } = config
  const history = (value.history ?? []).filter((entry) => entry.empty_layer !== true)
  return [
    `digest    ${descriptor.digest}`,
    `image id  ${config.descriptor.digest}`,
    `platform  ${formatPlatform(platform)}`,
    `created   ${value.created ?? 'unknown'}`,
    ...manifest.value.layers.map(
      ({ digest, size }, index) =>
        `layer     ${digest} ${size} bytes  ${printable(history[index]?.created_by ?? '')}`,
    ),
    ...Object.entries(value.config ?? {}).map(
      ([name, each]) => `${name.padEnd(9)} ${printable(JSON.stringify(each))}`,
    ),
    ...(files ?? []).map(entryLine),
  ]
}

/** The root file system; every layer is read in memory-bounded pieces and proven by its diffID. */
async function filesOf(image: Image, reader: ContentReader, signal: AbortSignal): Promise<readonly Entry[]> {
  const trees = image.manifest.value.layers.map(async (descriptor, index) => {
    const diffID = image.config.value.rootfs.diff_ids[index]
    const source = await reader.read(descriptor, { signal })
    if (source === undefined || diffID === undefined) {
      throw new BuilderError('ERR_BUILDER_BASE', `The layer ${descriptor.digest} is not here`)
    }
    return fromTar(openLayer(descriptor, diffID, source).uncompressed, { signal })
  })
  return [...fromLayers(await Promise.all(trees))]
}
