/**
 * The books of {@link efficiency}: what each layer shipped, and what became of it.
 *
 * @module
 */
import type { DuplicateContent, Efficiency, LayerEfficiency, PathWaste } from '../efficiency.ts'
import type { Entry } from '../entry.ts'
import type { Inode, Node } from '../merge/node.ts'
import { comparePaths, joinPath } from '../path.ts'
import { encodeMember, sizeOf, writeSimpleMember } from '../tar/encode.ts'
import { BLOCK } from '../tar/header.ts'
import type { Tree } from '../tree.ts'
import { parseWhiteout } from '../whiteout.ts'

/** Names the content of a file; `undefined` if it is not known. */
export type ContentDigest = (entry: Entry) => string | undefined | Promise<string | undefined>

type Cause = 'overwritten' | 'metadata' | 'deleted' | 'whiteouts'
type Account = { -readonly [Key in keyof LayerEfficiency]: LayerEfficiency[Key] }
type Waste = { -readonly [Key in keyof PathWaste]: PathWaste[Key] }

/** Something shipped that is visible so far: a name with its header, or the content of a file. */
interface Shipment {
  readonly layer: number
  readonly path: string
  readonly bytes: number
  /** What was there, a hard link as its file. */
  readonly inode: Inode
  /** The last layer after which it was still there. */
  seen: number
}

/** For each layer: open it, apply it, close it. */
export class Ledger {
  readonly #archive: boolean
  readonly #digest: ContentDigest
  readonly #digests = new Map<Entry, Promise<string | undefined>>()
  readonly #accounts: Account[] = []
  readonly #names = new Map<Node, Shipment>()
  readonly #contents = new Map<Inode, Shipment>()
  readonly #wastes = new Map<string, Waste>()
  readonly #scratch = Buffer.alloc(BLOCK)
  /** Members of the layer at hand that have not been found in the tree. */
  #unseen = new Set<Entry>()

  constructor(archive: boolean, digest: ContentDigest) {
    this.#archive = archive
    this.#digest = digest
  }

  /** Enters what a layer ships. Whoever applies it counts its idle whiteouts. */
  open(layer: Tree): Account {
    const account = { shipped: 0, visible: 0, wasted: 0, hides: 0, whiteouts: 0, idleWhiteouts: 0 }
    this.#accounts.push(account)
    this.#unseen = new Set()
    for (const entry of layer) {
      const bytes = this.#headerOf(entry) + this.#contentOf(entry)
      account.shipped += bytes
      const whiteout = parseWhiteout(entry.path)
      if (whiteout === undefined) this.#unseen.add(entry)
      else {
        account.whiteouts++
        const path = whiteout.kind === 'opaque' ? whiteout.parent : joinPath(whiteout.parent, whiteout.name)
        this.#waste(path, bytes, 'whiteouts')
      }
    }
    return account
  }

