import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import t from 'tap'
import { execute, outcomeOf, startVarve } from './support/command.ts'
import { needsOrdinaryUser, ordinaryUser } from './support/ordinary-user.ts'
import { needs } from './support/peers.ts'
import { mountsAbout, processesAbout, until } from './support/processes.ts'
import { createWorkbench } from './support/workbench.ts'

t.setTimeout(1_200_000)

const bench = createWorkbench()
t.teardown(() => bench.close())

const SANDBOXES = ['bwrap', 'unshare'] as const
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Instructions, and what they must print. */
const CONTRACT: ReadonlyArray<readonly [instructions: string, printed: string]> = [
  ['ENV GREETING="hello world"\nARG DECLARED=arg\nARG BARE\nWORKDIR /work/dir', ''],
  ['RUN ["env"]', `${PATH}\nGREETING=hello world\nDECLARED=arg\nHOME=/root\nPWD=/work/dir\n`],
  [
    'RUN id; pwd; hostname; umask',
    'uid=0(root) gid=0(root) groups=0(root)\n/work/dir\nbuildkitsandbox\n0022\n',
  ],
  [
    "RUN grep -E '^(CapPrm|CapEff)' /proc/self/status",
    'CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n',
  ],
  [
    "RUN cd /dev && ls -1d [!c]* | tr '\\n' ' '",
    'fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ',
  ],
  ['RUN ls -ld /dev/shm | cut -c1-10; head -c 4 /dev/zero | wc -c; echo > /dev/null', 'drwxrwxrwt\n4\n'],
  ['RUN for each in sys/vm/swappiness sysrq-trigger; do [ ! -w /proc/$each ] || echo $each; done', ''],
  ['RUN test -s /etc/resolv.conf && test -s /etc/hosts && echo there', 'there\n'],
  [
    "RUN --network=none tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; ping -c 1 127.0.0.1 | grep -o ' 0% .*'",
    'lo\n 0% packet loss\n',
  ],
  ['RUN <<EOF\necho first \\\n  $GREETING\nfalse || echo second\nEOF', 'first hello world\nsecond\n'],
  ['RUN <<EOF\n#!/bin/busybox awk -f\nBEGIN { print "script " 6 * 7 }\nEOF', 'script 42\n'],
  ['RUN cat <<ONE && cat <<TWO\n1\nONE\n2\nTWO', '1\n2\n'],
  ['USER app\nRUN ["env"]', `${PATH}\nGREETING=hello world\nDECLARED=arg\nHOME=/home/app\nPWD=/work/dir\n`],
  [
    'RUN id; pwd; umask',
    'uid=1000(app) gid=1000(app) groups=1000(app),2000(extra),2001(more)\n/work/dir\n0022\n',
  ],
  [
    "RUN grep -E '^Cap(Prm|Eff|Bnd)' /proc/self/status",
    'CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\n',
  ],
  ['USER app:extra\nRUN id -u; id -g', '1000\n2000\n'],
  ['USER 4242:4343\nRUN ["id"]', 'uid=4242 gid=4343 groups=4343\n'],
]

for (const sandbox of SANDBOXES) {
  void t.test(`${sandbox} keeps the contract of RUN`, needs('run', 'busybox', sandbox), async (t) => {
    await bench.base()
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

/** Commands that change files, and the layer they must make, as `tar -tv` lists it. */
const CHANGES: ReadonlyArray<readonly [command: string, members: readonly string[]]> = [
  [
    'mkdir -p /d/keep /d/gone /d/again /d/turn && for f in keep/f keep/g gone/f again/old again/same turn/x; do echo 1 > /d/$f; done; ' +
      'echo file > /turned; ln -s /d /link',
    [],
  ],
]
void CHANGES

void t.test('explore', async (t) => {
  await bench.base()
  const commands = [
    CHANGES[0]![0],
    'rm /d/keep/f && rm -rf /d/gone /d/again && mkdir /d/again && echo 1 > /d/again/same && echo 2 > /d/again/new',
    'rm /turned && mkdir /turned && echo x > /turned/in && rm -rf /d/turn && echo file > /d/turn && rm /link && mkfifo /link',
    'mkdir -m 1777 /n && cd /n && echo 1 > a && ln a b && ln -s a c && chmod 4755 a && echo 2 > e && chown 7:8 e && chmod 600 e && mkfifo -m 640 p && echo 3 > "$(printf \'caf\\351\')" && mkdir s && chmod 2750 s && chown 1000:2000 s && ln -s /nowhere dangling && chown -h 5:6 dangling',
    'touch /etc/passwd /d/keep && cat /etc/group > /tmp && cat /tmp > /etc/group && rm /tmp && chmod 600 /etc/passwd && chmod 644 /etc/passwd && chown 1 /bin/busybox && chown 0 /bin/busybox',
    'true',
  ]
  const b = await bench.build(bench.context(['FROM base', ...commands.map((c) => `RUN ${c}`)].join('\n')))
  for (const [i, c] of commands.entries()) console.log(c, await bench.members(b, i - commands.length))
})
