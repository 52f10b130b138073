/**
 * History in step with the layers: one non-empty entry for each.
 *
 * image-spec v1.1.1, config.md, "history". Tools that read images rely on it, and on `created`, more than the
 * specification asks for.
 *
 * @module
 */
import type { HistoryEntry, ImageConfig } from './config.ts'
import type { Parsed } from './document.ts'
import { invalid } from './errors.ts'
import { type JsonObject, parseJson } from './json.ts'
import { objectOf, objectsOf } from './rewrite/members.ts'

/** An entry, and where it comes from a document, all that it holds there. */
export interface HistoryStep extends HistoryEntry {
  readonly source?: JsonObject
}

/** What a repaired entry says about itself. */
export const UNKNOWN_STEP = 'layer without history'

/** How many entries stand for a layer. */
export function countLayers(history: readonly HistoryEntry[]): number {
  return history.filter((entry) => entry.empty_layer !== true).length
}

/** The history of a config, repaired where it does not fit the layers, and with a time in every entry. */
export function readSteps({ bytes, value }: Parsed<ImageConfig>, created: string): readonly HistoryStep[] {
  const sources = objectsOf(objectOf(parseJson(bytes)).get('history'))
  const steps = (value.history ?? []).map((entry, index): HistoryStep => ({
    ...entry,
    source: sources[index] as JsonObject,
  }))
  return dated(repairHistory(steps, value.rootfs.diff_ids.length), value.created ?? created)
}

/** For each layer, where its entry is in a history that is in step. */
export function layerPositions(history: readonly HistoryEntry[]): readonly number[] {
  return [...history.keys()].filter((index) => history[index]?.empty_layer !== true)
}

/** Fills in the time where an entry has none: some readers crash without it. */
export function dated(history: readonly HistoryStep[], created: string): readonly HistoryStep[] {
  return history.map((entry) => ({ ...entry, created: entry.created ?? created }))
}

/**
 * Makes the history of someone else's image fit its layers.
 *
 * Missing entries are put first: what lacks history is, as a rule, an imported file system that others then built on.
 * If there are too many, the last ones become entries without a layer, so that no text is lost.
 */
export function repairHistory(history: readonly HistoryStep[], layers: number): readonly HistoryStep[] {
  const missing = layers - countLayers(history)
  if (missing >= 0) {
    return [...Array.from({ length: missing }, (): HistoryStep => ({ comment: UNKNOWN_STEP })), ...history]
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