  /** Goes through all that is there after a layer. */
  async close(
    walk: Iterable<{ readonly path: string; readonly node: Node }>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const layer = this.#accounts.length - 1
    const written = new Map<string, Inode>()
    const lost: Shipment[] = []
    for (const { path, node } of walk) {
      const { inode } = node
      let name = this.#names.get(node)
      if (name !== undefined && name.inode !== inode) {
        lost.push(name)
        this.#names.delete(node)
        name = undefined
      }
      if (node.member !== undefined && node.writtenIn === layer) {
        written.set(path, inode)
        this.#unseen.delete(node.member)
        name = { layer, path, bytes: this.#headerOf(node.member), inode, seen: layer }
        this.#names.set(node, name)
      }
      if (name !== undefined) name.seen = layer
      if (inode.layer === layer && !this.#contents.has(inode) && this.#contentOf(inode.entry) > 0) {
        this.#contents.set(inode, { layer, path, bytes: this.#contentOf(inode.entry), inode, seen: layer })
      }
      const content = this.#contents.get(inode)
      if (content !== undefined) content.seen = layer
    }
    for (const shipment of [
      ...lost,
      ...this.#gone(this.#names, layer),
      ...this.#gone(this.#contents, layer),
    ]) {
      signal?.throwIfAborted()
      await this.#lose(shipment, written.get(shipment.path))
    }
    this.#loseUnseen(layer)
  }

  async report(signal: AbortSignal | undefined): Promise<Efficiency> {
    for (const shipments of [this.#names, this.#contents]) {
      for (const { layer, bytes } of shipments.values()) this.#accounts[layer]!.visible += bytes
    }
    const shipped = sum(this.#accounts.map((account) => account.shipped))
    const visible = sum(this.#accounts.map((account) => account.visible))
    const duplicates = await this.#duplicates(signal)
    return {
      shipped,
      visible,
      wasted: shipped - visible,
      ratio: shipped === 0 ? 1 : visible / shipped,
      duplicated: sum(duplicates.map(savings)),
      layers: this.#accounts.map((account) => ({ ...account, wasted: account.shipped - account.visible })),
      paths: [...this.#wastes.values()]
        .filter(({ wasted }) => wasted > 0)
        .toSorted((a, b) => b.wasted - a.wasted || comparePaths(a.path, b.path)),
      duplicates,
    }
  }

  *#gone<Key>(shipments: Map<Key, Shipment>, layer: number): Generator<Shipment, void, void> {
    for (const [key, shipment] of shipments) {
      if (shipment.seen === layer) continue
      shipments.delete(key)
      yield shipment
    }
  }

  async #lose({ path, bytes, inode }: Shipment, now: Inode | undefined): Promise<void> {
    const cause =
      now === undefined
        ? 'deleted'
        : (await this.#isSame(inode.entry, now.entry))
          ? 'metadata'
          : 'overwritten'
    this.#accounts.at(-1)!.hides += bytes
    this.#waste(path, bytes, cause)
  }

  /** Members that were replaced within their own layer, through a symlink: their contents live on only by other names. */
  #loseUnseen(layer: number): void {
    const account = this.#accounts[layer]!
    const kept = new Set<Entry>()
    for (const { inode } of this.#contents.values()) if (inode.layer === layer) kept.add(inode.entry)
    for (const entry of this.#unseen) {
      const bytes = this.#headerOf(entry) + (kept.has(entry) ? 0 : this.#contentOf(entry))
      account.hides += bytes
      this.#waste(entry.path, bytes, 'overwritten')
    }
  }

  #waste(path: string, bytes: number, cause: Cause): void {
    let waste = this.#wastes.get(path)
    if (waste === undefined) {
      waste = { path, wasted: 0, count: 0, overwritten: 0, metadata: 0, deleted: 0, whiteouts: 0 }
      this.#wastes.set(path, waste)
    }
    waste[cause] += bytes
    waste.wasted += bytes
    if (bytes > 0) waste.count++
  }

  async #isSame(old: Entry, now: Entry): Promise<boolean> {
    if (old.type !== now.type || old.linkname !== now.linkname || old.size !== now.size) return false
    if (old.devMajor !== now.devMajor || old.devMinor !== now.devMinor) return false
    if (old.type !== 'file' || old.size === 0) return true
    if (old.content !== undefined && old.content === now.content) return true
    const digest = await this.#digestOf(old)
    return digest !== undefined && digest === (await this.#digestOf(now))
  }

  #digestOf(entry: Entry): Promise<string | undefined> {
    let digest = this.#digests.get(entry)
    if (digest === undefined) {
      digest = Promise.resolve(this.#digest(entry))
      this.#digests.set(entry, digest)
    }
    return digest
  }

  async #duplicates(signal: AbortSignal | undefined): Promise<DuplicateContent[]> {
    const found: DuplicateContent[] = []
    const sizes = grouped(this.#contents.values(), ({ inode }) => inode.entry.size)
    for (const shipments of sizes.values()) {
      if (shipments.length < 2) continue
      const digests = new Map<Shipment, string | undefined>()
      for (const shipment of shipments) {
        signal?.throwIfAborted()
        digests.set(shipment, await this.#digestOf(shipment.inode.entry))
      }
      for (const [digest, files] of grouped(shipments, (shipment) => digests.get(shipment))) {
        if (digest === undefined || files.length < 2) continue
        found.push({
          digest,
          size: files[0]!.bytes,
          files: files.map(({ layer, path }) => ({ layer, path })),
        })
      }
    }
    return found.toSorted((a, b) => savings(b) - savings(a))
  }

  #headerOf(entry: Entry): number {
    if (!this.#archive) return 0
    return writeSimpleMember(entry, this.#scratch, 0, {}) ? BLOCK : encodeMember(entry).byteLength
  }

  #contentOf(entry: Entry): number {
    const size = sizeOf(entry)
    return this.#archive ? Math.ceil(size / BLOCK) * BLOCK : size
  }
}

function savings({ size, files }: DuplicateContent): number {
  return size * (files.length - 1)
}

function grouped<Key, Item>(items: Iterable<Item>, keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
