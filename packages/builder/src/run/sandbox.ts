/**
 * Command lines that put a process into a root file system of its own: by bubblewrap, or by unshare and mount.
 *
 * The contract is the same for both: new pid, ipc and uts namespaces, a new `/proc`, a small `/dev`, no `/sys`,
 * Docker's default capabilities, hostname `buildkitsandbox`, the host's network or none.
 *
 * @module
 */
import { dirname } from 'node:path/posix'
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
export function bubblewrap(process: SandboxedProcess, tools: Tools): CommandLine {
  const { root, args, env, cwd, identity, network, binds } = process
  return {
    program: tools.setpriv,
    args: [
      // bwrap would pass on the groups that root has on the host.
      [`--groups=${identity.gid}`, 'bwrap'],
      ['--bind', root, '/', '--proc', '/proc', '--dev', '/dev', '--perms', '1777', '--tmpfs', '/dev/shm'],
      // bwrap leaves this writable for one who is root outside too.
      ['--ro-bind-try', '/proc/sys', '/proc/sys'],
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
 * util-linux and coreutils alone. In a mount namespace of its own the new root is moved over `/` before the process
 * changes into it, as initramfs scripts do: above it there is nothing to climb out to.
 *
 * chroot is the last program of the host. To it `/` is still the old root, but `/..` is what is mounted over that; it
 * is asked to stay in the working directory, which the script before it chose.
 */
export function namespaces(process: SandboxedProcess, tools: Tools): CommandLine {
  const { root, args, env, cwd, identity, network, binds } = process
  const { uid, gid, groups } = identity
  const bounding = ['-all', ...CAPABILITIES.map((name) => `+${name}`)].join(',')
  return {
    program: tools.unshare,
    args: [
      ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--ipc', '--uts'],
      network === 'none' ? ['--net'] : [],
      ['--', '/bin/sh', '-c', enterScript(binds, network), 'enter', root, cwd],
      // bwrap sets PWD whatever is asked of it, so this does too.
      [tools.env, '-i', ...env, `PWD=${cwd}`],
      [tools.setpriv, `--bounding-set=${bounding}`, '--inh-caps=-all'],
      // The sign keeps chroot from looking numbers up as names.
      [tools.chroot, '--skip-chdir', `--userspec=+${uid}:+${gid}`],
      [`--groups=${[gid, ...groups].map((id) => `+${id}`).join(',')}`, '/..'],
      args,
    ].flat(),
  }
}

/** Absolute paths of the host's tools: the image's PATH must not choose them. */
export interface Tools {
  readonly unshare: string
  readonly setpriv: string
  readonly env: string
  readonly chroot: string
}

/** Prepares the new root, then runs the rest of its arguments there. `$1` is the root, `$2` the working directory in it. */
function enterScript(binds: ReadonlyMap<string, string>, network: 'default' | 'none'): string {
  const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty']
  const links = [
    'fd:/proc/self/fd',
    'stdin:/proc/self/fd/0',
    'stdout:/proc/self/fd/1',
    'stderr:/proc/self/fd/2',
  ]
  return [
    'set -e',
    'root=$1; cwd=$2; shift 2',
    `hostname ${HOSTNAME} 2>/dev/null || true`,
    // A new network namespace has its loopback down.
    ...(network === 'none' ? ['ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null || true'] : []),
    'mount -t proc proc "$root/proc"',
    // What bwrap makes read-only: here root of the image would be root of the host.
    'for name in sys sysrq-trigger irq bus; do',
    '  if [ -e "$root/proc/$name" ]; then',
    '    mount --bind "$root/proc/$name" "$root/proc/$name"',
    '    mount -o remount,bind,ro "$root/proc/$name"',
    '  fi',
    'done',
    'mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"',
    ...devices.map((name) => `: > "$root/dev/${name}"; mount --bind /dev/${name} "$root/dev/${name}"`),
    ...[...links, 'ptmx:pts/ptmx'].map((link) => {
      const [name, target] = link.split(':')
      return `ln -s ${target} "$root/dev/${name}"`
    }),
    'mkdir "$root/dev/pts" "$root/dev/shm"',
    'mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"',
    'mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"',
    ...[...binds].flatMap(([target, source]) => [
      ...(target.startsWith('/dev/')
        ? [`mkdir -p "$root"${quote(dirname(target))}`, `: > "$root"${quote(target)}`]
        : []),
      `mount --bind ${quote(source)} "$root"${quote(target)}`,
      `mount -o remount,bind,ro "$root"${quote(target)}`,
    ]),
    'cd "$root"',
    // Without the list in /run/mount, which is not writable in a user namespace.
    'mount -n --move . /',
    'cd -P ".$cwd"',
    'exec "$@"',
  ].join('\n')
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
