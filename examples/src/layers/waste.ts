/**
 * Finds what layers ship and nobody sees.
 *
 * @module
 */
import { fileSource } from '@varve/digest/node'
import { efficiency, fromTar } from '@varve/layer'

/** The ten paths on which most bytes are wasted. */
export async function mostWasteful(archives: readonly string[]): Promise<string[]> {
  const layers = await Promise.all(archives.map((file) => fromTar(fileSource(file))))
  const { paths } = await efficiency(layers)
  return paths.slice(0, 10).map(({ path, wasted }) => `${wasted} bytes of ${path}`)
}
