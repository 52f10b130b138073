/**
 * History in step with the layers: one non-empty entry for each.
 *
 * image-spec v1.1.1, config.md, "history". Tools that read images rely on it, and on `created`, more than the
 * specification asks for.
 *
 * @module
 */
import type { HistoryEntry } from './config.ts'
import { invalid } from './errors.ts'

/** What a repaired entry says about itself. */
export const UNKNOWN_STEP = 'layer without history'

/** How many entries stand for a layer. */
export function countLayers(history: readonly HistoryEntry[]): number {
  return history.filter((entry) => entry.empty_layer !== true).length
}

/** Fills in the time where an entry has none: some readers crash without it. */
export function dated(history: readonly HistoryEntry[], created: string): readonly HistoryEntry[] {
  return history.map((entry) => ({ ...entry, created: entry.created ?? created }))
}

/**
 * Makes the history of someone else's image fit its layers.
 *
 * Missing entries are put first: what lacks history is, as a rule, an imported file system that others then built on.
 * If there are too many, the last ones become entries without a layer, so that no text is lost.
 */
export function repairHistory(history: readonly HistoryEntry[], layers: number): readonly HistoryEntry[] {
  const missing = layers - countLayers(history)
  if (missing >= 0) {
    return [...Array.from({ length: missing }, (): HistoryEntry => ({ comment: UNKNOWN_STEP })), ...history]
  }
  let left = layers
  return history.map((entry) => {
    if (entry.empty_layer === true) return entry
    left -= 1
    return left >= 0 ? entry : { ...entry, empty_layer: true }
  })
}

/** @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` unless the history fits the layers. */
export function assertInStep(history: readonly HistoryEntry[], layers: number): void {
  const entries = countLayers(history)
  if (entries !== layers) throw invalid('history', `${entries} entries for ${layers} layers`)
}
