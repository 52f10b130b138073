/**
 * One repository as the modules that move blobs see it, and a connection that can be cut.
 *
 * @module
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Authorizer } from '../src/auth/authorizer.ts'
import { type TransferOptions, transferSettings } from '../src/blob/options.ts'
import type { Endpoint } from '../src/endpoint.ts'
import { createHostPolicy } from '../src/hosts/policy.ts'
import { createExchange } from '../src/http/exchange.ts'
import { createLimiter } from '../src/http/limiter.ts'
import { createTransport } from '../src/http/transport.ts'
import type { BlobLocations, ProgressEvent } from '../src/index.ts'
import type { Teardown } from './fixtures.ts'

/** An endpoint, and what it has told. */
export interface TestEndpoint extends Endpoint {
  readonly events: readonly ProgressEvent[]
}

/** How an endpoint behaves. */
export interface EndpointOptions {
  readonly repository?: string
  readonly transfer?: TransferOptions
  readonly locations?: BlobLocations
  readonly retries?: number
  readonly concurrency?: number
  /** Default: anonymous. */
  readonly authorizer?: Authorizer
}

const ANONYMOUS: Authorizer = { authorization: async () => undefined, answer: async () => false }

/** One of a host on loopback. */
export function openEndpoint(t: Teardown, host: string, options: EndpointOptions = {}): TestEndpoint {
  const {
    repository = 'x',
    transfer = {},
    locations,
    retries = 5,
    concurrency = 4,
    authorizer = ANONYMOUS,
  } = options
  const transport = createTransport()
  t.teardown(() => transport.close())
  const hosts = createHostPolicy()
  const events: ProgressEvent[] = []
  const exchange = createExchange({
    transport,
    hosts,
    authorizer,
    limiter: createLimiter(concurrency),
    retry: {
      retries,
      onRetry: (attempt, delayMs, error) => events.push({ kind: 'retry', attempt, delayMs, error }),
    },
    userAgent: 'varve',
  })
  return {
    exchange,
    host: hosts.hostOf(host),
    repository,
    transfer: transferSettings(transfer),
    locations,
    onProgress: (event) => events.push(event),
    events,
  }
}

/** A way to a server that breaks. */
export interface BrokenLine {
  readonly host: string
  /** Bytes that have passed, to the server and from it. */
  readonly passed: { up: number; down: number }
  /** Cuts that were made. */
  readonly cuts: number
}

/** Cuts the connection whenever so many bytes, in all, have passed in one direction. */
export async function breakLine(
  t: Teardown,
  port: number,
  direction: 'up' | 'down',
  thresholds: readonly number[],
): Promise<BrokenLine> {
  const passed = { up: 0, down: 0 }
  const remaining = [...thresholds]
  const open = new Set<Socket>()
  let cuts = 0
  const pass = (from: Socket, to: Socket, way: 'up' | 'down'): void => {
    from.on('data', (data: Buffer) => {
      const limit = way === direction ? (remaining[0] ?? Infinity) : Infinity
      const wanted = data.subarray(0, Math.min(data.byteLength, limit - passed[way]))
      passed[way] += wanted.byteLength
      if (passed[way] < limit) {
        if (!to.write(wanted)) from.pause()
        return
      }
      remaining.shift()
      cuts += 1
      // What is on its way arrives; the other end is cut off at once.
      from.removeAllListeners('data')
      to.end(wanted, () => to.destroy())
      from.resetAndDestroy()
    })
    to.on('drain', () => from.resume())
    from.on('close', () => to.destroySoon())
    from.on('error', () => undefined)
  }
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.once('close', () => open.delete(socket))
    }
    pass(client, upstream, 'up')
    pass(upstream, client, 'down')
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(async () => {
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => {
      server.close(resolve)
    })
  })
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    get cuts() {
      return cuts
    },
  }
}
