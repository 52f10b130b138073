/** Shared by the frontend tests: lowering of a text, with base images made up. */
import { digestOf } from '@varve/digest'
import { parsePlatform, type Platform, type RuntimeConfig } from '@varve/oci-manifest'
import { parseDockerfile, type Warning } from '../src/dockerfile/parse.ts'
import { type BaseImage, factKey, type ImageNeed } from '../src/frontend/facts.ts'
import { lowerDockerfile } from '../src/frontend/lower.ts'
import type { LowerOptions } from '../src/frontend/lowering.ts'
import type { ExecStep, ImagePlan, Plan, Step, StepId } from '../src/plan/plan.ts'

export interface Lowering extends Partial<Omit<LowerOptions, 'platforms' | 'buildArgs'>> {
  readonly args?: Readonly<Record<string, string>>
  readonly platforms?: readonly string[]
  /** Configurations of base images, by name; other names have an empty one. */
  readonly bases?: Readonly<Record<string, RuntimeConfig>>
}

export interface Lowered {
  readonly plan: Plan
  readonly image: ImagePlan
  /** Of the first image, from its base to its root, parents only. */
  readonly chain: readonly Step[]
  readonly warnings: readonly Warning[]
  /** What was asked for, in order. */
  readonly needs: readonly ImageNeed[]
}

/** Lowers a text, answering every need. */
export function lower(text: string, given: Lowering = {}): Lowered {
  const dockerfile = parseDockerfile(text)
  const options = lowerOptions(given)
  const facts = new Map<string, BaseImage>()
  const needs: ImageNeed[] = []
  for (;;) {
    const lowered = lowerDockerfile(dockerfile, options, facts)
    if ('plan' in lowered) {
      const { plan, warnings } = lowered
      const [image] = plan.images
      return { plan, image: image!, chain: chainOf(plan, image!.root), warnings, needs }
    }
    for (const need of lowered.needs) {
      needs.push(need)
      facts.set(
        factKey(need.name, need.platform),
        baseImage(need.name, need.platform, given.bases?.[need.name]),
      )
    }
  }
}

export function lowerOptions(given: Lowering = {}): LowerOptions {
  const { args, platforms = ['linux/amd64'], target, labels, contexts, epoch } = given
  return {
    labels: labels ?? new Map(),
    contexts: contexts ?? new Map(),
    epoch: epoch ?? 0,
    buildArgs: new Map(Object.entries(args ?? {})),
    platforms: platforms.map((each) => parsePlatform(each)),
    ...(target !== undefined && { target }),
  }
}

export function baseImage(name: string, platform: Platform, config?: RuntimeConfig): BaseImage {
  const { os, architecture } = platform
  return {
    reference: `registry.test/${name}`,
    manifest: digestOf(new TextEncoder().encode(`${name} ${os}/${architecture}`)),
    config: {
      os,
      architecture,
      rootfs: { type: 'layers', diff_ids: [] },
      ...(config !== undefined && { config }),
    },
  }
}

export function chainOf({ steps }: Plan, root: StepId | null): Step[] {
  const chain: Step[] = []
  for (let id = root; id !== null;) {
    const step = steps.get(id)!
    chain.unshift(step)
    id = 'parent' in step ? step.parent : null
  }
  return chain
}

/** The last RUN of the first image. */
export function lastRun(text: string, given: Lowering = {}): ExecStep {
  return lower(text, given).chain.findLast((step) => step.op === 'exec')!
}

/** What the history says, with `-` before entries that have no layer. */
export function history({ image }: Lowered): string[] {
  return image.history.map(
    ({ created_by, empty_layer }) => `${empty_layer === true ? '- ' : ''}${created_by}`,
  )
}

export function rules({ warnings }: Lowered): string[] {
  return warnings.map(({ rule, location }) => `${location.line} ${rule}`)
}
