/**
 * Who made a file: a process of this machine, dead or alive, or one of another.
 *
 * @module
 */
import { readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { isSystemError } from './files.ts'

/** Where a process ID means something: it is another process in another container, even under the same host name. */
export function hostScope(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}

/** Whether there is a process of that ID here. It may be another one than was meant, if the ID was used again. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !isSystemError(error, 'ESRCH')
  }
}
