/**
 * The credentials of `docker login` and `podman login`.
 *
 * @module
 */
import type { Credential, CredentialQuery, CredentialSource } from './credential.ts'
import { type Environment, readConfigs } from './config-files.ts'
import type { DockerConfig } from './docker-config.ts'
import { askHelper, type HelperOptions } from './helper.ts'
import { HUB_SERVER, isHub, matchKeys } from './key.ts'
import { combineCredentials, createFixedCredentials } from './sources.ts'

/** Where {@link createDockerCredentials} looks. */
export interface DockerCredentialsOptions {
  /** Asked before any file; see {@link createFixedCredentials}. */
  readonly credentials?: Readonly<Record<string, Credential>>
  /** Also that of helpers. Default: that of the process, when asked. */
  readonly environment?: Environment
  /** Default: that of the user. */
  readonly homeDirectory?: string
  /** For each call of a helper. Default 30 s. */
  readonly helperTimeoutMs?: number
}

const HELPER_TIMEOUT_MS = 30_000

/**
 * Finds credentials where Docker and podman do: `credentials`; `DOCKER_AUTH_CONFIG`; `REGISTRY_AUTH_FILE`;
 * `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`; `$XDG_RUNTIME_DIR/containers/auth.json`;
 * `$XDG_CONFIG_HOME/containers/auth.json` or `~/.config/containers/auth.json`; `~/.dockercfg`. The first that has
 * something for the host wins. In a file the helper of the host is asked first, then the entries, then the helper of
 * all hosts.
 *
 * Files are read, and helpers run, each time that a client asks, so that a new login is seen. `find` rejects with
 * `ERR_REGISTRY_CREDENTIALS` for files and helpers that do not work; a file that is not there is not one of them.
 */
export function createDockerCredentials(options: DockerCredentialsOptions = {}): CredentialSource {
  const { credentials = {}, helperTimeoutMs: timeoutMs = HELPER_TIMEOUT_MS, homeDirectory } = options
  const files: CredentialSource = {
    async find(query, { signal } = {}) {
      signal?.throwIfAborted()
      const environment = options.environment ?? process.env
      for await (const config of readConfigs({ environment, homeDirectory, signal })) {
        const found = await findIn(config, query, { environment, timeoutMs, signal })
        if (found !== undefined) return found
      }
      return undefined
    },
  }
  return combineCredentials(createFixedCredentials(credentials), files)
}

async function findIn(
  { auths, helpers, store }: DockerConfig,
  query: CredentialQuery,
  options: HelperOptions,
): Promise<Credential | undefined> {
  const { host } = query
  // Helpers know hosts, not namespaces.
  const [own] = matchKeys(helpers, { host, repository: undefined })
  return (
    (await askForHost(own, host, options)) ??
    matchKeys(auths, query)[0] ??
    (await askForHost(store, host, options))
  )
}

/** Docker keeps those of its Hub under a URL, others do under the name. */
async function askForHost(
  helper: string | undefined,
  host: string,
  options: HelperOptions,
): Promise<Credential | undefined> {
  if (helper === undefined) return undefined
  for (const server of isHub(host) ? [HUB_SERVER, 'docker.io'] : [host]) {
    const credential = await askHelper(helper, server, options)
    if (credential !== undefined) return credential
  }
  return undefined
}
