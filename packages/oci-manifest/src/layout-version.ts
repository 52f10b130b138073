/**
 * `oci-layout`: which says that a directory or an archive is an image layout.
 *
 * image-spec v1.1.1, image-layout.md, "oci-layout file".
 *
 * @module
 */
import { OciManifestError } from './errors.ts'
import { objectFields, requiredString } from './fields.ts'
import { parseJson } from './json.ts'
import { writeJson } from './json-writer.ts'

/** The only version there is. */
const VERSION = '1.0.0'

/** What the file may have; more fields are allowed. */
export const MAX_VERSION_BYTES: number = 64 * 1024

/** The file as we write it. */
export function versionFile(): Uint8Array {
  return writeJson({ imageLayoutVersion: VERSION })
}

/** @throws {OciManifestError} `ERR_OCI_MANIFEST_UNSUPPORTED` for another version; `_INVALID` if it does not say. */
export function assertVersion(bytes: Uint8Array): void {
  const fields = objectFields(parseJson(bytes, { maxBytes: MAX_VERSION_BYTES }), '', ['imageLayoutVersion'])
  const version = requiredString(fields, 'imageLayoutVersion')
  if (version === VERSION) return
  throw new OciManifestError(
    'ERR_OCI_MANIFEST_UNSUPPORTED',
    `An image layout of version ${JSON.stringify(version)}`,
  )
}
