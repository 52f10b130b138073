/**
 * Things that are asked for once, however many wait for the answer.
 *
 * @module
 */
import { untilAborted } from '../until-aborted.ts'

/** Work under way, by key. */
export interface Flights {
  /**
   * Joins the work that is under way under a key, or starts it. Whoever gives up leaves the others alone; the signal
   * that `start` gets fires when nobody is left.
   */
  join<T>(key: string, start: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T>
}

interface Flight {
  readonly result: Promise<unknown>
  readonly controller: AbortController
  passengers: number
}

/** Keys must say what kind of answer they are for. */
export function createFlights(): Flights {
  const flights = new Map<string, Flight>()

  const leave = (key: string, flight: Flight): void => {
    if (flights.get(key) === flight) flights.delete(key)
  }

  const begin = (key: string, start: (signal: AbortSignal) => Promise<unknown>): Flight => {
    const controller = new AbortController()
    const flight: Flight = {
      result: start(controller.signal).finally(() => leave(key, flight)),
      controller,
      passengers: 0,
    }
    // Those who wait hear of a failure; when nobody does, nobody needs to.
    flight.result.catch(() => undefined)
    flights.set(key, flight)
    return flight
  }

  return {
    async join<T>(key: string, start: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
      signal?.throwIfAborted()
      const flight = flights.get(key) ?? begin(key, start)
      flight.passengers++
      try {
        return (await untilAborted(flight.result, signal)) as T
      } finally {
        flight.passengers--
        if (flight.passengers === 0 && flights.get(key) === flight) {
          leave(key, flight)
          flight.controller.abort(signal?.reason)
        }
      }
    },
  }
}
