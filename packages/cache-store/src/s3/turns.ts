/**
 * One after the other, by name.
 *
 * @module
 */

/** Runs operations of one name one after the other. */
export interface Turns {
  run<Result>(name: string, operation: () => Promise<Result>): Promise<Result>
}

/** Turns by name; names are forgotten when nobody waits. */
export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>()
  return {
    run: (name, operation) => {
      const turn = (last.get(name) ?? Promise.resolve()).then(operation)
      const settled = turn.then(
        () => undefined,
        () => undefined,
      )
      last.set(name, settled)
      void settled.then(() => last.get(name) === settled && last.delete(name))
      return turn
    },
  }
}
