/**
 * The accounts of a root file system on disk.
 *
 * @module
 */
import { lstatSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { ReadAccounts } from '../copy/identity.ts'
import { type Links, resolveInRoot } from '../copy/in-root.ts'

/** Reads accounts files below `root`; links in it are followed inside it only. */
export function accountsInDirectory(root: string): ReadAccounts {
  return async (file) => {
    const path = join(root, resolveInRoot(linksIn(root), file))
    return lstatSync(path, { throwIfNoEntry: false })?.isFile() === true ? readFileSync(path, 'utf8') : ''
  }
}

/** The links of a directory on disk. */
export function linksIn(root: string): Links {
  return {
    get: (path) => {
      const stat = lstatSync(join(root, path), { throwIfNoEntry: false })
      if (stat === undefined) return undefined
      return stat.isSymbolicLink()
        ? { type: 'symlink', linkname: readlinkSync(join(root, path)) }
        : { type: stat.isDirectory() ? 'directory' : 'file', linkname: '' }
    },
  }
}
