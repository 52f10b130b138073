/**
 * Displays: listeners of the stream of build events.
 *
 * @module
 */
import type { EventListener } from '../../events.ts'
import type { Console } from '../console.ts'
import { createPlainDisplay } from './plain.ts'
import { createTerminalDisplay } from './terminal.ts'

/** How progress is shown; `auto` is `tty` on a terminal outside CI, else `plain`. */
export type Progress = 'auto' | 'tty' | 'plain' | 'json' | 'quiet'

/** Shows events until it is closed. */
export interface Display {
  readonly onEvent: EventListener
  /** Leaves the terminal tidy. May be called twice. */
  close(): void
}

/** Makes the display asked for; all of them write to standard error. */
export function createDisplay(progress: Progress, console: Console): Display {
  const { environment, stderr } = console
  const animated = stderr.isTTY === true && !environment['CI'] && environment['TERM'] !== 'dumb'
  switch (progress === 'auto' ? (animated ? 'tty' : 'plain') : progress) {
    case 'json':
      return { onEvent: (event) => void stderr.write(`${JSON.stringify(event)}\n`), close: () => undefined }
    case 'quiet':
      return { onEvent: () => undefined, close: () => undefined }
    case 'tty':
      return createTerminalDisplay(console)
    default:
      return createPlainDisplay(console)
  }
}
