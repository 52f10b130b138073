/**
 * `varve build`
 *
 * @module
 */
import type { RegistryClientOptions } from '@varve/registry'
import { build } from '../build/build.ts'
import type { BuildOptions, BuildResult, NamedContext } from '../build/options.ts'
import { openCache, type OpenCache } from '../cache/open-cache.ts'
import { cacheMessage, type RemoteCache } from '../cache/remote-cache.ts'
import type { EventListener } from '../events.ts'
import type { Output } from '../output/output.ts'
import type { RunnerName } from '../run/create-runner.ts'
import { type CommandContext, say, tell } from './console.ts'
import { createDisplay, type Progress } from './display/display.ts'
import {
  cacheDirectory,
  parseAge,
  parseAssignments,
  parseCache,
  parseContext,
  parseEpoch,
  parseMirrors,
  parseOutput,
  parsePlatforms,
  usage,
} from './options.ts'
import type { RegistryFlags } from './registry-client.ts'

/** Its options. */
export interface BuildFlags extends RegistryFlags {
  readonly file?: string
  readonly tag: readonly string[]
  readonly target?: string
  readonly buildArg: readonly string[]
  readonly buildContext: readonly string[]
  readonly label: readonly string[]
  readonly platform: readonly string[]
  readonly output: readonly string[]
  readonly push: boolean
  readonly cache: boolean
  readonly cacheFrom: readonly string[]
  readonly cacheTo: readonly string[]
  readonly pull: boolean
  readonly maxAge?: string
  readonly contextModes: 'exact' | 'git'
  readonly runner: RunnerName
  readonly cacheDir?: string
  readonly progress: Progress
  readonly json: boolean
}

/** Builds an image from a Dockerfile. */
export async function runBuild(context: CommandContext, path: string, flags: BuildFlags): Promise<void> {
  const outputs = outputsOf(flags, context)
  // What is wrong with them is said also where no registry is needed.
  parseMirrors(flags.registryMirror)
  const display = createDisplay(flags.progress, context)
  const caches = await openCaches(flags, display.onEvent)
  try {
    const options = optionsOf(path, flags, outputs, context, display.onEvent)
    const registryOptions = async (): Promise<RegistryClientOptions> => {
      const client = await import('./registry-client.ts')
      return client.registryOptions(context, flags, (message) =>
        display.onEvent({ type: 'warning', rule: 'RegistrySays', message }),
      )
    }
    const result = await build({ ...options, caches, registryOptions })
    display.close()
    report(result, flags, outputs, context)
  } finally {
    display.close()
    for (const cache of caches) await cache.close()
  }
}

/** One that cannot be opened is done without: a cache never fails a build. */
async function openCaches(flags: BuildFlags, onEvent: EventListener): Promise<(RemoteCache & OpenCache)[]> {
  const onWarning = (error: unknown): void =>
    onEvent({ type: 'warning', rule: 'CacheFailed', message: cacheMessage(error) })
  const specs = new Map([...flags.cacheFrom, ...flags.cacheTo].map((text) => [text, parseCache(text)]))
  const caches: (RemoteCache & OpenCache)[] = []
  for (const [name, spec] of specs) {
    try {
      const open = await openCache(spec, { onWarning })
      caches.push({
        ...open,
        name,
        read: flags.cacheFrom.includes(name),
        write: flags.cacheTo.includes(name),
      })
    } catch (error) {
      onWarning(error)
    }
  }
  return caches
}

function optionsOf(
  path: string,
  flags: BuildFlags,
  outputs: readonly Output[],
  context: CommandContext,
  onEvent: BuildOptions['onEvent'] & {},
): BuildOptions {
  const { environment, signal, stdout } = context
  const contexts = [...parseAssignments(flags.buildContext)].map(([name, source]): [string, NamedContext] => [
    name,
    parseContext(source),
  ])
  const platforms = parsePlatforms(flags.platform)
  return {
    context: path,
    ...(flags.file !== undefined && { dockerfile: flags.file }),
    ...(flags.target !== undefined && { target: flags.target }),
    buildArgs: parseAssignments(flags.buildArg, environment),
    labels: parseAssignments(flags.label),
    ...(platforms.length > 0 && { platforms }),
    contexts: new Map(contexts),
    tags: flags.tag,
    outputs,
    noCache: !flags.cache,
    pull: flags.pull,
    ...(flags.maxAge !== undefined && { maxAgeMs: parseAge(flags.maxAge) }),
    contextModes: flags.contextModes,
    runner: flags.runner,
    cacheDirectory: cacheDirectory(flags.cacheDir, context),
    epoch: parseEpoch(environment['SOURCE_DATE_EPOCH']),
    stdout,
    onEvent,
    signal,
  }
}

function outputsOf(flags: BuildFlags, { stdout }: CommandContext): Output[] {
  const outputs = flags.output.map(parseOutput)
  if (flags.push) outputs.push({ type: 'registry' })
  if (outputs.some((output) => output.type === 'registry') && flags.tag.length === 0) {
    throw usage('An image without a name cannot be pushed', 'Give it one by -t')
  }
  if (writesToStdout(outputs)) {
    if (stdout.isTTY === true)
      throw usage('Refusing to write an archive to a terminal', 'Redirect standard output')
    if (flags.json) throw usage('--json and an archive on standard output exclude each other')
  }
  return outputs
}

function writesToStdout(outputs: readonly Output[]): boolean {
  return outputs.some((output) => output.type === 'archive' && output.file === '-')
}

/** The result: the digest alone, or everything as JSON. */
function report(
  result: BuildResult,
  flags: BuildFlags,
  outputs: readonly Output[],
  context: CommandContext,
): void {
  const { descriptor, images, names, steps } = result
  if (flags.json) {
    say(context, JSON.stringify({ ...descriptor, names, images, steps }))
    return
  }
  if (flags.progress !== 'quiet' && flags.progress !== 'json') {
    const hits = steps.filter(({ cache }) => cache === 'hit').length
    tell(context, `${steps.length} steps, ${hits} from cache`)
  }
  if (!writesToStdout(outputs)) say(context, descriptor.digest)
}
