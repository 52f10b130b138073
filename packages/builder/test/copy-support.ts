/** Shared by the copy tests: trees written as lines. */
import { bytesSource, readAll } from '@varve/digest'
import { createEntry, type Entry, type EntryFields, Tree } from '@varve/layer'

/**
 * Makes a tree of lines such as `d/ 700 9:9`, `f 644 0:0 =text`, `l -> target` and `h => file`: path, then perhaps
 * mode, owner, and text, link or hard link.
 */
export function tree(...lines: readonly string[]): Tree {
  return Tree.from(lines.map((line) => entry(line)))
}

const LINE = /^(\S+?)(\/?)(?: ([0-7]{3,4}))?(?: (\d+):(\d+))?(?: (->|=>|=)\s?(.*))?$/s

function entry(line: string): Entry {
  const parsed = LINE.exec(line)
  if (parsed === null) throw new TypeError(`Not an entry: ${line}`)
  const [, path = '', slash, mode, uid, gid, kind, rest = ''] = parsed
  const common: Partial<EntryFields> = {
    ...(mode !== undefined && { mode: Number.parseInt(mode, 8) }),
    uid: Number(uid ?? 0),
    gid: Number(gid ?? 0),
    mtime: 1_000_000_000,
    mtimeNs: 5,
  }
  if (slash === '/') return createEntry({ ...common, path, type: 'directory' })
  if (kind === '->') return createEntry({ ...common, path, type: 'symlink', linkname: rest })
  if (kind === '=>') return createEntry({ ...common, path, type: 'hardlink', linkname: rest })
  return createEntry({ ...common, path, type: 'file', content: bytesSource(new TextEncoder().encode(rest)) })
}

/** The reverse of {@link tree}: every mode and owner written out, times left out. */
export async function lines(of: Tree): Promise<string[]> {
  const written: string[] = []
  for (const { path, type, mode, uid, gid, linkname, content } of of) {
    const attributes = `${mode.toString(8)} ${uid}:${gid}`
    const text = content === undefined ? '' : new TextDecoder().decode(await readAll(content.open(), 1 << 20))
    const rest = { directory: '', symlink: ` -> ${linkname}`, hardlink: ` => ${linkname}`, file: ` =${text}` }
    const detail = type in rest ? rest[type as keyof typeof rest] : ` (${type})`
    written.push(`${path}${type === 'directory' ? '/' : ''} ${attributes}${detail}`)
  }
  return written
}
