/**
 * One after the other, by key, in all of this process.
 *
 * @module
 */

const last = new Map<string, Promise<void>>()

/** Runs `work` when all work given before for the same key is done. */
export async function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
  const before = last.get(key)
  let finish = (): void => undefined
  const turn = new Promise<void>((resolve) => {
    finish = resolve
  })
  last.set(key, turn)
  await before
  try {
    return await work()
  } finally {
    finish()
    if (last.get(key) === turn) last.delete(key)
  }
}
