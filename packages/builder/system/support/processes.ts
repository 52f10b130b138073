/**
 * What a build could leave running or mounted.
 *
 * @module
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Processes that mention a text in their arguments, working directory or mounts; this process is not one. */
export function processesAbout(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      const cwd = attempt(() => readlinkSync(`/proc/${pid}/cwd`))
      return [read(pid, 'cmdline'), read(pid, 'mountinfo'), cwd].some((each) => each.includes(text))
    })
}

/** Mounts of this process whose place or source mentions a text. */
export function mountsAbout(text: string): string[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(text))
}

/** Waits until something holds. @throws {Error} after the deadline. */
export async function until(what: string, holds: () => boolean, deadlineMs = 60_000): Promise<void> {
  const end = Date.now() + deadlineMs
  while (!holds()) {
    if (Date.now() > end) throw new Error(`In vain waited for: ${what}`)
    await sleep(50)
  }
}

function read(pid: string, file: string): string {
  return attempt(() => readFileSync(`/proc/${pid}/${file}`, 'utf8'))
}

/** Processes come and go while they are looked at. */
function attempt(look: () => string): string {
  try {
    return look()
  } catch {
    return ''
  }
}
