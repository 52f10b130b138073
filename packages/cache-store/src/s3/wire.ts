/**
 * One try of one request.
 *
 * @module
 */
import { Readable } from 'node:stream'
import { Attempt, type RequestBody, type ResponseBody } from './attempt.ts'
import type { Operation, Sdk, SdkClient, SdkResponse } from './sdk.ts'

/** A request. */
export interface Call {
  readonly operation: Operation
  readonly input: Readonly<Record<string, unknown>>
  readonly body?: RequestBody
}

/** What a server answered. */
export interface Answer {
  readonly output: Readonly<Record<string, unknown>>
  readonly status: number
  /** The clock of the server, in milliseconds since the epoch; our own if it does not say. */
  readonly now: number
  /** Of a GET. */
  readonly body: ResponseBody | undefined
}

/** More than a page of a list, and than what is said of an error. */
const LONGEST_DOCUMENT = 8 * 1024 * 1024

/** Bodies up to this size are sent in one piece with the head. */
const SMALL = 64 * 1024

/** Sends a request once. Rejects with whatever the SDK rejects with, a `SourceFailure`, or the reason of the signal. */
export async function exchange(
  sdk: Sdk,
  client: SdkClient,
  { operation, input, body }: Call,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const attempt = new Attempt(timeoutMs, signal)
  let status = 0
  let date = ''
  let received: ResponseBody | undefined
  try {
    const command = new sdk[`${operation}Command`]({
      ...input,
      ...(body && { Body: payload(body, attempt), ContentLength: body.size }),
    })
    if (body !== undefined) {
      command.middlewareStack.add(
        (next) => (argument) => {
          // Found by the signer, this is what it signs; otherwise a stream would go unsigned.
          argument.request.headers['x-amz-content-sha256'] = body.sha256
          return next(argument)
        },
        { step: 'build', name: 'varveContentSha256' },
      )
    }
    command.middlewareStack.add(
      (next) => async (argument) => {
        const result = await next(argument)
        const { response } = result
        status = response.statusCode
        date = response.headers['date'] ?? ''
        // Whatever is not the bytes of an object is read as a whole by the SDK, however long it is.
        if (operation !== 'GetObject' || status >= 300) response.body = bounded(response)
        return result
      },
      // As near to the network as can be: before anything is read.
      { step: 'deserialize', name: 'varveAnswer', priority: 'low' },
    )
    const output = (await client.send(command, { abortSignal: attempt.signal })) as Answer['output']
    if (output['Body'] instanceof Readable) received = attempt.receive(output['Body'])
    const now = Date.parse(date)
    return { output, status, now: Number.isNaN(now) ? Date.now() : now, body: received }
  } catch (error) {
    throw attempt.reasonFor(error)
  } finally {
    if (received === undefined) attempt.close()
  }
}

/** The body of a document, which ends with an error if it is too long to be one. */
function bounded({ headers, body }: SdkResponse): unknown {
  const length = Number(headers['content-length'] ?? Number.NaN)
  if (!(body instanceof Readable) || length <= LONGEST_DOCUMENT) return body
  return Readable.from(upTo(body, LONGEST_DOCUMENT))
}

async function* upTo(body: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<Uint8Array, void, void> {
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > limit) throw new Error(`An answer has more than ${limit} bytes`)
    yield chunk
  }
}

/** Small bodies need no stream. */
function payload(body: RequestBody, attempt: Attempt): Readable | Uint8Array {
  return body.source instanceof Uint8Array && body.size <= SMALL ? body.source : attempt.send(body)
}
