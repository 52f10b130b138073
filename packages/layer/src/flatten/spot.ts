/**
 * One name in layers whose base is not known.
 *
 * @module
 */
import type { Entry } from '../entry.ts'
import { baseOf, comparePaths, joinPath } from '../path.ts'

/** What all names of a file share. */
export interface Shared {
  readonly entry: Entry
  /** Where the file is, if it is one of the base. */
  readonly inBase?: Spot
}

/** A name, and what the layers so far have done to it; a spot that they have done nothing to is as good as none. */
export class Spot {
  readonly path: string
  readonly parent: Spot | undefined
  readonly children: Map<string, Spot> = new Map()
  /** What the layers put here; `undefined` if that is nothing, or only what is below. */
  file: Shared | undefined
  /** What they hide of the base: this name with all below it, only what is below, or nothing that another member would not. */
  hidden: 'all' | 'below' | 'nothing' = 'nothing'

  /** Whether something was put here, or below. */
  #made = false

  constructor(path: string, parent: Spot | undefined) {
    this.path = path
    this.parent = parent
  }

  /** The spot of a name in here, made if there is none. */
  child(name: string): Spot {
    const known = this.children.get(name)
    if (known !== undefined) return known
    const made = new Spot(joinPath(this.path, name), this)
    this.children.set(name, made)
    return made
  }

  /** Whether something of the base may be in here. */
  get isOpen(): boolean {
    for (const spot of upwards(this)) {
      if (spot.hidden !== 'nothing' || spot.isFile) return false
    }
    return true
  }

  /** Whether what the base has here is here still. */
  get isUntouched(): boolean {
    const known = this.parent?.children.get(baseOf(this.path))
    const kept = known === undefined || (known.file === undefined && known.hidden === 'nothing')
    return kept && this.parent!.isReachable && this.parent!.isOpen
  }

  /** Whether it is a directory for sure. */
  get isDirectory(): boolean {
    return this.#made && !this.isFile
  }

  get isFile(): boolean {
    return this.file !== undefined && this.file.entry.type !== 'directory'
  }

  /** Whether it still hangs in the tree. */
  get isReachable(): boolean {
    for (const spot of upwards(this)) {
      if (spot.parent !== undefined && spot.parent.children.get(baseOf(spot.path)) !== spot) return false
    }
    return true
  }

  /** Whether a file has a name somewhere below. */
  holdsBelow(file: Shared): boolean {
    for (const spot of this.below()) if (spot !== this && spot.file === file) return true
    return false
  }

  put(file: Shared): void {
    this.file = file
    for (const spot of upwards(this)) {
      if (spot.#made) return
      spot.#made = true
    }
  }

  /** Makes nothing of it, as something that replaces whatever is here is about to do. */
  clear(): void {
    this.children.clear()
    this.file = undefined
    this.hidden = 'nothing'
    this.#made = false
  }

  /** In the place of a file, a new directory, with nothing of what the base may have in it. */
  becomeDirectory(): void {
    if (!this.isFile) return
    this.clear()
    this.#made = true
    if (this.parent?.isOpen === true) this.hidden = 'all'
  }

  /** This and all spots below it, each directory before what is in it. */
  *below(): Generator<Spot, void, void> {
    const stack: Spot[] = [this]
    for (let spot = stack.pop(); spot !== undefined; spot = stack.pop()) {
      yield spot
      const children = [...spot.children].toSorted(([a], [b]) => comparePaths(b, a))
      for (const [, child] of children) stack.push(child)
    }
  }
}

/** A spot and all above it, to the root. */
function* upwards(from: Spot): Generator<Spot, void, void> {
  for (let spot: Spot | undefined = from; spot !== undefined; spot = spot.parent) yield spot
}
