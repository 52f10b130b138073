/**
 * How old and how large everything is, and where to draw the line.
 *
 * Of each file only a few numbers are kept, so that a million of them take some twenty megabytes.
 *
 * @module
 */

/** A place in the order in which files go: oldest first, and by name among those of the same time. */
export interface Cut {
  readonly time: number
  readonly prefix: number
}

/** Nothing is before this. */
export const NOTHING: Cut = { time: -Infinity, prefix: 0 }

/** Kept by nobody; other owners are numbered by whoever counts. */
const NOBODY = 0

/** Numbers of files, and what they add up to. */
export interface Census {
  add(mtimeMs: number, name: string, bytes: number, owner: number): void
  /** The cut before which there are so many bytes of what nobody keeps, or of all. */
  cutFor(bytes: number, of: 'unkept' | 'all'): Cut
  /** Calls `visit` for what is kept and before the cut. */
  keptBefore(cut: Cut, visit: (owner: number, bytes: number) => void): void
}

/** Whether a file of this time and name is before the cut. */
export function isBefore(cut: Cut, mtimeMs: number, name: string): boolean {
  return mtimeMs < cut.time || (mtimeMs === cut.time && prefixOf(name) < cut.prefix)
}

/** The later of two cuts. */
export function laterCut(a: Cut, b: Cut): Cut {
  return a.time > b.time || (a.time === b.time && a.prefix > b.prefix) ? a : b
}

/** The earlier of two cuts. */
export function earlierCut(a: Cut, b: Cut): Cut {
  return laterCut(a, b) === a ? b : a
}

/** An empty one. */
export function createCensus(): Census {
  let count = 0
  let capacity = 1024
  let times = new Float64Array(capacity)
  let sizes = new Float64Array(capacity)
  let prefixes = new Uint32Array(capacity)
  let owners = new Uint32Array(capacity)

  const grow = (): void => {
    capacity *= 2
    const [oldTimes, oldSizes, oldPrefixes, oldOwners] = [times, sizes, prefixes, owners]
    times = new Float64Array(capacity)
    sizes = new Float64Array(capacity)
    prefixes = new Uint32Array(capacity)
    owners = new Uint32Array(capacity)
    times.set(oldTimes)
    sizes.set(oldSizes)
    prefixes.set(oldPrefixes)
    owners.set(oldOwners)
  }

  /** Sums by second first, so that only the files of one second have to be sorted. */
  const crossing = (bytes: number, counts: (index: number) => boolean): Cut => {
    const seconds = new Map<number, number>()
    for (let index = 0; index < count; index += 1) {
      if (!counts(index)) continue
      const second = Math.floor(times[index]! / 1000)
      seconds.set(second, (seconds.get(second) ?? 0) + sizes[index]!)
    }
    let sum = 0
    for (const second of [...seconds.keys()].toSorted((a, b) => a - b)) {
      const inSecond = seconds.get(second)!
      if (sum + inSecond < bytes) {
        sum += inSecond
        continue
      }
      const indexes: number[] = []
      for (let index = 0; index < count; index += 1) {
        if (counts(index) && Math.floor(times[index]! / 1000) === second) indexes.push(index)
      }
      indexes.sort((a, b) => times[a]! - times[b]! || prefixes[a]! - prefixes[b]!)
      for (const index of indexes) {
        sum += sizes[index]!
        if (sum >= bytes) return { time: times[index]!, prefix: prefixes[index]! + 1 }
      }
    }
    return { time: Infinity, prefix: 0 }
  }

  return {
    add: (mtimeMs, name, bytes, owner) => {
      if (count === capacity) grow()
      times[count] = mtimeMs
      sizes[count] = bytes
      prefixes[count] = prefixOf(name)
      owners[count] = owner
      count += 1
    },

    cutFor: (bytes, of) =>
      bytes <= 0 ? NOTHING : crossing(bytes, (index) => of === 'all' || owners[index] === NOBODY),

    keptBefore: (cut, visit) => {
      for (let index = 0; index < count; index += 1) {
        const time = times[index]!
        const isIn = time < cut.time || (time === cut.time && prefixes[index]! < cut.prefix)
        if (isIn && owners[index] !== NOBODY) visit(owners[index]!, sizes[index]!)
      }
    },
  }
}

/** The first digits of the digest that a file is named by. */
function prefixOf(name: string): number {
  const start = name.lastIndexOf('-') + 1
  return Number.parseInt(name.slice(start, start + 8), 16)
}
