/**
 * Listings: what files are, as key documents.
 *
 * One line per file holds all that reaches a layer and nothing else: no time, no inode, no owner that `--chown`
 * overrides. Listings are stored beside the key document that names them, so a miss can be traced to a file.
 *
 * @module
 */
import { type Digest, digestOf } from '@varve/digest'
import type { KeyContent } from '@varve/cache-store'
import type { Entry } from '@varve/layer'

/** Which attributes a step overrides and so does not depend on. */
export interface Overridden {
  readonly owner: boolean
  readonly mode: boolean
}

/** The listing of some entries under names of the caller's choice. */
export async function listFiles(
  files: Iterable<readonly [name: string, entry: Entry]>,
  digest: (entry: Entry) => Digest | Promise<Digest>,
  overridden: Overridden = { owner: false, mode: false },
): Promise<KeyContent> {
  const fields: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [name, entry] of files) {
    const content = entry.type === 'file' ? digest(entry) : undefined
    fields[name] = describeEntry(entry, content instanceof Promise ? await content : content, overridden)
  }
  return { kv: 1, kind: 'files', fields }
}

/** Fields in a fixed order; the only one of free form stands last. */
function describeEntry(entry: Entry, content: Digest | undefined, overridden: Overridden): string {
  const link = entry.type === 'symlink'
  return [
    entry.type,
    ...(overridden.mode && !link ? [] : [entry.mode.toString(8).padStart(4, '0')]),
    ...(overridden.owner ? [] : [`${entry.uid}:${entry.gid}`]),
    ...(content === undefined ? [] : [String(entry.size), content]),
    ...(entry.type === 'char' || entry.type === 'block' ? [`${entry.devMajor},${entry.devMinor}`] : []),
    ...[...(entry.xattrs ?? [])]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `${name}=${digestOf(value)}`),
    ...(entry.linkname === '' ? [] : [`-> ${entry.linkname}`]),
  ].join(' ')
}
