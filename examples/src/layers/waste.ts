/**
 * Finds what layers ship and nobody sees.
 *
 * @module
 */
import { efficiency, type Tree } from '@varve/layer'

/** The ten paths that waste most bytes. */
export async function mostWasteful(layers: readonly Tree[]): Promise<string[]> {
  const { paths } = await efficiency(layers)
  return paths.slice(0, 10).map(({ path, wasted }) => `${wasted} bytes of ${path}`)
}
