/**
 * The client: what all repositories share.
 *
 * @module
 */
import { parseReference, type Reference } from '@varve/oci-manifest'
import { createAuthorizer } from './auth/authorizer.ts'
import { type TransferOptions, transferSettings } from './blob/options.ts'
import type { CredentialSource } from './credentials/credential.ts'
import type { Endpoint } from './endpoint.ts'
import type { Host } from './hosts/host.ts'
import { createHostPolicy, type HostPolicy } from './hosts/policy.ts'
import type { HostSettings } from './hosts/settings.ts'
import { assertTlsSettings, hasTlsSettings } from './http/certificates.ts'
import { createExchange, type Exchange } from './http/exchange.ts'
import { createLimiter } from './http/limiter.ts'
import { type ReadLimits, readLimits } from './http/limits.ts'
import { createNotices } from './http/notices.ts'
import type { ProxySettings } from './http/proxy.ts'
import { createTransport, type Transport } from './http/transport.ts'
import type { BlobLocations } from './locations/locations.ts'
import type { ProgressListener } from './progress.ts'
import { createRepository, type Repository } from './repository.ts'
import { isRepositoryName } from './repository-name.ts'

/** How a client behaves. */
export interface RegistryClientOptions {
  /**
   * Stays the caller's to close, and goes without `proxy`, `refusePrivateAddresses` and certificates of hosts.
   * Default: `node:http`.
   */
  readonly transport?: Transport
  /** Default: none; see `proxyFromEnvironment`. */
  readonly proxy?: ProxySettings
  /** Hosts, or `host:port`, that are spoken to over plain HTTP. Loopback is, unless its settings say otherwise. */
  readonly insecure?: readonly string[]
  /**
   * Refuses every host inside a private network that is not named in `hosts` or `insecure`, or as a mirror: spelled as
   * an address, or a name that means one at the moment of connecting. For programs that take references from
   * strangers. A proxy looks names up by itself, unchecked. Default false: where replies lead is checked as it is spelled.
   */
  readonly refusePrivateAddresses?: boolean
  /** Requests to one host at once: so many for pulls of blobs, for pushes, and for everything else. Default 4. */
  readonly concurrency?: number
  /** Attempts after the first, for what may pass: broken connections, 408, 429, 5xx. Default 5; at mirrors at most 1. */
  readonly retries?: number
  /** Default: anonymous. */
  readonly credentials?: CredentialSource
  /** Settings by host, spelled as in references. */
  readonly hosts?: Readonly<Record<string, HostSettings>>
  readonly transfer?: TransferOptions
  /** How much of a reply is read into memory. */
  readonly limits?: Partial<ReadLimits>
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

const MIRROR_RETRIES = 1

/**
 * Makes a client. Without `credentials` it acts anonymously, also where a registry wants a token from everybody.
 *
 * @throws {TypeError} for settings that cannot be meant.
 * @example
 * const client = createRegistryClient()
 * const { descriptor } = await client.repository('ghcr.io/owner/image:1.0').manifest()
 */
export function createRegistryClient(options: RegistryClientOptions = {}): RegistryClient {
  const { onProgress, locations, retries = 5, hosts = {} } = options
  assertOptions(options)
  const transfer = transferSettings(options.transfer ?? {})
  const policy = createHostPolicy(options.insecure, hosts)
  const transport = options.transport ?? openTransport(options, policy)
  const [exchange, mirrorExchange] = createExchanges(options, policy, transport, retries)
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
      const at = (through: Exchange, host: Host): Endpoint => ({
        exchange: through,
        host,
        repository: reference.path,
        transfer,
        locations,
        onProgress,
      })
      const host = policy.hostOf(reference.domain)
      const mirrors = policy.mirrorsOf(host).map((mirror) => ({
        endpoint: at(mirrorExchange, mirror.host),
        byDigestOnly: mirror.byDigestOnly,
      }))
      return createRepository({ registry: at(exchange, host), mirrors }, reference)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Visible ASCII and spaces: nothing that could end a header. */
const HEADER_TEXT = /^[\x20-\x7e]+$/

function assertOptions(options: RegistryClientOptions): void {
  const { hosts = {}, userAgent = 'varve', concurrency = 4, retries = 5 } = options
  if (!HEADER_TEXT.test(userAgent)) throw new TypeError('userAgent must be printable ASCII')
  if (!Number.isInteger(retries) || retries < 0) throw new TypeError('retries must be 0 or more')
  for (const { concurrency: ofHost } of [{ concurrency }, ...Object.values(hosts)]) {
    if (ofHost !== undefined && (!Number.isInteger(ofHost) || ofHost < 1)) {
      throw new TypeError('concurrency must be 1 or more')
    }
  }
  for (const [name, settings] of Object.entries(hosts)) assertTlsSettings(name, settings)
  if (options.transport === undefined) return
  const { proxy, refusePrivateAddresses } = options
  if (proxy || refusePrivateAddresses || Object.values(hosts).some((settings) => hasTlsSettings(settings))) {
    throw new TypeError('proxy, refusePrivateAddresses and certificates are matters of the given transport')
  }
}

function openTransport({ proxy, refusePrivateAddresses = false }: RegistryClientOptions, policy: HostPolicy) {
  return createTransport({
    ...(proxy === undefined ? {} : { proxy }),
    tlsOf: (origin) => policy.settingsAt(origin),
    mayBePrivate: (origin) => !refusePrivateAddresses || policy.isNamed(origin),
  })
}

/** For registries, and for mirrors: those give up soon, since there is somebody else to ask. */
function createExchanges(
  options: RegistryClientOptions,
  policy: HostPolicy,
  transport: Transport,
  retries: number,
): readonly [Exchange, Exchange] {
  const { onProgress, credentials, concurrency = 4, userAgent = 'varve' } = options
  const limits = readLimits(options.limits)
  const authorizer = createAuthorizer({
    transport,
    hosts: policy,
    ...(credentials === undefined ? {} : { credentials }),
    trustedRealms: ({ origin }) => policy.settingsAt(origin).trustedRealms ?? [],
    userAgent,
    maxTokenBytes: limits.tokenBytes,
  })
  const parts = {
    transport,
    hosts: policy,
    authorizer,
    limiter: createLimiter(concurrency, (origin) => policy.settingsAt(origin).concurrency),
    userAgent,
    limits,
    notices: createNotices(onProgress),
  }
  const onRetry = (attempt: number, delayMs: number, error: unknown): void =>
    onProgress?.({ kind: 'retry', attempt, delayMs, error })
  return [
    createExchange({ ...parts, retry: { retries, onRetry } }),
    createExchange({ ...parts, retry: { retries: Math.min(retries, MIRROR_RETRIES), onRetry } }),
  ]
}
