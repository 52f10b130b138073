/**
 * The arguments of HEALTHCHECK.
 *
 * @module
 */
import { parseDuration } from './duration.ts'
import type { Flags } from './flags.ts'
import type { HealthcheckInstruction, InstructionSource } from './instruction.ts'
import { parseJsonForm } from './json-form.ts'
import { problem } from './problem.ts'
import { isSpace, trimSpaceStart } from './whitespace.ts'

/** Flags HEALTHCHECK takes. */
export const HEALTHCHECK_FLAGS = {
  interval: 'string',
  timeout: 'string',
  'start-period': 'string',
  'start-interval': 'string',
  retries: 'string',
} as const

/** Shortest interval a container runtime accepts: 1 ms. */
const MIN_INTERVAL = 1e6

const MAX_RETRIES = 2 ** 31 - 1

/** Reads the arguments and flags of a HEALTHCHECK. */
export function parseHealthcheck(
  rest: string,
  flags: Flags,
): Omit<HealthcheckInstruction, keyof InstructionSource | 'kind'> {
  let end = 0
  while (end < rest.length && !isSpace(rest[end]!)) end += 1
  const type = rest.slice(0, end)
  const command = trimSpaceStart(rest.slice(end))
  if (type === '') throw problem('HEALTHCHECK requires at least one argument')
  if (type.toUpperCase() === 'NONE') {
    if (command !== '') throw problem('HEALTHCHECK NONE takes no arguments')
    return { none: true, test: ['NONE'] }
  }
  if (type.toUpperCase() !== 'CMD')
    throw problem(`Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`)
  const words = parseJsonForm(command)
  if (command === '' || words?.length === 0) throw problem('Missing command after HEALTHCHECK CMD')
  const intervalNs = parseInterval(flags, 'interval')
  const timeoutNs = parseInterval(flags, 'timeout')
  const startPeriodNs = parseInterval(flags, 'start-period')
  const startIntervalNs = parseInterval(flags, 'start-interval')
  const retries = parseRetries(flags.string('retries'))
  return {
    none: false,
    test: words === undefined ? ['CMD-SHELL', command] : ['CMD', ...words],
    ...(intervalNs === undefined ? {} : { intervalNs }),
    ...(timeoutNs === undefined ? {} : { timeoutNs }),
    ...(startPeriodNs === undefined ? {} : { startPeriodNs }),
    ...(startIntervalNs === undefined ? {} : { startIntervalNs }),
    ...(retries === undefined ? {} : { retries }),
  }
}

/** Zero means the runtime's default, as does no flag at all. */
function parseInterval(flags: Flags, name: keyof typeof HEALTHCHECK_FLAGS): number | undefined {
  const value = flags.string(name)
  const interval = value === undefined ? 0 : parseDuration(value)
  if (interval === 0) return undefined
  if (interval < MIN_INTERVAL) throw problem(`Interval ${JSON.stringify(name)} cannot be less than 1ms`)
  return interval
}

function parseRetries(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const retries = Number(value)
  if (!/^[+-]?\d+$/.test(value) || Math.abs(retries) > MAX_RETRIES) {
    throw problem(`--retries is not a number: ${JSON.stringify(value)}`)
  }
  if (retries < 0) throw problem(`--retries cannot be negative (${retries})`)
  return retries === 0 ? undefined : retries
}
