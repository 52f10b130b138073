/**
 * Errors of the system, with the path they are about.
 *
 * @module
 */
import { LayerError, type LayerErrorCode, quoted, systemCode } from '../errors.ts'

/** Names the path in the error; what is gone although it was listed gets the code `gone`. */
export function attempt<T>(path: string, action: () => T, gone: LayerErrorCode): T {
  try {
    return action()
  } catch (error) {
    throw readError(path, error, gone)
  }
}

/** {@link attempt} where a closure for each entry would cost too much. */
export function readError(path: string, error: unknown, gone: LayerErrorCode): LayerError {
  const vanished = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL'].includes(systemCode(error) ?? '')
  return new LayerError(
    vanished ? gone : 'ERR_LAYER_READ',
    `Cannot read ${quoted(path === '' ? '/' : path)}`,
    { path, cause: error },
  )
}
