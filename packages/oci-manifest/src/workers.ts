/**
 * Doing the same to many things, several at a time.
 *
 * @module
 */

/** Works on all items, `concurrency` at a time. The first error stops the others, and is thrown once they stopped. */
export async function eachOf<T>(
  items: readonly T[],
  {
    concurrency = 4,
    signal,
  }: { readonly concurrency?: number | undefined; readonly signal?: AbortSignal | undefined },
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  signal?.throwIfAborted()
  const stop = new AbortController()
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  const failures: unknown[] = []
  const queue = items.values()
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      if (either.aborted) return
      try {
        // A signal of its own: on one signal, Node takes many listeners for a leak.
        await work(item, AbortSignal.any([either]))
      } catch (error) {
        failures.push(error)
        stop.abort(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(concurrency, items.length)) }, worker))
  signal?.throwIfAborted()
  if (failures.length > 0) throw failures[0]
}
