/**
 * The time of a build from outside, so that the same input gives the same bytes.
 *
 * @module
 */
import { invalid, quoted } from './errors.ts'

const SECONDS = /^(?:0|[1-9][0-9]*)$/
/** 9999-12-31T23:59:59Z: later years have no form in RFC 3339. */
const LAST = 253_402_300_799

/**
 * The value of `SOURCE_DATE_EPOCH` (reproducible-builds.org, "SOURCE_DATE_EPOCH": decimal seconds since 1970) in RFC
 * 3339; `undefined` if it is not set or empty.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID`
 */
export function createdFromEpoch(value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined
  const seconds = Number(value)
  if (!SECONDS.test(value) || seconds > LAST) {
    throw invalid('SOURCE_DATE_EPOCH', `Not seconds since 1970: ${quoted(value)}`)
  }
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}
