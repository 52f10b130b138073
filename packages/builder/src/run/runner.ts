/**
 * Who runs the processes of RUN.
 *
 * @module
 */
import type { Descriptor, Digest } from '@varve/digest'
import type { PackedLayer } from '@varve/layer'
import type { InlineFile } from '../plan/plan.ts'

/** A layer of the root file system that a process is to see. */
export interface RunLayer {
  readonly descriptor: Descriptor
  readonly diffID: Digest
  /** Where its compressed bytes can be read. */
  readonly file: string
}

/** One process to run. */
export interface RunRequest {
  /** The root file system, base first. */
  readonly layers: readonly RunLayer[]
  readonly args: readonly string[]
  /** `NAME=value`; `HOME` is added from the image's accounts. */
  readonly env: readonly string[]
  readonly cwd: string
  /** `user[:group]`, names of the image; empty is root. */
  readonly user: string
  readonly network: 'default' | 'none'
  /** Files at `/dev/pipes/<name>`, executable. */
  readonly scripts: readonly InlineFile[]
  /** Modification times later than this many seconds since 1970 become this. */
  readonly epoch: number
}

/** Where the output of a run goes. */
export interface RunOutput {
  /** What the process printed. */
  onOutput(stream: 'stdout' | 'stderr', chunk: Uint8Array): void
  /** The bytes of the layer, in order. */
  write(chunk: Uint8Array): Promise<void>
}

/** The layer of what the process changed. */
export interface RunOutcome {
  readonly layer: PackedLayer
  /** What could not be done as the layers or the process wanted. */
  readonly warnings: readonly string[]
}

/** Runs processes in a root file system made of layers, and reads back what they changed. */
export interface Runner {
  /** Such as `bwrap`, for messages. */
  readonly name: string
  /**
   * @throws {BuilderError} `ERR_BUILDER_RUN` with `exitCode` if the process fails; `ERR_BUILDER_RUNNER` if it cannot
   *   be started. Whatever happens, nothing stays mounted or running.
   */
  run(
    request: RunRequest,
    output: RunOutput,
    options?: { readonly signal?: AbortSignal },
  ): Promise<RunOutcome>
  /** Removes what the runner keeps on disk. */
  close(): Promise<void>
}
