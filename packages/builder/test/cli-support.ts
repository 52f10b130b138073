/** The command line, run in this process. */
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import type { Test } from 'tap'
import { run } from '../src/cli/run.ts'

/** Collects what is written, one character a byte. */
export class Capture extends Writable {
  text = ''
  readonly isTTY: boolean

  constructor(isTTY = false) {
    super()
    this.isTTY = isTTY
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.text += Buffer.from(chunk).toString('latin1')
    done()
  }
}

export interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs the command with bytes for standard input. */
export type Command = (input: string | Buffer, ...args: string[]) => Promise<Outcome>

/** The command in a directory of its own with a store there. */
export function commands(t: Test): {
  readonly directory: string
  readonly varve: (...args: string[]) => Promise<Outcome>
  readonly varveWith: Command
} {
  const directory = t.testdir()
  const varveWith: Command = async (input, ...args) => {
    const [stdout, stderr] = [new Capture(), new Capture()]
    const code = await run(args, {
      stdin: Readable.from([Buffer.from(input as string)]),
      stdout,
      stderr,
      environment: { VARVE_CACHE_DIR: join(directory, 'store') },
    })
    return { code, out: stdout.text, err: stderr.text }
  }
  return { directory, varve: async (...args) => varveWith('', ...args), varveWith }
}
