/**
 * Syncs that are shared: who waits for the same directory at the same time waits for the same call.
 *
 * A sync that runs already may have begun before a rename and missed it; one that begins later has not. So one runs and
 * one waits for each directory, and everyone who comes meanwhile shares the one that waits: many writers cost about two
 * syncs, and none is told that its rename lasts before it does.
 *
 * @module
 */

/** The syncs of one directory. */
interface Turns {
  readonly running: Promise<void>
  waiting: Promise<void> | undefined
}

/**
 * Shares the calls of `sync`, by path.
 *
 * What is given back resolves after a call that began no earlier than it was asked for, and rejects with that call's
 * error. Paths that are written differently share nothing, which is no harm.
 */
export function createDirectorySync(sync: (path: string) => Promise<void>): (path: string) => Promise<void> {
  const directories = new Map<string, Turns>()

  const begin = (path: string): Promise<void> => {
    const turns: Turns = { running: sync(path), waiting: undefined }
    directories.set(path, turns)
    const forget = (): void => {
      // Whoever waits begins next, and takes this place.
      if (turns.waiting === undefined) directories.delete(path)
    }
    turns.running.then(forget, forget)
    return turns.running
  }

  return (path) => {
    const turns = directories.get(path)
    if (turns === undefined) return begin(path)
    // The error of the one before belongs to others.
    turns.waiting ??= turns.running.then(
      () => begin(path),
      () => begin(path),
    )
    return turns.waiting
  }
}
