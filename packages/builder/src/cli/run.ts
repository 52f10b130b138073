/**
 * One run of the command: parse, execute, turn errors into a message and an exit code.
 *
 * @module
 */
import { CommanderError } from 'commander'
import { BuilderError } from '../errors.ts'
import type { CommandContext, Console } from './console.ts'
import { tell } from './console.ts'
import { describeError, exitCodeOf } from './failure.ts'
import { createProgram } from './program.ts'

/** Exit code of a command that was interrupted: 128 and SIGINT. */
const INTERRUPTED = 130
const USAGE = 2

/** Runs a command line; gives the exit code. SIGINT and SIGTERM abort it, a second one ends the process at once. */
export async function run(args: readonly string[], console: Console): Promise<number> {
  const interruption = new AbortController()
  const interrupt = (): void => {
    if (interruption.signal.aborted) process.exit(INTERRUPTED)
    interruption.abort(new Error('Interrupted'))
  }
  let unwritten: Error | undefined
  const unwritable = (cause: NodeJS.ErrnoException): void => {
    // Whoever read our output has seen enough.
    if (cause.code === 'EPIPE') process.exit(0)
    const message = `Standard output cannot be written: ${cause.message}`
    unwritten ??= new BuilderError('ERR_BUILDER_OUTPUT', message, { cause })
    interruption.abort(unwritten)
  }
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  console.stdout.on('error', unwritable)
  const context: CommandContext = { ...console, signal: interruption.signal }
  try {
    await createProgram(context).parseAsync([...args], { from: 'user' })
    await written(console)
    if (unwritten !== undefined) throw unwritten
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE
    if (interruption.signal.aborted && unwritten === undefined) {
      tell(console, 'varve: interrupted')
      return INTERRUPTED
    }
    tell(console, describeError(unwritten ?? error))
    return exitCodeOf(unwritten ?? error)
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
    console.stdout.off('error', unwritable)
  }
}

/** Waits until what was said is written, or cannot be. */
function written({ stdout }: Console): Promise<void> {
  return new Promise((resolve) => {
    stdout.write('', () => {
      // The error event comes right after this callback.
      setImmediate(resolve)
    })
  })
}
