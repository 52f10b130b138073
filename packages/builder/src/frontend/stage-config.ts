/**
 * The runtime configuration of an image while it is being edited.
 *
 * Maps instead of objects, since names come from Dockerfiles and base images; written out sorted.
 *
 * @module
 */
import type { Healthcheck, RuntimeConfig } from '@varve/oci-manifest'

/** What a shell-form command without SHELL is given to. */
export const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-c']

/** `PATH` of an image that sets none: BuildKit's default for Linux. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** image-spec config.md, "config", with Docker's additions. */
export interface StageConfig {
  user: string
  workingDirectory: string
  env: Map<string, string>
  labels: Map<string, string>
  exposedPorts: Set<string>
  volumes: Set<string>
  entrypoint: readonly string[] | undefined
  command: readonly string[] | undefined
  shell: readonly string[] | undefined
  stopSignal: string | undefined
  healthcheck: Healthcheck | undefined
  onBuild: readonly string[]
}

/** What an image that is made from nothing starts with. */
export function emptyStageConfig(): StageConfig {
  return {
    user: '',
    workingDirectory: '/',
    env: new Map([['PATH', DEFAULT_PATH]]),
    labels: new Map(),
    exposedPorts: new Set(),
    volumes: new Set(),
    entrypoint: undefined,
    command: undefined,
    shell: undefined,
    stopSignal: undefined,
    healthcheck: undefined,
    onBuild: [],
  }
}

/** Reads the configuration of a base image. */
export function fromImageConfig(config: RuntimeConfig | undefined): StageConfig {
  const empty = emptyStageConfig()
  if (config === undefined) return empty
  const env = new Map((config.Env ?? []).map(splitVariable))
  return {
    user: config.User ?? '',
    workingDirectory: config.WorkingDir || '/',
    env: env.has('PATH') ? env : new Map([...empty.env, ...env]),
    labels: new Map(Object.entries(config.Labels ?? {})),
    exposedPorts: new Set(Object.keys(config.ExposedPorts ?? {})),
    volumes: new Set(Object.keys(config.Volumes ?? {})),
    entrypoint: config.Entrypoint,
    command: config.Cmd,
    shell: filled(config.Shell) ? config.Shell : undefined,
    stopSignal: config.StopSignal,
    healthcheck: config.Healthcheck,
    onBuild: config.OnBuild ?? [],
  }
}

/** Writes the configuration, absent fields left out, names sorted. */
export function toImageConfig(config: StageConfig): RuntimeConfig {
  return {
    ...(config.user !== '' && { User: config.user }),
    ...(config.exposedPorts.size > 0 && { ExposedPorts: emptyObjects(config.exposedPorts) }),
    Env: [...config.env].map(([name, value]) => `${name}=${value}`),
    ...(filled(config.entrypoint) && { Entrypoint: config.entrypoint }),
    ...(filled(config.command) && { Cmd: config.command }),
    ...(config.volumes.size > 0 && { Volumes: emptyObjects(config.volumes) }),
    WorkingDir: config.workingDirectory,
    ...(config.labels.size > 0 && { Labels: Object.fromEntries(sorted(config.labels)) }),
    ...(config.stopSignal !== undefined && { StopSignal: config.stopSignal }),
    ...(config.healthcheck !== undefined && { Healthcheck: config.healthcheck }),
    ...(config.shell !== undefined && { Shell: config.shell }),
    ...(config.onBuild.length > 0 && { OnBuild: config.onBuild }),
  }
}

/** `NAME=value`, where the value may hold `=`. */
export function splitVariable(pair: string): [name: string, value: string] {
  const at = pair.indexOf('=')
  return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
}

/** An empty list says what no list says: `CMD []` clears, and a SHELL of nothing is none. */
function filled(list: readonly string[] | undefined): list is readonly string[] {
  return list !== undefined && list.length > 0
}

function emptyObjects(names: ReadonlySet<string>): Record<string, Record<string, never>> {
  return Object.fromEntries([...names].toSorted().map((name) => [name, {}]))
}

function sorted(map: ReadonlyMap<string, string>): Array<[string, string]> {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1))
}
