/**
 * Files of images and layers, as people and programs read them.
 *
 * @module
 */
import type { Entry } from '@varve/layer'
import { printable } from './lines.ts'

/** As `ls -l` would show it, numbers for owners. */
export function entryLine({ path, type, mode, uid, gid, size, linkname }: Entry): string {
  const link = linkname === '' ? '' : ` -> ${printable(linkname)}`
  return `${type.padEnd(9)} ${mode.toString(8).padStart(4, '0')} ${uid}:${gid} ${size} /${printable(path)}${link}`
}

/** All that is known about it, in plain values; attributes as base64. */
export function entryObject(entry: Entry): Readonly<Record<string, unknown>> {
  const { path, type, mode, uid, gid, size, mtime, mtimeNs, linkname, devMajor, devMinor, xattrs } = entry
  return {
    path,
    type,
    mode,
    uid,
    gid,
    size,
    mtime,
    ...(mtimeNs !== 0 && { mtimeNs }),
    ...(linkname !== '' && { linkname }),
    ...((type === 'char' || type === 'block') && { devMajor, devMinor }),
    ...(xattrs !== undefined &&
      xattrs.size > 0 && {
        xattrs: Object.fromEntries(
          [...xattrs].map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
        ),
      }),
  }
}
