/**
 * One name in a file system held in memory.
 *
 * @module
 */
import { createEntry, type Entry } from '../entry.ts'

/** What all names of a file share. */
export interface Inode {
  readonly entry: Entry
  /** The layer with that entry; -1 of a directory that none has. */
  readonly layer: number
}

/** A name, what it stands for, and what the layer at hand has done to it. Layers are numbered from 0. */
export class Node {
  inode: Inode
  readonly parent: Node | undefined
  /** Of a directory: what is in it. */
  readonly children: Map<string, Node> | undefined
  /** The last entry for this very name, and its layer. */
  member: Entry | undefined
  writtenIn = -1
  /** The last layer that wrote something below. */
  touchedIn = -1
  /** The last layer that found nothing, or left nothing, of the layers below it in here. */
  clearedIn = -1

  constructor(inode: Inode, parent: Node | undefined) {
    this.inode = inode
    this.parent = parent
    this.children = inode.entry.type === 'directory' ? new Map() : undefined
  }
}

/** The directory that is made where an archive has none: 0755, owner 0:0, time 0. */
export function defaultDirectory(): Inode {
  return { entry: createEntry({ path: '', type: 'directory' }), layer: -1 }
}
