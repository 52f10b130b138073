/**
 * A file system held in memory, to which layers are applied exactly as {@link apply} does it on disk.
 *
 * @module
 */
import { createEntry, type Entry, withPath } from '../entry.ts'
import { LayerError, quoted } from '../errors.ts'
import { baseOf, comparePaths, joinPath, parentOf } from '../path.ts'
import { parseWhiteout } from '../whiteout.ts'
import { defaultDirectory, type Inode, Node } from './node.ts'

/** Symlinks followed in one path, as path_resolution(7) has it, with the spec's writers' room to spare. */
export const MAX_SYMLINKS = 255

/**
 * How often hard links that came before their targets are tried. A chain of links in the wrong order, each of which waits
 * for the next, takes a round for each; archivers write none, and a hostile one could have millions.
 */
export const MAX_LINK_ROUNDS = 40

/** Names, files and links; changed in place. */
export class MemoryFileSystem {
  /** Called with each whiteout and opaque marker that hides nothing. */
  onIdleWhiteout: (member: Entry) => void = () => {}
  readonly #root = new Node(defaultDirectory(), undefined)
  #rootWritten = false
  #layer = -1

  /** Applies raw members in the order given; `ordinary` takes whiteouts for the names they are. */
  apply(members: Iterable<Entry>, ordinary: boolean = false): void {
    this.#layer++
    // Nothing of a layer below is in an empty root.
    if (this.#root.children!.size === 0) this.#root.clearedIn = this.#layer
    let waiting: Entry[] = []
    for (const member of members) if (!this.#applyMember(member, ordinary)) waiting.push(member)
    // A hard link may come before the file it names.
    for (let round = 0; waiting.length > 0; round++) {
      const still = waiting.filter((member) => !this.#link(member))
      const stuck = still.length === waiting.length || round === MAX_LINK_ROUNDS
      if (stuck && still[0] !== undefined) throw linkError(still[0], 'is missing')
      waiting = still
    }
  }

  /** The entries in order; of several names of a file the first is the file, the others link to it. */
  *entries(): Generator<Entry, void, void> {
    const first = new Map<Inode, string>()
    for (const { path, node } of this.walk()) {
      if (path !== '' || this.#rootWritten) yield this.#emit(path, node.inode, first)
    }
  }

  /** Every name in the order of {@link comparePaths}, the root first. Nothing may be applied meanwhile. */
  *walk(): Generator<{ readonly path: string; readonly node: Node }, void, void> {
    const stack: { readonly path: string; readonly node: Node }[] = [{ path: '', node: this.#root }]
    for (let here = stack.pop(); here !== undefined; here = stack.pop()) {
      yield here
      const { path, node } = here
      if (node.children === undefined) continue
      const names = [...node.children.keys()].toSorted((a, b) => comparePaths(b, a))
      for (const name of names) stack.push({ path: joinPath(path, name), node: node.children.get(name)! })
    }
  }

  /** The node of a path: symlinks are followed, but not in its last component. */
  lookUp(path: string): Node | undefined {
    if (path === '') return this.#root
    return this.#resolve(parentOf(path), false)?.children!.get(baseOf(path))
  }

  /** What every name stands for now, in the order of {@link walk}. */
  inodes(): Map<string, Inode> {
    const found = new Map<string, Inode>()
    for (const { path, node } of this.walk()) found.set(path, node.inode)
    return found
  }

  #emit(path: string, inode: Inode, first: Map<Inode, string>): Entry {
    const { entry } = inode
    if (entry.type === 'directory') return withPath(entry, path)
    const target = first.get(inode)
    if (target !== undefined) return linkTo(entry, path, target)
    first.set(inode, path)
    return withPath(entry, path)
  }

  /** Returns `false` for a hard link whose target is not there yet. */
  #applyMember(member: Entry, ordinary: boolean): boolean {
    const whiteout = ordinary ? undefined : parseWhiteout(member.path)
    if (whiteout !== undefined) {
      const parent = this.#resolve(whiteout.parent, false)
      const hides =
        parent !== undefined &&
        (whiteout.kind === 'opaque' ? this.#clear(parent) : this.#hide(parent, whiteout.name))
      if (!hides) this.onIdleWhiteout(member)
      return true
    }
    if (member.type === 'hardlink') return this.#link(member)
    if (member.path === '') {
      this.#root.inode = { entry: member, layer: this.#layer }
      this.#root.member = member
      this.#root.writtenIn = this.#layer
      this.#rootWritten = true
      return true
    }
    const parent = this.#resolve(parentOf(member.path), true)!
    const existing = parent.children!.get(baseOf(member.path))
    if (member.type === 'directory' && existing?.children !== undefined) {
      existing.inode = { entry: member, layer: this.#layer }
      existing.member = member
      existing.writtenIn = this.#layer
      this.#touch(parent)
    } else this.#put(parent, member, { entry: member, layer: this.#layer })
    return true
  }

  /**
   * Links to a file; `false` if it is not there, and the link has to wait.
   *
   * The rule, the same on disk: directories above the link are made first, which may replace files. The target is
   * looked up then. What the link's name held is removed next, with all that was below it, and a target that was in
   * there is gone: the link waits, its name empty, for somebody to write the target anew. When all members have been
   * applied, those that wait are tried again in their order, until no round gets any further.
   */
  #link(member: Entry): boolean {
    const parent = this.#resolve(parentOf(member.path), true)!
    const target = this.lookUp(member.linkname)
    if (target === undefined) return false
    if (target.children !== undefined) throw linkError(member, 'is a directory')
    const name = baseOf(member.path)
    const existing = parent.children!.get(name)
    if (existing?.children !== undefined && isBelow(target, existing)) {
      parent.children!.delete(name)
      return false
    }
    this.#put(parent, member, target.inode)
    return true
  }

  #put(parent: Node, member: Entry, inode: Inode): void {
    const node = new Node(inode, parent)
    node.member = member
    node.writtenIn = this.#layer
    node.clearedIn = this.#layer
    parent.children!.set(baseOf(member.path), node)
    this.#touch(parent)
  }

  #touch(from: Node): void {
    for (
      let node: Node | undefined = from;
      node !== undefined && node.touchedIn !== this.#layer;
      node = node.parent
    ) {
      node.touchedIn = this.#layer
    }
  }

  /** Whether it hid anything, as {@link #clear}. */
  #hide(parent: Node, name: string): boolean {
    const node = parent.children!.get(name)
    if (node === undefined) return false
    if (this.#isOurs(node)) {
      const hides = this.#clear(node)
      this.#forget(node)
      return hides
    }
    return parent.clearedIn !== this.#layer && parent.children!.delete(name)
  }

  /** Removes what the layers below left in a directory, whatever order the markers come in. */
  #clear(directory: Node): boolean {
    let hides = false
    const stack = [directory]
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      if (node.children === undefined || node.clearedIn === this.#layer) continue
      node.clearedIn = this.#layer
      for (const [name, child] of node.children) {
        if (!this.#isOurs(child)) hides = node.children.delete(name)
        else {
          this.#forget(child)
          stack.push(child)
        }
      }
    }
    return hides
  }

  /** A directory that was hidden, and is here only for what this layer put in it, has no metadata left. */
  #forget(node: Node): void {
    if (node.children !== undefined && node.writtenIn !== this.#layer) node.inode = defaultDirectory()
  }

  #isOurs(node: Node): boolean {
    return node.writtenIn === this.#layer || node.touchedIn === this.#layer
  }

  /** The directory at a path, symlinks followed inside the root; what is missing or no directory is made one. */
  #resolve(path: string, create: boolean): Node | undefined {
    let here = this.#root
    let hops = 0
    const todo = path.split('/').toReversed()
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      if (name === '' || name === '.') continue
      if (name === '..') {
        here = here.parent ?? here
        continue
      }
      const child = here.children!.get(name)
      if (child?.inode.entry.type === 'symlink') {
        const target = child.inode.entry.linkname
        if (++hops > MAX_SYMLINKS) throw loopError(path)
        if (target.startsWith('/')) here = this.#root
        todo.push(...target.split('/').toReversed())
      } else if (child?.children !== undefined) here = child
      else if (!create) return undefined
      else here = this.#makeDirectory(here, name)
    }
    return here
  }

  #makeDirectory(parent: Node, name: string): Node {
    const node = new Node(defaultDirectory(), parent)
    node.clearedIn = this.#layer
    parent.children!.set(name, node)
    return node
  }
}

/** A hard link, which carries what its file does except attributes and content. */
export function linkTo(entry: Entry, path: string, linkname: string): Entry {
  const { mode, uid, gid, mtime, mtimeNs } = entry
  return createEntry({ path, type: 'hardlink', linkname, mode, uid, gid, mtime, mtimeNs })
}

/** The error for a path with too many symlinks in it. */
export function loopError(path: string): LayerError {
  return new LayerError('ERR_LAYER_UNSAFE', `Too many symbolic links in ${quoted(path)}`, { path })
}

function isBelow(node: Node, directory: Node): boolean {
  for (let above = node.parent; above !== undefined; above = above.parent)
    if (above === directory) return true
  return false
}

function linkError({ path, linkname }: Entry, why: string): LayerError {
  return new LayerError('ERR_LAYER_LINK', `The target ${quoted(linkname)} of ${quoted(path)} ${why}`, {
    path,
  })
}
