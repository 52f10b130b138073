/**
 * What image-spec asks of annotations that are written.
 *
 * image-spec v1.1.1, annotations.md, "Rules" and "Pre-Defined Annotation Keys". On read any text passes.
 *
 * @module
 */
import { ANNOTATION_BASE_DIGEST, ANNOTATION_CREATED } from './annotations.ts'
import { invalid, quoted } from './errors.ts'
import { digestAt, isTime } from './fields.ts'
import { memberAt } from './json.ts'

/** Annotations to set; `null` removes one. */
export type AnnotationChanges = Readonly<Record<string, string | null>>

/**
 * Checks annotations that are to be written.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID`
 */
export function assertAnnotations(annotations: AnnotationChanges, at: string): void {
  for (const [key, value] of Object.entries(annotations)) {
    const place = memberAt(at, key)
    if (key === '') throw invalid(place, 'A key of no characters')
    if (value === null) continue
    if (key === ANNOTATION_BASE_DIGEST) digestAt(value, place)
    if (key === ANNOTATION_CREATED && !isTime(value)) throw invalid(place, `Not RFC 3339: ${quoted(value)}`)
  }
}
