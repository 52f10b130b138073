/**
 * Builds container images without a daemon: Dockerfile to plan to image.
 *
 * @packageDocumentation
 */
export { build } from './build/build.ts'
export type { BuildOptions, BuildResult, NamedContext, StepReport } from './build/options.ts'
export type { RemoteCache } from './cache/remote-cache.ts'
export {
  BuilderError,
  type BuilderErrorCode,
  type BuilderErrorOptions,
  type SourceLocation,
} from './errors.ts'
export type { BuildEvent, CacheOutcome, EventListener } from './events.ts'
export type { LayoutReference } from './execute/base-images.ts'
export type { StackLayer } from './execute/content.ts'
export type { BuiltImage } from './output/assemble.ts'
export type { Output } from './output/output.ts'
export type {
  ContextStep,
  CopySource,
  CopyStep,
  ExecStep,
  ImagePlan,
  ImageStep,
  InlineFile,
  InlineStep,
  Plan,
  RootStep,
  Step,
  StepId,
  StepLabel,
  WorkdirStep,
} from './plan/plan.ts'
export type { RunnerName } from './run/create-runner.ts'
export { openWorkspace, type Workspace } from './workspace.ts'
