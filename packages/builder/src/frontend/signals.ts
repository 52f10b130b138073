/**
 * STOPSIGNAL: names and numbers of signals.
 *
 * @module
 */
import { problem } from '../dockerfile/problem.ts'

/** Names Docker accepts on Linux: signal(7), with its aliases; real-time signals are matched apart. */
const NAMES = new Set(
  (
    'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP ' +
    'TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX'
  ).split(' '),
)
const REAL_TIME = /^RT(?:MIN\+(?:[1-9]|1[0-5])|MAX-(?:[1-9]|1[0-4]))$/
const HIGHEST = 64

/**
 * The signal as written, if there is one of that name or number.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE`
 */
export function parseSignal(signal: string): string {
  const name = signal.toUpperCase().replace(/^SIG/, '')
  const number = /^\d{1,3}$/.test(signal) ? Number(signal) : 0
  if ((number >= 1 && number <= HIGHEST) || NAMES.has(name) || REAL_TIME.test(name)) return signal
  throw problem(`Invalid signal: ${JSON.stringify(signal)}`)
}
