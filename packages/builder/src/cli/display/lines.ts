/**
 * Events as lines of text.
 *
 * @module
 */
import type { BuildEvent } from '../../events.ts'

/** The line of an event, or `undefined` for those that say nothing to people. */
export function eventLine(event: BuildEvent): string | undefined {
  switch (event.type) {
    case 'step-miss':
      return `run    ${event.name}\n       because ${printable(event.why)}`
    case 'step-end':
      return event.cache === 'hit'
        ? `cached ${event.name} (${printable(event.why)}, ${duration(event.ms)})`
        : `done   ${event.name} (${duration(event.ms)})`
    case 'step-error':
      return `failed ${event.name}`
    case 'warning': {
      const place = event.location === undefined ? '' : `${event.location.file}:${event.location.line}: `
      return `warn   ${place}${printable(event.message)} [${event.rule}]`
    }
    case 'output':
      return `wrote  ${event.message}`
    default:
      return undefined
  }
}

/** Seconds with a digit that matters. */
export function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

/** Bytes in the largest unit of 1024 that leaves a number above one. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  return power === 0 ? `${bytes} bytes` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`
}

/** Text from files and images, without what a terminal would obey. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\uFFFD')
}
