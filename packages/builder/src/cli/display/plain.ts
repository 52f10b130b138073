/**
 * Progress for logs: a line for each thing that happened.
 *
 * @module
 */
import type { BuildEvent } from '../../events.ts'
import type { Console } from '../console.ts'
import type { Display } from './display.ts'
import { eventLine, printable } from './lines.ts'

/** Output of processes is shown line by line, indented, also where branches run side by side. */
export function createPlainDisplay({ stderr }: Console): Display {
  const pending = new Map<string, string>()
  const print = (text: string): void => void stderr.write(`${text}\n`)
  const log = (event: Extract<BuildEvent, { type: 'step-log' }>): void => {
    const lines = `${pending.get(event.step) ?? ''}${event.text}`.split('\n')
    pending.set(event.step, lines.pop() ?? '')
    for (const line of lines) print(`       | ${printable(line.trimEnd())}`)
  }
  const flush = (step: string): void => {
    const rest = pending.get(step) ?? ''
    pending.delete(step)
    if (rest !== '') print(`       | ${printable(rest)}`)
  }
  return {
    onEvent: (event) => {
      if (event.type === 'step-log') return log(event)
      if (event.type === 'step-end' || event.type === 'step-error') flush(event.step)
      const line = eventLine(event)
      if (line !== undefined) print(line)
    },
    close: () => undefined,
  }
}
