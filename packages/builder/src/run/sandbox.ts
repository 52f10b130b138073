/**
 * Command lines that put a process into a root file system of its own: by bubblewrap, or by unshare and mount.
 *
 * The contract is the same for both: new pid, ipc and uts namespaces, a new `/proc`, a small `/dev`, no `/sys`,
 * Docker's default capabilities, hostname `buildkitsandbox`, the host's network or none.
 *
 * @module
 */
import type { Identity } from '../copy/identity.ts'
import { CAPABILITIES } from './capabilities.ts'

/** A process to be started. */
export interface SandboxedProcess {
  /** The mounted root file system. */
  readonly root: string
  readonly args: readonly string[]
  /** `NAME=value`. */
  readonly env: readonly string[]
  readonly cwd: string
  readonly identity: Identity
  readonly network: 'default' | 'none'
  /** Host files to show read-only: target inside, source outside. */
  readonly binds: ReadonlyMap<string, string>
}

/** A program and its arguments. */
export interface CommandLine {
  readonly program: string
  readonly args: readonly string[]
}

const HOSTNAME = 'buildkitsandbox'

/** bubblewrap: root only, since it cannot become another user and keep the whole id map. */
export function bubblewrap(process: SandboxedProcess): CommandLine {
  const { root, args, env, cwd, network, binds } = process
  return {
    program: 'bwrap',
    args: [
      ['--bind', root, '/', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/dev/shm'],
      [...binds].flatMap(([target, source]) => ['--ro-bind', source, target]),
      ['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--hostname', HOSTNAME, '--die-with-parent'],
      network === 'none' ? ['--unshare-net'] : [],
      ['--cap-drop', 'ALL'],
      CAPABILITIES.flatMap((name) => ['--cap-add', `CAP_${name.toUpperCase()}`]),
      ['--clearenv'],
      env.flatMap(setVariable),
      ['--chdir', cwd, '--', ...args],
    ].flat(),
  }
}

function setVariable(pair: string): string[] {
  const at = pair.indexOf('=')
  return ['--setenv', pair.slice(0, at), pair.slice(at + 1)]
}

/**
 * util-linux alone. In a mount namespace of its own the new root is moved over `/` before the process changes into
 * it, as initramfs scripts do: above it there is nothing to climb out to.
 */
export function namespaces(process: SandboxedProcess, tools: Tools): CommandLine {
  const { root, env, identity, network, binds } = process
  const bounding = ['-all', ...CAPABILITIES.map((name) => `+${name}`)].join(',')
  return {
    program: tools.unshare,
    args: [
      ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--ipc', '--uts'],
      network === 'none' ? ['--net'] : [],
      ['--', '/bin/sh', '-c', enterScript(binds), 'enter', root],
      [tools.env, '-i', ...env],
      [tools.setpriv, `--bounding-set=${bounding}`, '--inh-caps=-all', '--groups', String(identity.gid)],
      becomeUser(process, tools),
    ].flat(),
  }
}

/**
 * The last program of the host. unshare sets the working directory but clears supplementary groups; chroot sets
 * groups but not the directory, so there the image's shell does.
 */
function becomeUser({ args, cwd, identity }: SandboxedProcess, tools: Tools): string[] {
  const { uid, gid, groups } = identity
  if (groups.length === 0) {
    const user = uid === 0 && gid === 0 ? [] : [`--setgid=${gid}`, `--setuid=${uid}`]
    return [tools.unshare, '--root=.', `--wd=${cwd}`, ...user, '--', ...args]
  }
  const change = ['/bin/sh', '-c', 'cd "$0" && exec "$@"', cwd]
  return [
    tools.chroot,
    `--userspec=${uid}:${gid}`,
    `--groups=${[gid, ...groups].join(',')}`,
    '.',
    ...change,
    ...args,
  ]
}

/** Absolute paths of the host's tools: the image's PATH must not choose them. */
export interface Tools {
  readonly unshare: string
  readonly setpriv: string
  readonly env: string
  readonly chroot: string
}

/** Prepares the new root, then runs the rest of its arguments from there. `$1` is the root. */
function enterScript(binds: ReadonlyMap<string, string>): string {
  const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty']
  const links = [
    'fd:/proc/self/fd',
    'stdin:/proc/self/fd/0',
    'stdout:/proc/self/fd/1',
    'stderr:/proc/self/fd/2',
  ]
  return [
    'set -e',
    'root=$1; shift',
    `hostname ${HOSTNAME} 2>/dev/null || true`,
    'mount -t proc proc "$root/proc"',
    'mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"',
    ...devices.map((name) => `: > "$root/dev/${name}"; mount --bind /dev/${name} "$root/dev/${name}"`),
    ...[...links, 'ptmx:pts/ptmx'].map((link) => {
      const [name, target] = link.split(':')
      return `ln -s ${target} "$root/dev/${name}"`
    }),
    'mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/pipes"',
    'mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"',
    'mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"',
    ...[...binds].flatMap(([target, source]) => [
      ...(target.startsWith('/dev/') ? [`: > "$root"${quote(target)}`] : []),
      `mount --bind ${quote(source)} "$root"${quote(target)}`,
      `mount -o remount,bind,ro "$root"${quote(target)}`,
    ]),
    'cd "$root"',
    'mount --move . /',
    'exec "$@"',
  ].join('\n')
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
