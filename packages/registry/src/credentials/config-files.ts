/**
 * Where Docker, podman and their relatives keep credentials, in the order in which they are asked.
 *
 * @module
 */
import { createReadStream } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { DigestError, readAll } from '@varve/digest'
import { RegistryError } from '../errors.ts'
import { type DockerConfig, MAX_CONFIG_BYTES, parseDockerConfig } from './docker-config.ts'

/** Variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Whose files. */
export interface ConfigFilesOptions {
  readonly environment: Environment
  readonly homeDirectory: string | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads what is there, one after the other, so that a file is not opened when one before it was enough.
 *
 * @throws {RegistryError} `ERR_REGISTRY_CREDENTIALS`
 */
export async function* readConfigs(options: ConfigFilesOptions): AsyncGenerator<DockerConfig, void, void> {
  const { environment, signal } = options
  const text = environment['DOCKER_AUTH_CONFIG']
  if (text) yield parseDockerConfig(new TextEncoder().encode(text), { name: 'DOCKER_AUTH_CONFIG' })
  for (const { path, isLegacy } of configPaths(environment, options.homeDirectory ?? homedir())) {
    const bytes = await readIfThere(path, signal)
    if (bytes !== undefined) yield parseDockerConfig(bytes, { name: JSON.stringify(path), isLegacy })
  }
}

/** A file that may be there. */
export interface ConfigPath {
  readonly path: string
  readonly isLegacy: boolean
}

/** In the order in which they are asked: containers-auth.json(5) and Docker's own rules. `uid` is unknown on Windows. */
export function configPaths(
  environment: Environment,
  home: string,
  uid: number | undefined = process.getuid?.(),
): ConfigPath[] {
  const { REGISTRY_AUTH_FILE, DOCKER_CONFIG, XDG_RUNTIME_DIR, XDG_CONFIG_HOME } = environment
  const paths = [
    REGISTRY_AUTH_FILE || undefined,
    join(DOCKER_CONFIG || join(home, '.docker'), 'config.json'),
    runtimeFile(XDG_RUNTIME_DIR, uid),
    join(XDG_CONFIG_HOME || join(home, '.config'), 'containers', 'auth.json'),
  ]
  return [
    ...paths.flatMap((path) => (path === undefined ? [] : [{ path, isLegacy: false }])),
    { path: join(home, '.dockercfg'), isLegacy: true },
  ]
}

/** Where `podman login` writes; without a session, as in a service, that is below `/run`. */
function runtimeFile(directory: string | undefined, uid: number | undefined): string | undefined {
  if (directory) return join(directory, 'containers', 'auth.json')
  return uid === undefined ? undefined : `/run/containers/${uid}/auth.json`
}

async function readIfThere(path: string, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
  try {
    return await readAll(createReadStream(path, { signal }), MAX_CONFIG_BYTES)
  } catch (cause) {
    signal?.throwIfAborted()
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    const why = cause instanceof DigestError ? `more than ${MAX_CONFIG_BYTES} bytes` : String(code)
    throw new RegistryError(
      'ERR_REGISTRY_CREDENTIALS',
      `The credentials in ${JSON.stringify(path)} cannot be read: ${why}`,
      { cause },
    )
  }
}
