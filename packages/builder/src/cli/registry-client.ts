/**
 * How commands talk to registries: with the user's credentials, certificates and proxies.
 *
 * @module
 */
import { join } from 'node:path'
import {
  createRegistryClient,
  createStoredLocations,
  type HostSettings,
  type ProgressListener,
  proxyFromEnvironment,
  readCertsDirectory,
  type RegistryClient,
  type RegistryClientOptions,
} from '@varve/registry'
import { createDockerCredentials } from '@varve/registry/credentials'
import type { Workspace } from '../workspace.ts'
import { type CommandContext, tell } from './console.ts'
import { printable } from './display/lines.ts'
import { parseMirrors } from './options.ts'

/** Options of every command that does. */
export interface RegistryFlags {
  readonly insecureRegistry: readonly string[]
  readonly registryMirror: readonly string[]
}

/** As Docker and Podman have them; the last one wins. */
const CERTIFICATES: readonly string[] = ['/etc/docker/certs.d', '/etc/containers/certs.d']

/** A client for one command, which closes it. It remembers in the store where blobs are. */
export async function openRegistryClient(
  context: CommandContext,
  flags: RegistryFlags,
  { store }: Pick<Workspace, 'store'>,
): Promise<RegistryClient> {
  const options = await registryOptions(context, flags, (line) => tell(context, line))
  return createRegistryClient({ ...options, locations: createStoredLocations(store.refs) })
}

/** Everything that the environment and the command line say. `onWarning` gets lines for people. */
export async function registryOptions(
  { environment, signal }: CommandContext,
  flags: RegistryFlags,
  onWarning: (line: string) => void,
): Promise<RegistryClientOptions> {
  const { HOME: home } = environment
  const own = home === undefined ? [] : [join(home, '.config/containers/certs.d')]
  const hosts: Record<string, HostSettings> = {}
  for (const directory of [...CERTIFICATES, ...own]) {
    Object.assign(hosts, await readCertsDirectory(directory, { signal }))
  }
  for (const [name, mirrors] of parseMirrors(flags.registryMirror)) hosts[name] = { ...hosts[name], mirrors }
  return {
    credentials: createDockerCredentials({
      environment,
      ...(home === undefined ? {} : { homeDirectory: home }),
    }),
    proxy: proxyFromEnvironment(environment),
    insecure: flags.insecureRegistry,
    hosts,
    onProgress: warningsTo(onWarning),
  }
}

function warningsTo(onWarning: (line: string) => void): ProgressListener {
  return (event) => {
    if (event.kind === 'warning') onWarning(`${event.host} says: ${printable(event.text)}`)
    if (event.kind !== 'mirror') return
    const { message } = event.error as Error
    onWarning(`The mirror ${event.host} does not answer: ${printable(message)}`)
  }
}
