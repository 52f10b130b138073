/**
 * Many small tasks, a few at a time.
 *
 * @module
 */

/**
 * Runs `task` for each item, `width` at once. After a failure no other task begins, the ones that run are told to stop,
 * and when they have, it rejects with the first error.
 */
export async function eachAtOnce<Item>(
  items: Iterable<Item>,
  width: number,
  signal: AbortSignal | undefined,
  task: (item: Item, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController()
  const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal])
  const rest = items[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) {
      if (stop.aborted) return
      await task(next.value, stop)
    }
  }
  let first: { readonly error: unknown } | undefined
  const guarded = (): Promise<void> =>
    worker().catch((error: unknown) => {
      first ??= { error }
      failed.abort(error)
    })
  await Promise.all(Array.from({ length: width }, guarded))
  signal?.throwIfAborted()
  if (first !== undefined) throw first.error
}
