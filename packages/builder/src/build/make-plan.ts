/**
 * The first phase: Dockerfile and base images to a plan.
 *
 * @module
 */
import { hostPlatform, normalizePlatform } from '@varve/oci-manifest'
import type { Dockerfile } from '../dockerfile/parse.ts'
import { BuilderError } from '../errors.ts'
import { resolveBaseImage } from '../execute/base-images.ts'
import { type BaseImage, factKey } from '../frontend/facts.ts'
import { lowerDockerfile } from '../frontend/lower.ts'
import type { LowerOptions } from '../frontend/lowering.ts'
import type { Plan } from '../plan/plan.ts'
import type { Session } from './session.ts'

/** A Dockerfile that names more images than this is hostile, or lowering does not converge. */
const MAXIMUM_IMAGES = 1000

/** Lowers, finds what lowering asks for, lowers again, until there is a plan. */
export async function makePlan(dockerfile: Dockerfile, session: Session): Promise<Plan> {
  const { options, content, workspace, registries } = session
  const { contexts = new Map(), onEvent, pull = false, signal } = options
  const lowering: LowerOptions = {
    buildArgs: options.buildArgs ?? new Map(),
    labels: options.labels ?? new Map(),
    platforms: (options.platforms ?? [hostPlatform()]).map(normalizePlatform),
    contexts: new Map(
      [...contexts].map(([name, { type }]) => [name, type === 'layout' ? 'image' : 'directory']),
    ),
    epoch: options.epoch ?? 0,
    ...(options.target !== undefined && { target: options.target }),
  }
  const layouts = new Map(
    [...contexts].flatMap(([name, each]) => (each.type === 'layout' ? [[name, each]] : [])),
  )
  const facts = new Map<string, BaseImage>()
  while (facts.size < MAXIMUM_IMAGES) {
    const lowered = lowerDockerfile(dockerfile, lowering, facts)
    if ('plan' in lowered) {
      for (const { rule, message, location } of lowered.warnings)
        onEvent?.({ type: 'warning', rule, message, location })
      return lowered.plan
    }
    for (const need of lowered.needs) {
      const sources = { layouts, local: workspace.images, openRegistry: registries.open, pull }
      facts.set(factKey(need.name, need.platform), await resolveBaseImage(need, sources, content, signal))
    }
  }
  throw new BuilderError('ERR_BUILDER_DOCKERFILE', `The Dockerfile names more than ${MAXIMUM_IMAGES} images`)
}
