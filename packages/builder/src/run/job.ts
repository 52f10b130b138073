/**
 * What the runner and its worker process say to each other: one JSON job in, one JSON reply out.
 *
 * @module
 */
import type { PackedLayer } from '@varve/layer'
import type { BuilderErrorCode } from '../errors.ts'
import type { RunRequest } from './runner.ts'

/** How root file systems are stacked: overlay mounts, or whole copies where overlay is not to be had. */
export type Stacking = 'overlay' | 'copy'

/** Who isolates the process inside the namespaces of the worker. */
export type Sandbox = 'bwrap' | 'unshare'

/** Finds out what this machine can do. */
export interface ProbeJob {
  readonly kind: 'probe'
  readonly directory: string
}

/** Unpacks the layers of a chain that are not there yet. */
export interface UnpackJob {
  readonly kind: 'unpack'
  readonly directory: string
  readonly stacking: Stacking
  readonly layers: readonly UnpackedLayer[]
}

/** One layer on disk: `name` is its directory below `layers/`. */
export interface UnpackedLayer {
  readonly name: string
  readonly file: string
  readonly diffID: string
}

/** Runs one process on an unpacked chain. */
export interface ExecJob {
  readonly kind: 'exec'
  readonly directory: string
  readonly stacking: Stacking
  readonly sandbox: Sandbox
  /** Names of the unpacked layers, base first. */
  readonly layers: readonly string[]
  /** Directory of this run below `runs/`. */
  readonly run: string
  readonly request: Omit<RunRequest, 'layers'>
}

/** Removes a directory whose files may belong to the ids of the namespace. */
export interface RemoveJob {
  readonly kind: 'remove'
  readonly directory: string
}

/** What a worker is asked to do. */
export type Job = ProbeJob | UnpackJob | ExecJob | RemoveJob

/** What a worker answers. */
export type Reply =
  | {
      readonly ok: true
      readonly stacking?: Stacking
      readonly layer?: PackedLayer
      readonly warnings?: readonly string[]
    }
  | {
      readonly ok: false
      readonly code: BuilderErrorCode
      readonly message: string
      readonly exitCode?: number
      readonly hint?: string
    }

/** File descriptors of the worker beside the standard ones. */
export const LAYER_FD = 3
export const REPLY_FD = 4
