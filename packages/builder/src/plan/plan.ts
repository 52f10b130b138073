/**
 * The plan: what to build, as a content-addressed graph of steps.
 *
 * A plan holds no clock, no path of this machine and no unpinned name; making it does no I/O. The id of a step is the
 * digest of its canonical JSON, which names its inputs by their ids, so two plans that share work share ids.
 *
 * @module
 */
import { type Digest, digestOf } from '@varve/digest'
import type { HistoryEntry, ImageConfig, Platform } from '@varve/oci-manifest'

/** The digest of a step's canonical JSON. */
export type StepId = Digest

/** A base image, pinned. */
export interface ImageStep {
  readonly op: 'image'
  /** The name as the user wrote it, normalised; for messages and for fetching. */
  readonly reference: string
  /** Of the manifest chosen for the platform. */
  readonly manifest: Digest
}

/** A directory of the user's, `.dockerignore` applied. */
export interface ContextStep {
  readonly op: 'context'
  /** `''` is the build context itself, others are named contexts. */
  readonly name: string
}

/** Files written in the definition itself. */
export interface InlineStep {
  readonly op: 'inline'
  readonly files: readonly InlineFile[]
}

/** One file of an {@link InlineStep}; `data` is text, its mode 0644. */
export interface InlineFile {
  readonly name: string
  readonly data: string
}

/** Some paths of a source and how to take them. */
export interface CopySource {
  readonly from: StepId
  /** Relative to the source's root, wildcards allowed. */
  readonly paths: readonly string[]
}

/** COPY and ADD: one layer that places files. */
export interface CopyStep {
  readonly op: 'copy'
  readonly parent: StepId | null
  readonly sources: readonly CopySource[]
  /** Absolute; a trailing `/` is kept and means a directory. */
  readonly destination: string
  readonly chown?: string
  readonly chmod?: string
  readonly exclude: readonly string[]
  /** Keep the parent directories of each source path (`--parents`). */
  readonly parents: boolean
  /** Do not look at the parent at all (`--link`). */
  readonly link: boolean
  /** Extract local archives (`ADD`). */
  readonly unpack: boolean
}

/** WORKDIR: one layer that makes a directory. */
export interface WorkdirStep {
  readonly op: 'workdir'
  readonly parent: StepId | null
  readonly path: string
  /** `USER` in force, which owns what is made. */
  readonly user: string
}

/** RUN: one layer of what a process changed. */
export interface ExecStep {
  readonly op: 'exec'
  readonly parent: StepId | null
  /** Such as `linux/arm64`: the same command makes something else elsewhere. */
  readonly platform: string
  readonly args: readonly string[]
  /** `NAME=value`, in order of definition. */
  readonly env: readonly string[]
  readonly cwd: string
  readonly user: string
  readonly network: 'default' | 'none'
  /** Files put at `/dev/pipes/<name>` for scripts given as heredocs. */
  readonly scripts: readonly InlineFile[]
}

/** A step that ends in a root file system. */
export type RootStep = ImageStep | CopyStep | WorkdirStep | ExecStep

/** One node of the graph. */
export type Step = RootStep | ContextStep | InlineStep

/** What the user sees of a step; not part of its identity. */
export interface StepLabel {
  /** Such as `[build 2/5] COPY . .`. */
  readonly name: string
  /** The stage it belongs to: the slot in which earlier key documents are looked for. */
  readonly slot: string
  readonly location?: { readonly file: string; readonly line: number }
}

/** One image to be made. */
export interface ImagePlan {
  readonly platform: Platform
  /** The step whose root file system the image has; `null` is empty. */
  readonly root: StepId | null
  /** The runtime configuration (image-spec config.md, "config"). */
  readonly config: NonNullable<ImageConfig['config']>
  /** Entries after those of the base image, one per instruction. */
  readonly history: readonly HistoryEntry[]
  readonly author?: string
  /** The image at the bottom, whose configuration and history are carried on. */
  readonly base?: StepId
}

/** A whole build. */
export interface Plan {
  readonly version: 1
  /** Changes when the same plan gives other bytes: part of every key. */
  readonly compat: typeof COMPAT
  /** Seconds since 1970 that stand for every time written into the image. */
  readonly epoch: number
  readonly steps: ReadonlyMap<StepId, Step>
  readonly labels: ReadonlyMap<StepId, StepLabel>
  readonly images: readonly ImagePlan[]
}

/** The compatibility number of this version's layer bytes. */
export const COMPAT = 1

/** Canonical JSON: object keys sorted by code unit, nothing optional written as `undefined`. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    each !== null && typeof each === 'object' && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
}

/** The id of a step. */
export function stepId(step: Step): StepId {
  return digestOf(new TextEncoder().encode(canonicalJson(step)))
}
