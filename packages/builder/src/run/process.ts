/**
 * One sandboxed process, from mount points to exit status.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join, posix } from 'node:path'
import { resolveIdentity } from '../copy/identity.ts'
import { resolveInRoot } from '../copy/in-root.ts'
import { BuilderError } from '../errors.ts'
import { accountsInDirectory, linksIn } from './accounts.ts'
import type { ExecJob } from './job.ts'
import { bubblewrap, type CommandLine, namespaces, type SandboxedProcess, type Tools } from './sandbox.ts'
import { isMountable, makeStubs } from './stubs.ts'
import { findTool } from './tools.ts'

/** Files of the host that make its network usable. */
const NETWORK_FILES = ['etc/resolv.conf', 'etc/hosts']

/**
 * Runs the job's command in the mounted root `root`; `scratch` is a directory for its scripts. Gives the exit code,
 * 128 and the number of the signal that ended it.
 */
export async function runProcess(root: string, scratch: string, job: ExecJob): Promise<number> {
  const { request } = job
  const identity = await resolveIdentity(request.user, accountsInDirectory(root), { numericGroup: 'root' })
  const cwd = `/${resolveInRoot(linksIn(root), request.cwd)}`
  mkdirSync(join(root, cwd), { recursive: true })
  const files = request.network === 'none' ? [] : NETWORK_FILES.filter((path) => existsSync(`/${path}`))
  const shown = files.filter((path) => isMountable(root, path))
  const stubs = makeStubs(root, [
    { path: 'proc', kind: 'directory' },
    { path: 'dev', kind: 'directory' },
    ...shown.map((path) => ({ path, kind: 'file' }) as const),
  ])
  const environment = new Set(request.env.map((pair) => pair.slice(0, pair.indexOf('='))))
  const sandboxed: SandboxedProcess = {
    root,
    args: request.args,
    env: environment.has('HOME') ? request.env : [...request.env, `HOME=${identity.home}`],
    cwd,
    identity,
    network: request.network,
    binds: new Map([
      ...shown.map((path) => [`/${path}`, `/${path}`] as const),
      ...request.scripts.map(
        ({ name, data }, index) =>
          [`/dev/pipes/${name}`, writeScript(scratch, `script-${index}`, data)] as const,
      ),
    ]),
  }
  if (request.scripts.length === 0) requireProgram(root, sandboxed)
  const rootAlone = identity.uid === 0 && identity.gid === 0 && identity.groups.length === 0
  const command =
    job.sandbox === 'bwrap' && rootAlone
      ? bubblewrap(sandboxed, hostTools())
      : namespaces(sandboxed, hostTools())
  try {
    return await wait(command)
  } finally {
    stubs.remove()
  }
}

/** Says what is missing, which the sandbox would only say on its standard error. */
function requireProgram(root: string, { args: [program = ''], env, cwd }: SandboxedProcess): void {
  const links = linksIn(root)
  const path = env.find((pair) => pair.startsWith('PATH='))?.slice('PATH='.length) ?? ''
  const places = program.includes('/')
    ? [program]
    : path.split(':').map((directory) => posix.join(directory, program))
  const found = places.some(
    (place) => links.get(resolveInRoot(links, posix.resolve(cwd, place)))?.type === 'file',
  )
  if (found) return
  throw new BuilderError('ERR_BUILDER_RUN', `${JSON.stringify(program)} is not in the image`, {
    exitCode: 127,
    hint: 'Shell form needs the shell in the base image; use the JSON form to run a program without one',
  })
}

function wait({ program, args }: CommandLine): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]))
    })
  })
}

function writeScript(scratch: string, name: string, data: string): string {
  const path = join(scratch, name)
  writeFileSync(path, data)
  chmodSync(path, 0o755)
  return path
}

function hostTools(): Tools {
  return {
    unshare: requireTool('unshare'),
    setpriv: requireTool('setpriv'),
    env: requireTool('env'),
    chroot: requireTool('chroot'),
  }
}

function requireTool(name: string): string {
  const found = findTool(name)
  if (found !== undefined) return found
  throw new BuilderError('ERR_BUILDER_RUNNER', `${name} is not installed`, {
    hint: 'Install util-linux and coreutils',
  })
}
