/**
 * Progress for people: what is done stays, what runs is redrawn below it.
 *
 * @module
 */
import { styleText } from 'node:util'
import type { Console } from '../console.ts'
import type { Display } from './display.ts'
import { duration, eventLine, printable } from './lines.ts'
import { createPlainDisplay } from './plain.ts'

/** At most ten times a second. */
const REDRAW_MS = 100
const ERASE_LINE_AND_UP = '\u001b[1A\u001b[2K'

/** Draws on a terminal until closed. */
export function createTerminalDisplay(console: Console): Display {
  const { stderr, environment } = console
  const running = new Map<string, { readonly name: string; readonly since: number }>()
  const colour = environment['NO_COLOR'] === undefined || environment['NO_COLOR'] === ''
  let drawn = 0
  const erase = (): void => {
    if (drawn > 0) stderr.write(ERASE_LINE_AND_UP.repeat(drawn))
    drawn = 0
  }
  const draw = (): void => {
    erase()
    const width = stderr.columns ?? 80
    for (const { name, since } of running.values()) {
      const line = `…      ${printable(name)} ${duration(performance.now() - since)}`.slice(0, width - 1)
      stderr.write(`${colour ? styleText('dim', line) : line}\n`)
      drawn += 1
    }
  }
  const above: Display = createPlainDisplay(console)
  const timer = setInterval(draw, REDRAW_MS)
  timer.unref()
  return {
    onEvent: (event) => {
      if (event.type === 'step-start') running.set(event.step, { name: event.name, since: performance.now() })
      if (event.type === 'step-end' || event.type === 'step-error') running.delete(event.step)
      if (event.type !== 'step-log' && eventLine(event) === undefined) return
      erase()
      above.onEvent(event)
      draw()
    },
    close: () => {
      clearInterval(timer)
      running.clear()
      erase()
    },
  }
}
