/**
 * Directories that are made beside a target and take its place when they are complete.
 *
 * The name of a staging directory says which process made it. So whoever comes next can tell what a killed run left
 * behind from what another run is working on.
 *
 * @module
 */
import { digestOf } from '@varve/digest'
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync } from 'node:fs'
import { hostname } from 'node:os'
import { LayerError, quoted, systemCode } from '../errors.ts'
import { joinLocation, type Location, toLocation } from '../location.ts'
import { baseOf, parentOf } from '../path.ts'
import { DEFAULT_DIRECTORY, DirectoryNode } from './directory-node.ts'
import { DirectoryHandles } from './handles.ts'
import { listNames, removeName } from './remove.ts'

/** What the directory in staging is called that becomes the target, and what the old target is called there. */
const NEW = 'new'
const OLD = 'old'

/** A directory in the making. */
export class Staging {
  /** The empty directory to be filled. */
  readonly root: string
  readonly #target: string
  readonly #parent: string
  readonly #name: string

  /** Makes it, and removes what killed runs left of theirs. */
  constructor(target: string) {
    this.#target = target
    this.#parent = parentOf(target) || '/'
    const prefix = prefixOf(target)
    removeAbandoned(this.#parent, prefix, target)
    this.#name = `${prefix}${ownerName()}-${randomSuffix()}`
    // Nobody else looks into it before it is complete.
    mkdirSync(this.#at(), 0o700)
    this.root = `${this.#parent}/${this.#name}/${NEW}`
    mkdirSync(this.#at(NEW))
    chmodSync(this.#at(NEW), 0o755)
  }

  /** Puts it in the place of the target. Between the two renames of a replacement there is no target. */
  commit(replace: boolean): void {
    const target = toLocation(this.#target)
    if (replace && exists(target)) renameSync(target, this.#at(OLD))
    try {
      renameSync(this.#at(NEW), target)
    } catch (error) {
      if (exists(this.#at(OLD))) renameSync(this.#at(OLD), target)
      if (!OCCUPIED.has(systemCode(error))) throw error
      throw occupied(this.#target, error)
    }
  }

  /** Removes what is left of it, with the old target. */
  close(): void {
    removeStaging(this.#parent, this.#name)
  }

  #at(name: string = ''): Location {
    return joinLocation(toLocation(`${this.#parent}/${this.#name}`), name)
  }
}

/**
 * Checks early what {@link Staging.commit} would find late.
 *
 * @throws {LayerError} `ERR_LAYER_EXISTS` if something is there that is no empty directory.
 */
export function assertVacant(target: string): void {
  const location = toLocation(target)
  const stats = lstatSync(location, { throwIfNoEntry: false })
  if (stats === undefined) return
  if (!stats.isDirectory() || readdirSync(location).length > 0) throw occupied(target)
}

/** What renaming a directory over something says. */
const OCCUPIED: ReadonlySet<string | undefined> = new Set(['ENOTEMPTY', 'EEXIST', 'ENOTDIR'])

function occupied(target: string, cause?: unknown): LayerError {
  return new LayerError('ERR_LAYER_EXISTS', `${quoted(target)} is there already`, { path: '', cause })
}

function exists(location: Location): boolean {
  return lstatSync(location, { throwIfNoEntry: false }) !== undefined
}

/** A name may be as long as the system takes: its digest stands for it. */
function prefixOf(target: string): string {
  return `.unpack-${shortHash(baseOf(target))}-`
}

function shortHash(text: string): string {
  return digestOf(Buffer.from(text)).slice('sha256:'.length, 'sha256:'.length + 12)
}

/** From the global, since importing `node:crypto` costs every program 4 ms, also one that unpacks nothing (measured). */
function randomSuffix(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(4))).toString('hex')
}

/** This process: where its number means something, the number, and when it started. */
function ownerName(): string {
  return `${processSpace()}-${process.pid}-${startTime(process.pid) ?? 0}`
}

function processSpace(): string {
  let namespace = ''
  try {
    namespace = readlinkSync('/proc/self/ns/pid')
  } catch {
    // Not Linux: one for each host.
  }
  return shortHash(`${hostname()} ${namespace}`)
}

/** When a process started, in ticks since the system did: field 22 of proc_pid_stat(5). */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

function removeAbandoned(parent: string, prefix: string, target: string): void {
  for (const name of listNames(toLocation(parent))) {
    if (!name.startsWith(prefix) || !isAbandoned(name.slice(prefix.length))) continue
    const old = joinLocation(toLocation(`${parent}/${name}`), OLD)
    // It was killed between the two renames.
    if (exists(old) && !exists(toLocation(target))) renameSync(old, toLocation(target))
    removeStaging(parent, name)
  }
}

function isAbandoned(owner: string): boolean {
  const [space, pid, start] = owner.split('-')
  // Of another machine or container: its processes cannot be seen from here.
  if (space !== processSpace()) return false
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    return systemCode(error) === 'ESRCH'
  }
  const now = startTime(Number(pid))
  return now !== undefined && now !== start
}

function removeStaging(parent: string, name: string): void {
  const node = new DirectoryNode(undefined, '', DEFAULT_DIRECTORY, false)
  const handles = new DirectoryHandles(node, toLocation(parent))
  try {
    removeName(handles, node, name)
  } finally {
    handles.close()
  }
}
