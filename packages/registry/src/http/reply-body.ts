/**
 * Reading small bodies without trusting their size.
 *
 * @module
 */
import { DigestError, readAll } from '@varve/digest'
import { RegistryError } from '../errors.ts'
import { contentLength } from './reply-headers.ts'
import type { TransportResponse } from './transport.ts'

/**
 * The whole body. `what` names it in messages.
 *
 * @throws {RegistryError} `ERR_REGISTRY_LIMIT` beyond `limit` bytes, before anything is read if the length says so.
 */
export async function readReply(
  response: TransportResponse,
  limit: number,
  what: string,
): Promise<Uint8Array> {
  const tooLarge = (): RegistryError =>
    new RegistryError('ERR_REGISTRY_LIMIT', `${what} is larger than ${limit} bytes`)
  try {
    if ((contentLength(response.headers) ?? 0) > limit) throw tooLarge()
    return await readAll(response.body, limit)
  } catch (error) {
    throw error instanceof DigestError && error.code === 'ERR_DIGEST_LIMIT' ? tooLarge() : error
  } finally {
    await response.discard()
  }
}

/**
 * The members of the JSON object that a body is; none if it is something else.
 *
 * @throws {RegistryError} `ERR_REGISTRY_RESPONSE` if it is not JSON. The parser's message is left out: it quotes the
 *   text, which may hold a token.
 */
export async function readJsonReply(
  response: TransportResponse,
  limit: number,
  what: string,
): Promise<ReadonlyMap<string, unknown>> {
  const bytes = await readReply(response, limit, what)
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new RegistryError('ERR_REGISTRY_RESPONSE', `${what} is not JSON`)
  }
  return new Map(typeof document === 'object' && document !== null ? Object.entries(document) : [])
}
