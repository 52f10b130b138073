/**
 * Where a command writes the layer it made, and how it is compressed.
 *
 * @module
 */
import {
  type EncoderChoice,
  type LayerSink,
  type PackedLayer,
  packEstargz,
  packLayer,
  packZstdChunked,
  type Tree,
} from '@varve/layer'
import { writeWholeFile } from '../../output/whole-file.ts'
import { type CommandContext, say, tell, write } from '../console.ts'
import { usage } from '../options.ts'

/** Options that all commands which write a layer have. */
export interface LayerOutputFlags {
  /** A file, or `-` for standard output. */
  readonly output: string
  readonly compression: 'none' | 'gzip' | 'zstd' | 'estargz' | 'zstd:chunked'
  readonly level?: number
  readonly encoder?: EncoderChoice
  readonly single: boolean
  readonly json: boolean
}

/** Says no to what cannot be written, before any work is done. */
export function checkLayerOutput(flags: LayerOutputFlags, { stdout }: CommandContext): void {
  const { output, compression, level, single, json } = flags
  if (level !== undefined && !isLevel(compression, level))
    throw usage(`There is no level ${level} of ${compression}`, 'gzip has 0 to 9, zstd 1 to 22')
  if (single && compression !== 'gzip' && compression !== 'zstd')
    throw usage(`--single makes no sense with ${compression}`)
  if (output !== '-') return
  if (stdout.isTTY === true) throw usage('Refusing to write a layer to a terminal', 'Use -o, or redirect it')
  if (json) throw usage('--json and a layer on standard output exclude each other', 'Use -o')
}

/** Writes raw members as a layer. A file is whole or not there; both digests go where the layer does not. */
export async function writeLayer(
  context: CommandContext,
  tree: Tree,
  flags: LayerOutputFlags,
): Promise<void> {
  const { output, json } = flags
  if (output === '-') {
    const layer = await packTo(context, tree, flags, { write: (chunk) => write(context, chunk) })
    tell(context, digestLines(layer))
    return
  }
  const layer = await writeWholeFile(output, (take) =>
    packTo(context, tree, flags, { transient: true, write: take }),
  )
  const { descriptor, diffID, size, entries, encoder } = layer
  const facts = { ...descriptor, diffID, uncompressedSize: size, entries, encoder }
  say(context, json ? JSON.stringify(facts) : digestLines(layer))
}

function packTo(
  { signal }: CommandContext,
  tree: Tree,
  { compression, level, encoder, single }: LayerOutputFlags,
  sink: LayerSink,
): Promise<PackedLayer> {
  const options = { signal, ...(level !== undefined && { level }), ...(encoder !== undefined && { encoder }) }
  if (compression === 'estargz') return packEstargz(tree, sink, options)
  if (compression === 'zstd:chunked') return packZstdChunked(tree, sink, options)
  return packLayer(tree, sink, { ...options, compression, single })
}

function digestLines({ descriptor, diffID }: PackedLayer): string {
  return `digest ${descriptor.digest}\ndiffID ${diffID}`
}

function isLevel(compression: LayerOutputFlags['compression'], level: number): boolean {
  if (compression === 'none') return false
  return compression.startsWith('zstd') ? level >= 1 && level <= 22 : level <= 9
}
