/* oxlint-disable */
// Public types, written by scripts/api-snapshot.mjs. Do not edit.

// ---- @varve/builder

import { Descriptor, Digest } from '@varve/digest'
import { HistoryEntry, ImageConfig, Platform } from '@varve/oci-manifest'
import { ImageLayout } from '@varve/oci-manifest/layout'
import { LocalStore } from '@varve/cache-store/local'
import { RegistryClient, RegistryClientOptions } from '@varve/registry'
import { Tier } from '@varve/cache-store'
import { Writable } from 'node:stream'

export type BuildEvent = {
  readonly type: 'plan';
  readonly steps: ReadonlyArray<{
    readonly step: Digest;
    readonly name: string;
  }>;
} | {
  readonly type: 'step-start';
  readonly step: Digest;
  readonly name: string;
} | {
  readonly type: 'step-miss';
  readonly step: Digest;
  readonly name: string;
  readonly why: string;
} | {
  readonly type: 'step-log';
  readonly step: Digest;
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
} | {
  readonly type: 'step-end';
  readonly step: Digest;
  readonly name: string;
  readonly cache: CacheOutcome;
  readonly why: string;
  readonly ms: number;
} | {
  readonly type: 'step-error';
  readonly step: Digest;
  readonly name: string;
  readonly message: string;
} | {
  readonly type: 'warning';
  readonly rule: string;
  readonly message: string;
  readonly location?: SourceLocation;
} | {
  readonly type: 'output';
  readonly message: string;
};

export interface BuildOptions {
  readonly context: string;
  readonly dockerfile?: string;
  readonly target?: string;
  readonly buildArgs?: ReadonlyMap<string, string>;
  readonly labels?: ReadonlyMap<string, string>;
  readonly platforms?: readonly Platform[];
  readonly contexts?: ReadonlyMap<string, NamedContext>;
  readonly tags?: readonly string[];
  readonly outputs?: readonly Output[];
  readonly noCache?: boolean;
  readonly maxAgeMs?: number;
  readonly contextModes?: 'exact' | 'git';
  readonly pull?: boolean;
  readonly caches?: readonly RemoteCache[];
  readonly cacheDirectory: string;
  readonly epoch?: number;
  readonly runner?: RunnerName;
  readonly registry?: RegistryClient;
  readonly registryOptions?: RegistryClientOptions | (() => Promise<RegistryClientOptions>);
  readonly stdout?: Writable;
  readonly onEvent?: EventListener;
  readonly signal?: AbortSignal;
}

export interface BuildResult {
  readonly descriptor: Descriptor;
  readonly images: readonly BuiltImage[];
  readonly names: readonly string[];
  readonly steps: readonly StepReport[];
  readonly plan: Plan;
}

export declare class BuilderError extends Error {
  readonly code: BuilderErrorCode;
  readonly location: SourceLocation | undefined;
  readonly instruction: string | undefined;
  readonly exitCode: number | undefined;
  readonly hint: string | undefined;
  constructor(code: BuilderErrorCode, message: string, options?: BuilderErrorOptions);
}

export type BuilderErrorCode = 'ERR_BUILDER_USAGE' | 'ERR_BUILDER_DOCKERFILE' | 'ERR_BUILDER_IGNORE' | 'ERR_BUILDER_CONTEXT' | 'ERR_BUILDER_COPY' | 'ERR_BUILDER_BASE' | 'ERR_BUILDER_BLOB' | 'ERR_BUILDER_FETCH' | 'ERR_BUILDER_RUN' | 'ERR_BUILDER_RUNNER' | 'ERR_BUILDER_OUTPUT' | 'ERR_BUILDER_MISMATCH' | 'ERR_BUILDER_UNSUPPORTED';

export interface BuilderErrorOptions extends ErrorOptions {
  readonly location?: SourceLocation;
  readonly instruction?: string;
  readonly exitCode?: number;
  readonly hint?: string;
}

export interface BuiltImage {
  readonly platform: Platform;
  readonly descriptor: Descriptor;
  readonly config: Descriptor;
  readonly layers: RootResult['layers'];
}

export type CacheOutcome = 'hit' | 'miss';

export interface ContextStep {
  readonly op: 'context';
  readonly name: string;
}

export interface CopySource {
  readonly from: StepId;
  readonly paths: readonly string[];
}

export interface CopyStep {
  readonly op: 'copy';
  readonly parent: StepId | null;
  readonly sources: readonly CopySource[];
  readonly destination: string;
  readonly chown?: string;
  readonly chmod?: string;
  readonly exclude: readonly string[];
  readonly parents: boolean;
  readonly link: boolean;
  readonly unpack: boolean;
}

export type EventListener = (event: BuildEvent) => void;

export interface ExecStep {
  readonly op: 'exec';
  readonly parent: StepId | null;
  readonly platform: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly network: 'default' | 'none';
  readonly scripts: readonly InlineFile[];
}

export interface ImagePlan {
  readonly platform: Platform;
  readonly root: StepId | null;
  readonly config: NonNullable<ImageConfig['config']>;
  readonly history: readonly HistoryEntry[];
  readonly author?: string;
  readonly base?: StepId;
}

export interface ImageStep {
  readonly op: 'image';
  readonly reference: string;
  readonly manifest: Digest;
}

export interface InlineFile {
  readonly name: string;
  readonly data: string;
}

export interface InlineStep {
  readonly op: 'inline';
  readonly files: readonly InlineFile[];
}

export interface LayoutReference {
  readonly directory: string;
  readonly name?: string;
}

export type NamedContext = {
  readonly type: 'directory';
  readonly directory: string;
} | ({
  readonly type: 'layout';
} & LayoutReference);

export type Output = {
  readonly type: 'layout';
  readonly directory: string;
} | {
  readonly type: 'archive';
  readonly file: string;
} | {
  readonly type: 'registry';
};

export interface Plan {
  readonly version: 1;
  readonly compat: typeof COMPAT;
  readonly epoch: number;
  readonly steps: ReadonlyMap<StepId, Step>;
  readonly labels: ReadonlyMap<StepId, StepLabel>;
  readonly images: readonly ImagePlan[];
}

export interface RemoteCache {
  readonly name: string;
  readonly tier: Tier;
  readonly read: boolean;
  readonly write: boolean;
}

export type RootStep = ImageStep | CopyStep | WorkdirStep | ExecStep;

export type RunnerName = 'auto' | 'bwrap' | 'unshare' | 'none';

export interface SourceLocation {
  readonly file: string;
  readonly line: number;
}

export interface StackLayer {
  readonly descriptor: Descriptor;
  readonly diffID: Digest;
}

export type Step = RootStep | ContextStep | InlineStep;

export type StepId = Digest;

export interface StepLabel {
  readonly name: string;
  readonly slot: string;
  readonly location?: {
    readonly file: string;
    readonly line: number;
  };
}

export type StepReport = Omit<Extract<BuildEvent, {
  type: 'step-end';
}>, 'type'>;

export interface WorkdirStep {
  readonly op: 'workdir';
  readonly parent: StepId | null;
  readonly path: string;
  readonly user: string;
}

export interface Workspace {
  readonly directory: string;
  readonly store: LocalStore;
  readonly images: ImageLayout;
  readonly runs: string;
  readonly hashes: string;
}

export declare function build(options: BuildOptions): Promise<BuildResult>;

export declare function openWorkspace(directory: string): Promise<Workspace>;

// not exported, but part of the types above

export declare const COMPAT = 1;

export interface RootResult {
  readonly layers: readonly StackLayer[];
}
