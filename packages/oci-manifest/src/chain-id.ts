/**
 * Chain IDs: the name of a stack of layers, whatever their compression.
 *
 * image-spec v1.1.1, config.md, "Layer ChainID".
 *
 * @module
 */
import { type Digest, digestOf } from '@varve/digest'

/** The chain ID after each layer, base first; as many as there are diffIDs. */
export function chainIDs(diffIDs: readonly Digest[]): readonly Digest[] {
  const chain: Digest[] = []
  for (const diffID of diffIDs) {
    const below = chain.at(-1)
    chain.push(below === undefined ? diffID : digestOf(new TextEncoder().encode(`${below} ${diffID}`)))
  }
  return chain
}

/** The chain ID of the whole stack; `undefined` if there are no layers. */
export function chainID(diffIDs: readonly Digest[]): Digest | undefined {
  return chainIDs(diffIDs).at(-1)
}
