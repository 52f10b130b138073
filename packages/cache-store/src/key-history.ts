/**
 * Which keys a step has had before, so that one that misses can be compared with the nearest of them.
 *
 * @module
 */
import { type Digest, digestOf, hexOf, isDigest, readAll, withSignal } from '@varve/digest'
import type { StoreOptions } from './blob-store.ts'
import { explainKeys, type KeyDifference } from './explain.ts'
import { decodeKeyDocument, type KeyContent, keyOf, type KeyValue, MAX_KEY_DOCUMENT } from './key-document.ts'
import type { Store } from './store.ts'

/** Keys kept for each step, the latest last. */
const KEPT = 64

/** Bytes of documents after which an explanation is as good as it gets: with large ones, the latest few. */
const COMPARED = 32 * 1024 * 1024

/** Why a key had no record: nothing like it is known, its record or its blobs went away, or something changed. */
export type KeyExplanation =
  | { readonly reason: 'first' }
  | { readonly reason: 'gone' }
  | { readonly reason: 'changed'; readonly nearest: Digest; readonly differences: readonly KeyDifference[] }

/** The keys that the steps of a project have used. */
export interface KeyHistory {
  /** Remembers a key until {@link save}. */
  add(step: string, key: Digest): void
  /** Merges what was added into the store; writes nothing where nothing is new. */
  save(options?: StoreOptions): Promise<void>
  /**
   * Compares a document with the earlier ones of its step and tells the fewest differences. `parts` are documents that
   * it names by digest: where such a digest differs, the differences inside are told. Never rejects but by `signal`:
   * what cannot be read costs an explanation and nothing else.
   */
  explain(
    step: string,
    missed: KeyContent,
    parts?: readonly KeyContent[],
    options?: StoreOptions,
  ): Promise<KeyExplanation>
}

/** The history in the refs and blobs of a store. `project` keeps equal names of steps apart. */
export function createKeyHistory(
  { blobs, refs }: Pick<Store, 'blobs' | 'refs'>,
  project: string,
): KeyHistory {
  const added = new Map<string, Set<Digest>>()

  const refOf = (step: string): string =>
    `steps/${hexOf(digestOf(new TextEncoder().encode(`${project}\0${step}`)))}`

  const keysOf = async (step: string, options: StoreOptions): Promise<readonly Digest[]> => {
    try {
      return parse(await refs.read(refOf(step), options))
    } catch {
      return []
    }
  }

  const documentOf = async (
    digest: Digest,
    { signal }: StoreOptions,
    onSize: (size: number) => void,
  ): Promise<KeyContent | undefined> => {
    try {
      const source = await blobs.get(digest, withSignal(signal))
      onSize(source?.size ?? 0)
      return source && decodeKeyDocument(await readAll(source.open(withSignal(signal)), MAX_KEY_DOCUMENT))
    } catch {
      return undefined
    }
  }

  const inside = async (
    difference: KeyDifference,
    parts: ReadonlyMap<KeyValue, KeyContent>,
    options: StoreOptions,
    onSize: (size: number) => void,
  ): Promise<KeyDifference[]> => {
    const { before, after } = difference
    const part = after === undefined ? undefined : parts.get(after)
    const earlier = part && isDigest(before) ? await documentOf(before, options, onSize) : undefined
    if (part === undefined || earlier?.kind !== part.kind) return [difference]
    return explainKeys(part, earlier).map((each) => ({ ...each, within: part.kind }))
  }

  return {
    add: (step, key) => {
      const keys = added.get(step) ?? new Set()
      added.set(step, keys.add(key))
    },

    save: async (options = {}) => {
      for (const [step, keys] of added) {
        const known = new Set((await keysOf(step, options)).slice(-keys.size))
        // What is added meanwhile is for the next time.
        added.delete(step)
        if ([...keys].every((key) => known.has(key))) continue
        const merge = (old: Uint8Array | undefined): Uint8Array => {
          const all = [...parse(old).filter((key) => !keys.has(key)), ...keys]
          return new TextEncoder().encode(`${JSON.stringify(all.slice(-Math.max(KEPT, keys.size)))}\n`)
        }
        try {
          await refs.update(refOf(step), merge, options)
        } catch (error) {
          added.set(step, new Set([...keys, ...(added.get(step) ?? [])]))
          throw error
        }
      }
    },

    explain: async (step, missed, parts = [], options = {}) => {
      const earlier = await keysOf(step, options)
      if (earlier.includes(keyOf(missed))) return { reason: 'gone' }
      const named = new Map<KeyValue, KeyContent>(parts.map((part) => [keyOf(part), part]))
      let best: (KeyExplanation & { reason: 'changed' }) | undefined
      let compared = 0
      const onSize = (size: number): void => {
        compared += size
      }
      for (const nearest of earlier.toReversed()) {
        options.signal?.throwIfAborted()
        // One difference is the least that there can be.
        if (best?.differences.length === 1 || compared > COMPARED) break
        const document = await documentOf(nearest, options, onSize)
        if (document?.kind !== missed.kind) continue
        const differences: KeyDifference[] = []
        for (const each of explainKeys(missed, document))
          differences.push(...(await inside(each, named, options, onSize)))
        if (best === undefined || differences.length < best.differences.length) {
          best = { reason: 'changed', nearest, differences }
        }
      }
      return best ?? { reason: 'first' }
    },
  }
}

function parse(bytes: Uint8Array | undefined): Digest[] {
  if (bytes === undefined) return []
  try {
    const list: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return Array.isArray(list) ? list.filter((each) => isDigest(each)) : []
  } catch {
    // Somebody else's document; it is made anew.
    return []
  }
}
