/**
 * Programs of the host.
 *
 * @module
 */
import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/**
 * The path of a program, looked for in the absolute directories of the PATH of this process: nothing that lies in a
 * directory we work on is ever run.
 */
export function findTool(name: string): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(delimiter).filter((path) => isAbsolute(path))
  return directories.map((directory) => join(directory, name)).find((path) => isExecutable(path))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
