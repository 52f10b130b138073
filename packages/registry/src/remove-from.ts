/**
 * Deleting what has a URL: distribution-spec, "Content Management".
 *
 * @module
 */
import { type Endpoint, sendTo } from './endpoint.ts'
import { RegistryError } from './errors.ts'
import { withRetries } from './http/retry.ts'

/**
 * Deletes what is at `target`, such as `blobs/<digest>`. Where the reply to one attempt is lost and the next finds
 * nothing, the first has done it.
 *
 * @throws {RegistryError} `ERR_REGISTRY_NOT_FOUND`; `ERR_REGISTRY_REJECTED` (405) where the registry does not delete.
 */
export async function removeFrom(
  endpoint: Endpoint,
  target: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  let mayBeDone = false
  const attempt = async (): Promise<void> => {
    try {
      const response = await sendTo(endpoint, {
        method: 'DELETE',
        target,
        access: 'delete',
        expect: [200, 202, 204],
        retry: false,
        signal,
      })
      await response.discard()
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error
      if (mayBeDone && error.code === 'ERR_REGISTRY_NOT_FOUND') return
      mayBeDone ||= error.status === undefined || error.status >= 500
      throw error
    }
  }
  await withRetries(endpoint.exchange.retryAt(endpoint.host.origin), attempt, signal)
}
