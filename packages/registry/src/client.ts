/**
 * The client: what all repositories share.
 *
 * @module
 */
import { parseReference, type Reference } from '@varve/oci-manifest'
import type { TransferOptions } from './blob/options.ts'
import type { CredentialSource } from './credentials/credential.ts'
import type { HostSettings } from './hosts/settings.ts'
import { createExchange } from './http/exchange.ts'
import { createHostPolicy } from './hosts/policy.ts'
import { createLimiter } from './http/limiter.ts'
import type { BlobLocations } from './locations/locations.ts'
import type { ProgressListener } from './progress.ts'
import { createRepository, type Repository } from './repository.ts'
import { isRepositoryName } from './repository-name.ts'
import { createAnonymousAuthorizer } from './auth/token.ts'
import { createTransport, type Transport } from './http/transport.ts'

/** How a client behaves. */
export interface RegistryClientOptions {
  /** Stays the caller's to close. Default: undici, without proxies. */
  readonly transport?: Transport
  /** Hosts, or `host:port`, that are spoken to over plain HTTP. Loopback always is. */
  readonly insecure?: readonly string[]
  /** Requests to one host at once: so many for blobs, and as many for everything else. Default 4. */
  readonly concurrency?: number
  /** Attempts after the first, for what may pass: broken connections, 408, 429, 5xx. Default 5. */
  readonly retries?: number
  /** Default: anonymous. */
  readonly credentials?: CredentialSource
  /** Settings by host, spelled as in references. */
  readonly hosts?: Readonly<Record<string, HostSettings>>
  readonly transfer?: TransferOptions
  /** Where blobs are known to be; makes mounts of pushes. Default: nothing is remembered. */
  readonly locations?: BlobLocations
  /** Default `varve`. */
  readonly userAgent?: string
  readonly onProgress?: ProgressListener
}

/** Talks to any number of registries. */
export interface RegistryClient extends AsyncDisposable {
  /**
   * A repository. Makes no request.
   *
   * @throws {OciManifestError} `ERR_OCI_MANIFEST_REFERENCE` if the text is not a reference.
   */
  repository(reference: Reference | string): Repository
  /** Breaks what is under way and closes the transport, if it is the client's own. */
  close(): Promise<void>
}

/**
 * Makes a client. It acts anonymously, also where a registry wants a token from everybody.
 *
 * @example
 * const client = createRegistryClient()
 * const { descriptor } = await client.repository('ghcr.io/owner/image:1.0').manifest()
 */
export function createRegistryClient(options: RegistryClientOptions = {}): RegistryClient {
  const { onProgress, concurrency = 4, retries = 5, userAgent = 'varve', transfer = {}, locations } = options
  if (!Number.isInteger(concurrency) || concurrency < 1) throw new TypeError('concurrency must be 1 or more')
  const transport = options.transport ?? createTransport()
  const hosts = createHostPolicy(options.insecure)
  const exchange = createExchange({
    transport,
    hosts,
    authorizer: createAnonymousAuthorizer(transport, hosts),
    limiter: createLimiter(concurrency),
    retry: {
      retries,
      onRetry: (attempt, delayMs, error) => onProgress?.({ kind: 'retry', attempt, delayMs, error }),
    },
    userAgent,
  })
  const close = async (): Promise<void> => {
    if (options.transport === undefined) await transport.close()
  }
  return {
    repository(given) {
      const reference = typeof given === 'string' ? parseReference(given) : given
      // An object may have been put together by hand.
      if (!isRepositoryName(reference.path)) {
        throw new TypeError(`Not a repository name: ${JSON.stringify(reference.path)}`)
      }
      const host = hosts.hostOf(reference.domain)
      const registry = { exchange, host, repository: reference.path, transfer, locations, onProgress }
      return createRepository({ registry, mirrors: [] }, reference)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
