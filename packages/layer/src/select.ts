/**
 * Parts of a tree.
 *
 * @module
 */
import { type Entry, withPath } from './entry.ts'
import { linkTo } from './merge/file-system.ts'
import { baseOf, joinPath, parentOf } from './path.ts'
import { compilePatterns } from './select/pattern.ts'
import { sortedTree, type Tree } from './tree.ts'
import { isWhiteout, OPAQUE_NAME, WHITEOUT_PREFIX } from './whiteout.ts'

/** Decides about one path; that of a whiteout is the path it hides, that of an opaque marker its directory. */
export type PathPredicate = (path: string, entry: Entry) => boolean

/** Options of {@link select}. */
export interface SelectOptions {
  /** Whether the directories above what is selected come along, the root too, as far as they have entries. Default `true`. */
  readonly parents?: boolean
}

/**
 * The part of a tree that a predicate or patterns choose; the tree itself stays as it is.
 *
 * Patterns are paths from the root, in which `*` stands for any characters of a name, `?` for one, and a component `**`
 * for any number of components; `\` escapes. A pattern matches with a path all that is below it. The last pattern that
 * matches decides, and those that begin with `!` exclude; if the first one does, everything else is selected. A directory
 * that is excluded still comes along for what is selected in it.
 *
 * Where the file that hard links lead to is left out, the first of its names that remain becomes the file, and the
 * others link to that. Links to a path that the tree does not have, as layers may, stay as they are.
 *
 * Of raw members, a whiteout is selected if what it hides is, and an opaque marker if its directory is, which keeps the
 * meaning of the layer for every path that is selected with all above it. Names that begin with `.wh.` are taken for
 * whiteouts.
 *
 * @throws {TypeError} for a pattern with an empty, `.` or `..` component, or with nothing after a backslash.
 */
export function select(
  tree: Tree,
  choice: PathPredicate | string | readonly string[],
  options: SelectOptions = {},
): Tree {
  const { parents = true } = options
  const selects =
    typeof choice === 'function' ? choice : compilePatterns(typeof choice === 'string' ? [choice] : choice)
  const chosen = new Set<string>()
  for (const entry of tree) {
    if (!selects(subjectOf(entry.path), entry)) continue
    chosen.add(entry.path)
    if (parents) addParents(entry.path, chosen)
  }
  const links = new Relinker(tree, chosen)
  const entries: Entry[] = []
  for (const entry of tree) if (chosen.has(entry.path)) entries.push(links.relink(entry))
  return sortedTree(entries)
}

/** The path that a choice about an entry is about. */
function subjectOf(path: string): string {
  if (!isWhiteout(path)) return path
  const parent = parentOf(path)
  const name = baseOf(path)
  return name === OPAQUE_NAME ? parent : joinPath(parent, name.slice(WHITEOUT_PREFIX.length))
}

function addParents(path: string, chosen: Set<string>): void {
  for (let above = parentOf(path); !chosen.has(above); above = parentOf(above)) {
    chosen.add(above)
    if (above === '') return
  }
}

/** Leads hard links to what remains of their files. */
class Relinker {
  readonly #tree: Tree
  readonly #chosen: ReadonlySet<string>
  /** For each file that was left out, the name that became the file. */
  readonly #moved = new Map<Entry, string>()
  readonly #resolved = new Map<string, Entry | undefined>()

  constructor(tree: Tree, chosen: ReadonlySet<string>) {
    this.#tree = tree
    this.#chosen = chosen
  }

  relink(entry: Entry): Entry {
    const { path, type, linkname } = entry
    if (type !== 'hardlink') return entry
    const file = this.#fileOf(entry)
    if (file === undefined) return entry
    // Archives may have links to links; the file may remain where the link between does not.
    if (this.#chosen.has(file.path)) {
      return this.#chosen.has(linkname) ? entry : linkTo(file, path, file.path)
    }
    const first = this.#moved.get(file)
    if (first !== undefined) return linkTo(file, path, first)
    this.#moved.set(file, path)
    return withPath(file, path)
  }

  /** The file that a link leads to, if the tree has it. */
  #fileOf(link: Entry): Entry | undefined {
    const seen = new Set<string>()
    let here: Entry | undefined = link
    while (here?.type === 'hardlink' && !seen.has(here.path) && !this.#resolved.has(here.path)) {
      seen.add(here.path)
      here = this.#tree.get(here.linkname)
    }
    const known = here?.type === 'hardlink' ? this.#resolved.get(here.path) : here
    const file = known?.type === 'directory' ? undefined : known
    for (const path of seen) this.#resolved.set(path, file)
    return file
  }
}
