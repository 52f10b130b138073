/**
 * Which keys a stage has used before: what a miss is compared with.
 *
 * @module
 */
import type { RefStore } from '@varve/cache-store'
import { type Digest, digestOf, hexOf, isDigest } from '@varve/digest'

/** Keys kept for each stage, the latest last. */
const KEPT = 64

/** The keys of a project's stages, in refs named by digest, since names of projects and stages are the user's. */
export class StepHistory {
  readonly #refs: RefStore
  readonly #project: string
  readonly #added = new Map<string, Set<Digest>>()

  constructor(refs: RefStore, project: string) {
    this.#refs = refs
    this.#project = project
  }

  /** Keys of earlier builds, the latest last; none if the history cannot be read. */
  async read(slot: string): Promise<readonly Digest[]> {
    try {
      return parse(await this.#refs.read(this.#name(slot)))
    } catch {
      return []
    }
  }

  add(slot: string, key: Digest): void {
    const keys = this.#added.get(slot) ?? new Set()
    this.#added.set(slot, keys.add(key))
  }

  /** Merges what was added into the store. Nothing is written where nothing is new. */
  async save(): Promise<void> {
    for (const [slot, keys] of this.#added) {
      const known = new Set((await this.read(slot)).slice(-keys.size))
      if ([...keys].every((key) => known.has(key))) continue
      await this.#refs.update(this.#name(slot), (old) => {
        const all = [...parse(old).filter((key) => !keys.has(key)), ...keys]
        return new TextEncoder().encode(`${JSON.stringify(all.slice(-Math.max(KEPT, keys.size)))}\n`)
      })
    }
  }

  #name(slot: string): string {
    return `steps/${hexOf(digestOf(new TextEncoder().encode(`${this.#project}\0${slot}`)))}`
  }
}

function parse(bytes: Uint8Array | undefined): Digest[] {
  if (bytes === undefined) return []
  const list: unknown = JSON.parse(new TextDecoder().decode(bytes))
  return Array.isArray(list) ? list.filter((each) => isDigest(each)) : []
}
