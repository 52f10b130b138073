/**
 * Layers as one layer, when nobody knows what lies below them.
 *
 * @module
 */
import { createEntry, type Entry, withPath } from '../entry.ts'
import { LayerError, quoted } from '../errors.ts'
import { whiteoutOf } from '../layer-tree.ts'
import { linkTo, loopError, MAX_SYMLINKS } from '../merge/file-system.ts'
import { baseOf, joinPath, parentOf } from '../path.ts'
import { Tree } from '../tree.ts'
import { isWhiteout, OPAQUE_NAME, parseWhiteout, type Whiteout, WHITEOUT_PREFIX } from '../whiteout.ts'
import { writerOrder } from '../writer-order.ts'
import { type Shared, Spot } from './spot.ts'

/**
 * The raw members that do what `layers` do one after the other, on any base in which no directory above a member is a
 * symlink. What a whiteout may hide in the base it goes on to hide. A hard link to what its own layer has further on
 * is a link to that, whatever the base has in its place.
 */
export function composeLayers(layers: readonly Tree[]): Tree {
  const composition = new Composition()
  for (const layer of layers) composition.add(layer)
  return Tree.from(composition.members())
}

class Composition {
  readonly #root = new Spot('', undefined)

  add(layer: Tree): void {
    const members = [...writerOrder(layer)]
    // They are about what was here before, wherever they come.
    for (const { path } of members) {
      const marker = parseWhiteout(path)
      if (marker !== undefined) this.#hide(marker)
    }
    let waiting = members.filter((member) => !isWhiteout(member.path) && !this.#place(member, false))
    while (waiting.length > 0) {
      const still = waiting.filter((member) => !this.#place(member, false))
      // What no layer has the base may have.
      if (still.length === waiting.length) this.#place(still.shift()!, true)
      waiting = still
    }
  }

  *members(): Generator<Entry, void, void> {
    const first = new Map<Shared, string>()
    for (const spot of this.#root.below()) {
      const { path, file } = spot
      if (spot.hidden === 'all')
        yield withPath(whiteoutOf('-'), joinPath(parentOf(path), WHITEOUT_PREFIX + baseOf(path)))
      if (spot.hidden === 'below') yield withPath(whiteoutOf('-'), joinPath(path, OPAQUE_NAME))
      if (file === undefined) continue
      const target = file.inBase?.path ?? first.get(file)
      if (file.inBase?.isUntouched === false) throw linkError(file.entry, 'is not there any more')
      yield target === undefined ? withPath(file.entry, path) : linkTo(file.entry, path, target)
      if (target === undefined) first.set(file, path)
    }
  }

  #hide(marker: Whiteout): void {
    const parent = this.#resolve(marker.parent, false)
    if (parent === undefined) return
    if (marker.kind === 'opaque') {
      parent.children.clear()
      if (parent.isOpen) parent.hidden = 'below'
      return
    }
    const open = parent.isOpen
    parent.children.delete(marker.name)
    if (open) parent.child(marker.name).hidden = 'all'
  }

  /** Returns `false` for a hard link whose target is not there yet. */
  #place(member: Entry, inBase: boolean): boolean {
    const { path, type } = member
    if (path === '') {
      this.#root.file = { entry: member }
      return true
    }
    const parent = this.#resolve(parentOf(path), true)!
    const name = baseOf(path)
    if (type === 'directory') {
      const spot = parent.child(name)
      spot.becomeDirectory()
      spot.put({ entry: member })
      return true
    }
    const file = type === 'hardlink' ? this.#target(member, inBase) : { entry: member }
    if (file === undefined) return false
    // The target may have been in what the link replaces: then it is gone.
    const existing = parent.children.get(name)
    if (type === 'hardlink' && existing?.holdsBelow(file) === true) {
      existing.clear()
      return false
    }
    const spot = parent.child(name)
    spot.clear()
    spot.put(file)
    return true
  }

  #target(member: Entry, inBase: boolean): Shared | undefined {
    const parent = this.#resolve(parentOf(member.linkname), false)
    const spot = parent?.children.get(baseOf(member.linkname))
    if (member.linkname === '' || spot?.isDirectory === true) throw linkError(member, 'is a directory')
    if (spot?.file !== undefined) return spot.file
    if (!inBase) return undefined
    if (parent?.isOpen !== true || spot?.hidden === 'all') throw linkError(member, 'is missing')
    return { entry: createEntry({ ...member }), inBase: parent.child(baseOf(member.linkname)) }
  }

  /** As in a file system, only that what is not known may be a directory. */
  #resolve(path: string, create: boolean): Spot | undefined {
    let here = this.#root
    let hops = 0
    const todo = path.split('/').toReversed()
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      if (name === '' || name === '.') continue
      if (name === '..') {
        here = here.parent ?? here
        continue
      }
      const child = here.child(name)
      const { type, linkname } = child.file?.entry ?? {}
      if (type === 'symlink') {
        if (++hops > MAX_SYMLINKS) throw loopError(path)
        if (linkname!.startsWith('/')) here = this.#root
        todo.push(...linkname!.split('/').toReversed())
        continue
      }
      if (type !== undefined && type !== 'directory') {
        if (!create) return undefined
        child.becomeDirectory()
      }
      here = child
    }
    return here
  }
}

function linkError({ path, linkname }: Entry, why: string): LayerError {
  return new LayerError('ERR_LAYER_LINK', `The target ${quoted(linkname)} of ${quoted(path)} ${why}`, {
    path,
  })
}
