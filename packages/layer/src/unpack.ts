/**
 * Several layers as one directory, all or nothing.
 *
 * @module
 */
import type { Digest } from '@varve/digest'
import { resolve } from 'node:path'
import { assertVacant, Staging } from './apply/staging.ts'
import type { ApplyReport } from './apply/report.ts'
import { apply, type ApplyOptions } from './apply.ts'
import { LayerError, quoted, systemCode } from './errors.ts'

/** A layer to be unpacked. */
export interface UnpackLayer {
  /** What its uncompressed bytes must hash to, where that is known; the report says what they hash to. */
  readonly diffID?: Digest
  /** Its bytes, compressed or not; called once, when the layers below are done. */
  open(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

/** Options of {@link unpack}. */
export interface UnpackOptions extends Omit<ApplyOptions, 'diffID'> {
  /** Whether something that is there is replaced. Default `false`: only an empty directory is. */
  readonly replace?: boolean
}

/**
 * Applies layers in order, base first, to a new directory.
 *
 * They are applied beside `target`, in a directory that is renamed to it when every `diffID` was verified. So `target` is
 * absent, or as it was, or whole; a failure and an abort leave nothing behind. A killed run leaves its staging directory,
 * `.unpack-…` beside the target, which the next call for that target removes. Runs at the same time do not disturb each
 * other: without `replace` the first one to finish wins, the others fail.
 *
 * What is replaced is moved away by one rename, the new directory comes by another one, and then the old one is removed.
 * Nothing is flushed to disk (fsync): a power failure may leave a target with empty files.
 *
 * @returns The report of each layer.
 * @throws {LayerError} `ERR_LAYER_EXISTS` if `target` is there, `ERR_LAYER_APPLY` if its parent directory is not; else as {@link apply}.
 */
export async function unpack(
  target: string,
  layers: Iterable<UnpackLayer> | AsyncIterable<UnpackLayer>,
  options: UnpackOptions = {},
): Promise<readonly ApplyReport[]> {
  const { replace = false, signal, ...rest } = options
  signal?.throwIfAborted()
  const path = resolve(target)
  const staging = guard(path, () => {
    if (!replace) assertVacant(path)
    return new Staging(path)
  })
  try {
    const reports: ApplyReport[] = []
    const applyOptions = signal === undefined ? rest : { ...rest, signal }
    for await (const layer of layers) {
      const verified = layer.diffID === undefined ? {} : { diffID: layer.diffID }
      reports.push(await apply(staging.root, layer.open(), { ...applyOptions, ...verified }))
    }
    signal?.throwIfAborted()
    guard(path, () => staging.commit(replace))
    return reports
  } finally {
    staging.close()
  }
}

function guard<T>(path: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (systemCode(error) === undefined || error instanceof LayerError) throw error
    throw new LayerError('ERR_LAYER_APPLY', `Cannot unpack to ${quoted(path)}`, { path: '', cause: error })
  }
}
