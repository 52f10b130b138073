import {
  chmodSync,
  chownSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { bytesSource } from '@varve/digest'
import { createEntry, decodeTar, decompress, type Entry, pack, Tree } from '@varve/layer'
import t from 'tap'
import { outcomeOf, startVarve, succeed } from './support/command.ts'
import { needsOrdinaryUser, ordinaryUser } from './support/ordinary-user.ts'
import { needs } from '@varve/testing/peers'
import { bundlePrograms } from '@varve/testing/workers'
import { mountsAbout, processesAbout, until } from './support/processes.ts'
import { type Build, createWorkbench } from './support/workbench.ts'

t.setTimeout(1_200_000)

const bench = createWorkbench()

const DRIVER = fileURLToPath(new URL('support/run-driver.ts', import.meta.url))
/** What the runner starts, from beside itself. */
const WORKER = fileURLToPath(new URL('../src/run/worker.ts', import.meta.url))

const SANDBOXES = ['bwrap', 'unshare'] as const
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Instructions, the last of which makes a layer, and what that must print. */
const CONTRACT: ReadonlyArray<readonly [instructions: string, printed: string]> = [
  ['ENV GREETING="hello world"\nARG DECLARED=arg\nARG BARE\nWORKDIR /srv/dir', ''],
  ['RUN ["env"]', `${PATH}\nGREETING=hello world\nDECLARED=arg\nHOME=/root\nPWD=/srv/dir\n`],
  [
    "RUN id; pwd; hostname; umask; grep -E '^(CapPrm|CapEff)' /proc/self/status",
    'uid=0(root) gid=0(root) groups=0(root)\n/srv/dir\nbuildkitsandbox\n0022\n' +
      'CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n',
  ],
  [
    "RUN cd /dev && ls -1d [!c]* | tr '\\n' ' ' && ls -ld shm | cut -c1-10 && head -c 4 zero | wc -c && echo > null",
    'fd full null ptmx pts random shm stderr stdin stdout tty urandom zero drwxrwxrwt\n4\n',
  ],
  [
    'RUN for each in sys/vm/swappiness sysrq-trigger; do true 2>/dev/null >> /proc/$each && echo $each; done; true',
    '',
  ],
  ['RUN test -s /etc/resolv.conf && test -s /etc/hosts && echo there', 'there\n'],
  [
    "RUN --network=none tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; ping -c 1 127.0.0.1 | grep -o ' 0% .*'",
    'lo\n 0% packet loss\n',
  ],
  ['RUN <<EOF\necho first \\\n  $GREETING\nfalse || echo second\nEOF', 'first hello world\nsecond\n'],
  ['RUN <<EOF\n#!/bin/awk -f\nBEGIN { print "script " 6 * 7 }\nEOF', 'script 42\n'],
  ['RUN cat <<ONE && cat <<TWO\n1\nONE\n2\nTWO', '1\n2\n'],
  ['USER app\nRUN ["env"]', `${PATH}\nGREETING=hello world\nDECLARED=arg\nHOME=/home/app\nPWD=/srv/dir\n`],
  [
    "RUN id; pwd; umask; grep -E '^Cap(Prm|Eff|Bnd)' /proc/self/status",
    'uid=1000(app) gid=1000(app) groups=1000(app),2000(extra),2001(more)\n/srv/dir\n0022\n' +
      'CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\n',
  ],
  ['USER 4242:4343\nRUN ["id"]', 'uid=4242 gid=4343 groups=4343\n'],
]

for (const sandbox of SANDBOXES) {
  void t.test(`${sandbox} keeps the contract of RUN`, needs('run', 'busybox', sandbox), async (t) => {
    const dockerfile = ['FROM base', ...CONTRACT.map(([instructions]) => instructions)].join('\n')
    const { logs } = await bench.build(bench.context(dockerfile), {
      flags: ['--runner', sandbox, '--no-cache'],
    })
    for (const [index, [instructions, printed]] of CONTRACT.entries())
      t.equal(logs[index], printed, instructions)
    t.strictSame(
      [mountsAbout(bench.directory), processesAbout(bench.directory)],
      [[], []],
      'leaves nothing behind',
    )
  })
}

const DIRECTORY = 'drwxr-xr-x 0/0 0 1970-01-01 00:00:00'
const FILE = '-rw-r--r-- 0/0 2 1970-01-01 00:00:00'
const WHITEOUT = '---------- 0/0 0 1970-01-01 00:00:00'
const LINK = 'lrwxrwxrwx 0/0 0 1970-01-01 00:00:00'

/** What a shell does, and the members of the layer that it makes, as `tar -tv` lists them. */
const CHANGES: ReadonlyArray<readonly [what: string, command: string, members: readonly string[]]> = [
  [
    'files and directories are added, /proc, /dev and mounted files are not',
    'mkdir -p /d/a /d/b /d/c && for f in a/1 a/2 b/1 c/1 c/2; do echo 1 > /d/$f; done; echo 1 > /f; ln -s /d /l',
    [
      `${DIRECTORY} d/`,
      `${DIRECTORY} d/a/`,
      `${FILE} d/a/1`,
      `${FILE} d/a/2`,
      `${DIRECTORY} d/b/`,
      `${FILE} d/b/1`,
      `${DIRECTORY} d/c/`,
      `${FILE} d/c/1`,
      `${FILE} d/c/2`,
      `${FILE} f`,
      `${LINK} l -> /d`,
    ],
  ],
  [
    'what is removed is a whiteout, one for each name even where a directory was made again',
    'rm /d/a/1 && rm -rf /d/b /d/c && mkdir /d/c && echo 1 > /d/c/1 && echo 2 > /d/c/3',
    [
      `${DIRECTORY} d/`,
      `${WHITEOUT} d/.wh.b`,
      `${DIRECTORY} d/a/`,
      `${WHITEOUT} d/a/.wh.1`,
      `${DIRECTORY} d/c/`,
      `${WHITEOUT} d/c/.wh.2`,
      `${FILE} d/c/3`,
    ],
  ],
  [
    'types are replaced',
    'rm /f && mkdir /f && echo 1 > /f/in && rm -rf /d/a && echo 2 > /d/a && rm /l && mkfifo /l',
    [
      `${DIRECTORY} d/`,
      `${FILE} d/a`,
      `${DIRECTORY} f/`,
      `${FILE} f/in`,
      'prw-r--r-- 0/0 0 1970-01-01 00:00:00 l',
    ],
  ],
  [
    'modes, owners, links and names are kept',
    'mkdir -m 1777 /n && cd /n && echo 1 > a && ln a b && ln -s a c && chmod 4755 a && ' +
      'echo 2 > e && chown 7:8 e && chmod 600 e && mkfifo -m 640 p && echo 3 > "$(printf \'caf\\351\')" && ' +
      'mkdir s && chmod 2750 s && chown 1000:2000 s && ln -s /nowhere o && chown -h 5:6 o',
    [
      'drwxrwxrwt 0/0 0 1970-01-01 00:00:00 n/',
      '-rwsr-xr-x 0/0 2 1970-01-01 00:00:00 n/a',
      'hrwsr-xr-x 0/0 0 1970-01-01 00:00:00 n/b link to n/a',
      `${LINK} n/c -> a`,
      `${FILE} n/caf\\351`,
      '-rw------- 7/8 2 1970-01-01 00:00:00 n/e',
      'lrwxrwxrwx 5/6 0 1970-01-01 00:00:00 n/o -> /nowhere',
      'prw-r----- 0/0 0 1970-01-01 00:00:00 n/p',
      'drwxr-s--- 1000/2000 0 1970-01-01 00:00:00 n/s/',
    ],
  ],
  [
    'what is touched, written with the same bytes or changed and changed back is no change',
    'touch /etc/passwd /d && cat /etc/group > /tmp && cat /tmp > /etc/group && rm /tmp && ' +
      'chmod 600 /etc/passwd && chmod 644 /etc/passwd && chown 1 /bin/busybox && chown 0 /bin/busybox',
    [],
  ],
]

const CHANGING = ['FROM base', ...CHANGES.map(([, command]) => `RUN ${command}`)].join('\n')
let changed: Build | undefined

void t.test('a layer is what a process changed', needs('run', 'busybox'), async (t) => {
  changed = await bench.build(bench.context(CHANGING))
  for (const [index, [what, , members]] of CHANGES.entries()) {
    t.strictSame(await bench.members(changed, index - CHANGES.length), members, what)
  }
})

void t.test('times later than the epoch become the epoch', needs('run', 'busybox'), async (t) => {
  const context = bench.context(
    "FROM base\nRUN echo 1 > new && echo 1 > old && touch -d '2000-01-01 00:00:00' old\n",
  )
  const build = await bench.build(context, { env: { SOURCE_DATE_EPOCH: '1000000000' } })
  t.strictSame(await bench.members(build), [
    '-rw-r--r-- 0/0 2 2001-09-09 01:46:40 new',
    '-rw-r--r-- 0/0 2 2000-01-01 00:00:00 old',
  ])
})

void t.test(
  'attributes, such as file capabilities, survive a command that changes their file',
  needs('run', 'busybox', 'getfattr', 'setfattr'),
  async (t) => {
    const xattrs = new Map([
      // Revision 2, `cap_net_bind_service=ep`: linux/capability.h.
      [
        'security.capability',
        Uint8Array.from(Buffer.from('0100000200040000000000000000000000000000', 'hex')),
      ],
      ['user.any', Uint8Array.of(0, 10, 61, 255)],
    ])
    const content = bytesSource(Buffer.from('tool'))
    const chunks: Uint8Array[] = []
    const tree = Tree.from([createEntry({ path: 'tool', type: 'file', xattrs, content })])
    for await (const chunk of pack(tree)) chunks.push(chunk)
    const dockerfile = 'FROM base\nADD tool.tar /\nRUN chmod 711 /tool\n'
    const { result } = await bench.build(bench.context(dockerfile, { 'tool.tar': Buffer.concat(chunks) }))
    const digest = result.images[0]?.layers.at(-1)?.descriptor.digest ?? ''
    const members: Entry[] = []
    for await (const { entry } of decodeTar(decompress(createReadStream(bench.blob(digest)))))
      members.push(entry)
    t.strictSame(
      members.map(({ path, mode }) => [path, mode]),
      [['tool', 0o711]],
    )
    t.strictSame(inHex(members[0]?.xattrs ?? []), inHex(xattrs))
  },
)

function inHex(xattrs: Iterable<readonly [name: string, value: Uint8Array]>): string[] {
  return Array.from(xattrs, ([name, value]) => `${name}=${Buffer.from(value).toString('hex')}`)
}

for (const sandbox of SANDBOXES) {
  for (const stacking of ['overlay', 'copy'] as const) {
    void t.test(
      `${sandbox} on ${stacking} makes the same layers`,
      needs('run', 'busybox', sandbox),
      async (t) => {
        changed ??= await bench.build(bench.context(CHANGING))
        const layers = (changed.result.images[0]?.layers ?? []).map(({ descriptor, diffID }) => ({
          descriptor,
          diffID,
          file: bench.blob(descriptor.digest),
        }))
        const below = layers.length - CHANGES.length
        const job = {
          options: { directory: bench.path(`${sandbox}-${stacking}`), sandbox, stacking },
          path: PATH,
          runs: CHANGES.map(([, command], index) => ({ command, layers: layers.slice(0, below + index) })),
        }
        await bundlePrograms([DRIVER, WORKER], bench.directory)
        writeFileSync(bench.path('job.json'), JSON.stringify(job))
        const printed = await succeed(process.execPath, [bench.path('run-driver.js'), bench.path('job.json')])
        const expected = layers.slice(below).map(({ diffID }) => diffID)
        t.strictSame(JSON.parse(printed), expected)
        t.notOk(existsSync(job.options.directory), 'the working directory is removed')
      },
    )
  }
}

void t.test(
  'an ordinary user gets the same image as root',
  needsOrdinaryUser('run', 'busybox'),
  async (t) => {
    changed ??= await bench.build(bench.context(CHANGING))
    const user = ordinaryUser()
    const [cache, context] = [bench.path('cache-of-user'), bench.context(CHANGING)]
    mkdirSync(cache)
    chownSync(cache, user.uid, user.gid)
    chmodSync(bench.directory, 0o755)
    const build = await bench.build(context, { cache, ...user })
    t.equal(build.result.digest, changed.result.digest)
    const { logs } = await bench.build(
      bench.context('FROM base\nUSER app\nRUN id -u; id -G; cat /proc/self/uid_map | wc -l\n'),
      {
        cache,
        ...user,
      },
    )
    t.match(logs, ['1000\n1000 2000 2001\n2\n'])
    t.strictSame(readdirSync(`${cache}/runs`), [], 'working directories are removed')
  },
)

void t.test('a failing command fails the build', needs('run', 'busybox'), async (t) => {
  const context = bench.context('FROM base\n\nRUN echo before; \\\n  exit 42\n')
  const { code, stdout, stderr } = await bench.attempt(context, { flags: ['--progress', 'plain'] })
  t.strictSame([code, stdout], [1, ''])
  t.match(stderr, /\| before\n/)
  t.match(stderr, /varve: Dockerfile:3: .*exit code 42/)
  const json = await bench.attempt(context, { flags: ['--progress', 'json'] })
  t.match(json.stderr, /"type":"step-error".*exit code 42/)
  const killed = await bench.attempt(bench.context("FROM base\nRUN sh -c 'kill -KILL $$'\n"))
  t.match(killed, { code: 1, stderr: /Dockerfile:2: .*exit code 137/ })
})

void t.test('a missing program is named', needs('run', 'busybox'), async (t) => {
  const shell = await bench.attempt(bench.context('FROM scratch\nCOPY Dockerfile /\nRUN echo hello\n'))
  t.match(shell, { code: 1, stderr: /Dockerfile:3: "\/bin\/sh" is not in the image\n.*\n +hint: .*shell/ })
  const program = await bench.attempt(bench.context('FROM base\nRUN ["nothing"]\n'))
  t.match(program, { code: 1, stderr: /Dockerfile:2: "nothing" is not in the image/ })
})

void t.test('without a runner only what is cached can be had', needs('run', 'busybox'), async (t) => {
  const context = bench.context('FROM base\nRUN echo 1 > /cached\n')
  t.match(await bench.attempt(context, { flags: ['--runner', 'none'] }), {
    code: 1,
    stderr: /Dockerfile:2: .*no runner/,
  })
  const { result } = await bench.build(context)
  const again = await bench.build(context, { flags: ['--runner', 'none'] })
  t.equal(again.result.digest, result.digest)
  t.match(again.result.steps, [{ cache: 'hit' }])
})

void t.test('the network is the host’s unless it is none', needs('run', 'busybox'), async (t) => {
  const server = createServer((_, response) => response.end('reached\n'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const fetch = `wget -q -O - ${url} 2>/dev/null || echo unreachable`
  const { logs } = await bench.build(bench.context(`FROM base\nRUN ${fetch}\nRUN --network=none ${fetch}\n`))
  t.strictSame(logs, ['reached\n', 'unreachable\n'])
})

for (const sandbox of SANDBOXES) {
  void t.test(`nothing of ${sandbox} outlives the command`, needs('run', 'busybox', sandbox), async (t) => {
    const base = await bench.base()
    const cache = bench.path(`cache-killed-${sandbox}`)
    const context = bench.context('FROM base\nRUN echo 1 > /written && echo begun && sleep 98765\n')
    const flags = ['--cache-dir', cache, '--build-context', `base=oci-layout://${base}`, '--runner', sandbox]
    for (const signal of ['SIGKILL', 'SIGINT', 'SIGTERM'] as const) {
      const child = startVarve(['build', ...flags, '--progress', 'plain', context])
      const ended = outcomeOf(child)
      let said = ''
      child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
      await until('the command begins', () => said.includes('| begun'))
      t.not(processesAbout(cache).length, 0, 'processes are there to be looked for')
      child.kill(signal)
      const { code } = await ended
      t.equal(code, signal === 'SIGKILL' ? null : 130, signal)
      await until('all processes end', () => processesAbout(cache).length === 0)
      t.strictSame(mountsAbout(cache), [], 'nothing is mounted')
      const runs = readdirSync(`${cache}/runs`)
      t.equal(runs.length, signal === 'SIGKILL' ? 1 : 0, 'only a killed build leaves its working directory')
    }
    await bench.build(bench.context('FROM base\nRUN true\n'), { cache, flags: ['--runner', sandbox] })
    t.strictSame(readdirSync(`${cache}/runs`), [], 'the next build cleans up')
  })
}
