/**
 * Child processes with a deadline.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** How a process is started. */
export interface CommandOptions {
  readonly cwd?: string
  /** Added to the environment; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly uid?: number
  readonly gid?: number
  /** Default: four minutes, for computers that do other things too. */
  readonly timeoutMs?: number
}

/** What a process left behind. */
export interface Outcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

const DEADLINE_MS = 240_000
const COMMAND_LINE = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

/** Runs a program to its end. Past the deadline it is killed. */
export function execute(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Outcome> {
  return outcomeOf(start(program, args, options), options.timeoutMs)
}

/** Like {@link execute}, but throws unless the program succeeds; gives its standard output. */
export async function succeed(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await execute(program, args, options)
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`)
  return stdout
}

/** Runs the compiled command. */
export function varve(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  return execute(process.execPath, [COMMAND_LINE, ...args], options)
}

/** Starts the compiled command; the caller ends it. */
export function startVarve(args: readonly string[], options: CommandOptions = {}): ChildProcess {
  return start(process.execPath, [COMMAND_LINE, ...args], options)
}

/** Starts a program whose output can be read. */
export function start(program: string, args: readonly string[], options: CommandOptions = {}): ChildProcess {
  const { cwd, env, uid, gid } = options
  // tap adds an instrument to the environment of every child, which would slow it and write as whoever it runs as.
  return spawn('env', ['-u', 'NODE_OPTIONS', program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(env),
    ...(cwd !== undefined && { cwd }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
  })
}

/** Waits for the end of a process, and kills it if that takes too long. */
export function outcomeOf(child: ChildProcess, timeoutMs: number = DEADLINE_MS): Promise<Outcome> {
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk))
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({
        code,
        signal,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      })
    })
  })
}

/** This process's environment without what would change a build. */
function environment(changes: CommandOptions['env'] = {}): NodeJS.ProcessEnv {
  const { SOURCE_DATE_EPOCH: _, VARVE_CACHE_DIR: __, ...inherited } = process.env
  return { ...inherited, ...changes }
}
