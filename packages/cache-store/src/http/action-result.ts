/**
 * Action records in the clothes of an `ActionResult`, the only document that caches of this protocol take as an answer.
 *
 * build.bazel.remote.execution.v2.ActionResult of the Remote Execution API, version 2; the numbers below are its
 * fields. The record travels in `stdout_raw`. What it needs is listed in `output_files`, so that a server that looks
 * into its entries keeps these blobs as long as the entry, and does not serve an entry that lacks one.
 *
 * @module
 */
import { type Digest, hexOf } from '@varve/digest'
import { joined } from '../chunks.ts'
import { MAX_RECORD } from '../record.ts'
import { bytesField, readFields, varintField } from './protobuf.ts'

/** A blob that an entry needs; its digest is a sha256. */
export interface OutputFile {
  /** Relative, not empty, and of no meaning to us. */
  readonly path: string
  readonly digest: Digest
  readonly size: number
}

/** Largest entry that is read: a record, its outputs once more, and what servers add of their own. */
export const MAX_ACTION_RESULT: number = 2 * MAX_RECORD + 64 * 1024

const ACTION_RESULT = { outputFiles: 2, exitCode: 4, stdoutRaw: 5 } as const
const OUTPUT_FILE = { path: 1, digest: 2 } as const
const DIGEST = { hash: 1, sizeBytes: 2 } as const

/** The message: `exit_code` 0, which is not written, these files, and the record. */
export function encodeActionResult(files: readonly OutputFile[], record: Uint8Array): Uint8Array {
  return joined([
    ...files.map((file) => bytesField(ACTION_RESULT.outputFiles, encodeOutputFile(file))),
    bytesField(ACTION_RESULT.stdoutRaw, record),
  ])
}

/**
 * The record of an entry, or `undefined` if it has none: it is no message, of a failed action, or of another program.
 * Fields that servers add are passed over. The bytes are a view of `message`.
 */
export function recordOf(message: Uint8Array): Uint8Array | undefined {
  let record: Uint8Array | undefined
  for (const { number, bytes, value = 0 } of readFields(message) ?? []) {
    if (number === ACTION_RESULT.exitCode && value !== 0) return undefined
    // Of a field that is there twice, the last one counts.
    if (number === ACTION_RESULT.stdoutRaw) record = bytes
  }
  return record
}

function encodeOutputFile({ path, digest, size }: OutputFile): Uint8Array {
  const encoder = new TextEncoder()
  const digestMessage = joined([
    bytesField(DIGEST.hash, encoder.encode(hexOf(digest))),
    varintField(DIGEST.sizeBytes, size),
  ])
  return joined([
    bytesField(OUTPUT_FILE.path, encoder.encode(path)),
    bytesField(OUTPUT_FILE.digest, digestMessage),
  ])
}
