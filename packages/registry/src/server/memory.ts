/**
 * Requests that are read into memory, with a bound for all of them together.
 *
 * @module
 */
import { readBody } from './body.ts'
import { Fault } from './fault.ts'

/** Runs `use` with the whole body of a request, which counts as held until that has ended. */
export type WithBody = <Result>(
  request: Request,
  use: (bytes: Uint8Array) => Promise<Result>,
) => Promise<Result>

/** Bounds in bytes: of one body, and of what is held of all at once. */
export interface MemoryBounds {
  readonly each: number
  readonly all: number
}

/** Seconds: whatever is held is small, and soon done with. */
const RETRY_AFTER = '1'

/**
 * What has not arrived holds nothing, so callers that send nothing keep nobody out. Who comes when there is no room left
 * is answered 429; to wait for it could take for ever, with everybody half done.
 *
 * Throws a `Fault` as {@link readBody}.
 */
export function createMemory({ each, all }: MemoryBounds): WithBody {
  // One that is allowed must also have room.
  const room = Math.max(each, all)
  let held = 0
  return async (request, use) => {
    let mine = 0
    const hold = (bytes: number): void => {
      mine += bytes
      held += bytes
      if (held <= room) return
      const headers = { 'Retry-After': RETRY_AFTER }
      throw new Fault(429, 'TOOMANYREQUESTS', 'Too much is being pushed at once', { headers })
    }
    try {
      return await use(await readBody(request, each, hold))
    } finally {
      held -= mine
    }
  }
}
