/**
 * Mounting stacked layer directories. Runs inside the worker's mount namespace, so mounts die with it.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'

/** A stack of directories below `layers/`, base first, and where to write. */
export interface OverlayMount {
  /** The worker's directory; paths in mount options are relative to `layers/`, which keeps them short. */
  readonly directory: string
  readonly lowers: readonly string[]
  /** Holds `upper/` and `work/`; without it the mount is read-only. */
  readonly writable?: string
  readonly target: string
}

/**
 * Explicit, whatever the kernel's defaults are: with them an upper directory could hold redirects or files without
 * content, and the layer made of it would be wrong.
 */
const PLAIN = 'index=off,redirect_dir=off,metacopy=off'
/** In a user namespace the kernel refuses those words beside `userxattr`, which implies them. */
const PLAIN_ROOTLESS = 'index=off,userxattr'

/** Mounts an overlay. Throws what `mount` says. */
export function mountOverlay({ directory, lowers, writable, target }: OverlayMount): void {
  const layers = join(directory, 'layers')
  const stack = lowers.length === 0 ? [EMPTY_LAYER] : lowers.toReversed()
  mkdirSync(join(layers, EMPTY_LAYER), { recursive: true })
  // One read-only directory is not an overlay to the kernel: an empty one below makes two.
  const lower = writable === undefined && stack.length === 1 ? [...stack, EMPTY_LAYER] : stack
  const options = [`lowerdir=${[...new Set(lower)].join(':')}`]
  if (writable !== undefined) {
    const [upper, work] = [join(writable, 'upper'), join(writable, 'work')]
    mkdirSync(work, { recursive: true })
    makeUpper(upper, join(layers, stack[0] ?? EMPTY_LAYER))
    options.push(`upperdir=${upper}`, `workdir=${work}`)
  }
  mkdirSync(target, { recursive: true })
  options.push(isRootless() ? PLAIN_ROOTLESS : PLAIN)
  runTool('mount', ['-t', 'overlay', 'overlay', '-o', options.join(','), target], layers)
}

/** Overlay is missing in some kernels, and refuses upper directories on some file systems. */
export function probeOverlay(directory: string): 'overlay' | 'copy' {
  const probe = join(directory, 'probe')
  const target = join(probe, 'merged')
  try {
    mountOverlay({ directory, lowers: [], writable: probe, target })
    unmount(target)
    return 'overlay'
  } catch {
    return 'copy'
  } finally {
    rmSync(probe, { recursive: true, force: true })
  }
}

/** The root of an overlay has the attributes of its upper directory, so that one begins as a copy of what is below. */
function makeUpper(upper: string, below: string): void {
  if (existsSync(upper)) return
  mkdirSync(upper, { recursive: true })
  const { mode, uid, gid, atimeMs, mtimeMs } = statSync(below)
  chownSync(upper, uid, gid)
  chmodSync(upper, mode & 0o7777)
  utimesSync(upper, atimeMs / 1000, mtimeMs / 1000)
}

/** Unmounts, also if something still holds it open. */
export function unmount(target: string): void {
  runTool('umount', ['-l', target], '/')
}

/** Runs a system tool quietly; its error output becomes the error. */
export function runTool(program: string, args: readonly string[], cwd: string): void {
  execFileSync(program, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
}

/** Whether root here is root of a user namespace only. */
export function isRootless(): boolean {
  return process.env[ROOTLESS_VARIABLE] === '1'
}

/** Set by the runner when it gave the worker a user namespace. */
export const ROOTLESS_VARIABLE = 'VARVE_ROOTLESS'

const EMPTY_LAYER = 'empty'
