/**
 * A client of the SDK, made to do what it is told and nothing by itself.
 *
 * @module
 */
import { LINES } from './requester.ts'
import type { S3Options } from './options.ts'
import type { Sdk, SdkClient } from './sdk.ts'

/** Longest time to connect. */
const CONNECT_MS = 10_000

/** A client, and how it ends. */
export interface OwnedClient {
  readonly client: SdkClient
  readonly destroy: () => void
}

/** Makes a client, or takes the one that was given, which is not destroyed. */
export function createClient(sdk: Sdk, options: S3Options): OwnedClient {
  if (options.client !== undefined) {
    return { client: tamed(options.client as unknown as SdkClient), destroy: () => undefined }
  }
  const { endpoint, credentials, pathStyle = endpoint !== undefined } = options
  const region =
    options.region ?? (endpoint === undefined ? undefined : (process.env['AWS_REGION'] ?? 'us-east-1'))
  const pool = { keepAlive: true, maxSockets: LINES }
  const client = new sdk.S3Client({
    forcePathStyle: pathStyle,
    followRegionRedirects: false,
    requestHandler: { connectionTimeout: CONNECT_MS, httpAgent: pool, httpsAgent: pool },
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(credentials !== undefined && { credentials }),
  })
  return { client: tamed(client), destroy: () => client.destroy() }
}

/** The same client with other habits; the one it is made of keeps its own. */
function tamed(client: SdkClient): SdkClient {
  const middlewareStack = client.middlewareStack.clone()
  // Asking before a body is sent opens a new connection each time.
  middlewareStack.remove('addExpectContinueMiddleware')
  // The SDK tries again by itself, though it cannot open a stream again. Others are placed by the name of this one.
  middlewareStack.remove('retryMiddleware')
  middlewareStack.add((next) => next, { step: 'finalizeRequest', name: 'retryMiddleware', priority: 'high' })
  const config = {
    ...client.config,
    cacheMiddleware: false,
    // Checksums beside the signed one go out as trailers of a chunked body, which several servers refuse.
    requestChecksumCalculation: async () => 'WHEN_REQUIRED',
    responseChecksumValidation: async () => 'WHEN_REQUIRED',
  }
  return Object.create(client, {
    middlewareStack: { value: middlewareStack },
    config: { value: config },
  }) as SdkClient
}
