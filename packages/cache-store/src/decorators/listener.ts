/**
 * Listeners that cannot harm whom they listen to.
 *
 * @module
 */

/** Tells each event; what the listener throws is its own affair. */
export function telling<Event>(listener: ((event: Event) => void) | undefined): (event: Event) => void {
  return (event) => {
    try {
      listener?.(event)
    } catch {
      // An operation that has succeeded must not fail because somebody counts badly.
    }
  }
}
