/**
 * Entries of an index that are about another entry, as BuildKit lists them.
 *
 * @module
 */
import { ANNOTATION_REFERENCE_DIGEST, ANNOTATION_REFERENCE_TYPE } from '../annotations.ts'
import type { IndexEntry } from '../image-index.ts'

/** Whether an entry is about another one, and so no image. */
export function isAboutAnother({ annotations }: IndexEntry): boolean {
  return annotations?.[ANNOTATION_REFERENCE_TYPE] !== undefined
}

/** The digest of what an entry is about, as it is written; `undefined` if it does not say. */
export function aboutOf(entry: IndexEntry): string | undefined {
  return isAboutAnother(entry) ? entry.annotations?.[ANNOTATION_REFERENCE_DIGEST] : undefined
}
