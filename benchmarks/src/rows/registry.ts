/**
 * Rows about registries: whole commands, to a registry that is neither ours nor the peer's.
 *
 * @module
 */
import { join } from 'node:path'
import type { Benchmark, Contest, Side } from '../contest.ts'
import type { Inputs } from '../inputs.ts'
import { runShell, scriptPath, timeShell } from '../process.ts'
import { memoryRow } from './memory.ts'

const TRANSFER = scriptPath('ours/registry-transfer')
const OURS = '"$NODE" "$1" "$2" "$3" "$4"'

/** `$1` is the layout, `$2` the repository. */
interface Peer {
  readonly name: 'crane' | 'skopeo'
  readonly push: string
  readonly pull: string
}

const CRANE: Peer = {
  name: 'crane',
  push: 'crane push --insecure "$1" "$2:x"',
  pull: 'crane pull --insecure --format oci "$2:x" "$1"',
}
/**
 * What skopeo remembers of blobs in other repositories would make it mount them instead of sending them: it gets an
 * empty memory, in the place where root has it, or where others do.
 */
const FORGETFUL = `
  forgetful() {
    if [ "$(id -u)" = 0 ]; then
      mkdir -p /var/lib/containers
      unshare --mount bash -c 'mount -t tmpfs none /var/lib/containers && exec "$@"' bash "$@"
    else
      XDG_DATA_HOME="$(mktemp -d)" "$@"
    fi
  }
  forgetful skopeo --insecure-policy copy`

const SKOPEO: Peer = {
  name: 'skopeo',
  push: `${FORGETFUL} --dest-tls-verify=false "oci:$1:x" "docker://$2:x"`,
  pull: 'skopeo --insecure-policy copy --src-tls-verify=false "docker://$2:x" "oci:$1:x"',
}

type What = 'large' | 'layers'

const TITLES: Readonly<Record<What, string>> = { large: '1 GiB in one layer', layers: '200 small layers' }

/** Every row. */
export const REGISTRY_ROWS: readonly Benchmark[] = [
  ...(['large', 'layers'] as const).flatMap((what) =>
    [SKOPEO, CRANE].flatMap((peer) => [pushRow(what, peer), pullRow(what, peer)]),
  ),
  unchangedRow(CRANE),
  memoryRow('push', 150, TITLES.large, async (inputs) => {
    const { host } = await inputs.registry()
    return [TRANSFER, 'push', inputs.image('large'), `${host}/${fresh()}`]
  }),
  memoryRow('pull', 150, TITLES.large, async (inputs) => {
    const repository = `${(await inputs.registry()).host}/${fresh()}`
    runShell(OURS, TRANSFER, 'push', inputs.image('large'), repository)
    runShell('rm -rf "$1"', targetOf(inputs))
    return [TRANSFER, 'pull', targetOf(inputs), repository]
  }),
]

function pushRow(what: What, peer: Peer): Benchmark {
  return row(
    `push-${what}-${peer.name}`,
    `push ${TITLES[what]} to \`${peer.name}\``,
    peer,
    async (inputs) => {
      const layout = inputs.image(what)
      const { host } = await inputs.registry()
      return sides(peer.push, 'push', () => [layout, `${host}/${fresh()}`])
    },
  )
}

function pullRow(what: What, peer: Peer): Benchmark {
  return row(
    `pull-${what}-${peer.name}`,
    `pull ${TITLES[what]} to \`${peer.name}\``,
    peer,
    async (inputs) => {
      const { host } = await inputs.registry()
      const repository = `${host}/${fresh()}`
      runShell(OURS, TRANSFER, 'push', inputs.image(what), repository)
      const target = targetOf(inputs)
      const { ours, theirs } = sides(peer.pull, 'pull', () => [target, repository])
      const clean = (side: Side): Side => {
        return () => {
          runShell('rm -rf "$1"', target)
          return side()
        }
      }
      return { ours: clean(ours), theirs: clean(theirs) }
    },
  )
}

function unchangedRow(peer: Peer): Benchmark {
  return row('push-unchanged', `push 200 layers that are there to \`${peer.name}\``, peer, async (inputs) => {
    const { host } = await inputs.registry()
    const repository = `${host}/${fresh()}`
    return sides(peer.push, 'push', () => [inputs.image('layers'), repository])
  })
}

function row(name: string, title: string, peer: Peer, prepare: Benchmark['prepare']): Benchmark {
  return {
    name,
    title,
    programs: ['docker-registry', 'pigz', 'unshare', peer.name],
    unit: 'ms',
    pairs: 3,
    prepare,
  }
}

/** `values` gives the layout and the repository of a run. */
function sides(command: string, direction: string, values: () => readonly [string, string]): Contest {
  return {
    ours: () => timeShell(OURS, TRANSFER, direction, ...values()),
    theirs: () => timeShell(command, ...values()),
  }
}

function targetOf({ scratch }: Inputs): string {
  return join(scratch, 'pulled')
}

let repositories = 0

/** A repository that has nothing yet. */
function fresh(): string {
  repositories += 1
  return `benchmark/${repositories}`
}
