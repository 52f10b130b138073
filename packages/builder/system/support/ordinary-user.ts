/**
 * An ordinary user with subordinate ids, as a rootless build needs one.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { isRoot, type Needs, needs } from '@varve/testing/peers'

/** Its numbers, for starting processes. */
export interface OrdinaryUser {
  readonly uid: number
  readonly gid: number
  /** What its login would set. */
  readonly env: Readonly<Record<string, string>>
}

const NAME = 'varve-tester'
const FIRST_SUBORDINATE = 1_200_000

/** What tests with an ordinary user need. */
export function needsOrdinaryUser(...others: readonly string[]): Needs {
  return needs('root', 'useradd', 'newuidmap', 'newgidmap', ...others)
}

/** Gives the user of these tests; made if it is not there, and left there. */
export function ordinaryUser(): OrdinaryUser {
  if (!isRoot()) throw new Error('Only root can make users')
  let account = findAccount()
  if (account === undefined) {
    execFileSync('useradd', ['--create-home', '--shell', '/bin/sh', NAME], { stdio: 'ignore' })
    account = findAccount()
  }
  if (account === undefined) throw new Error(`The user ${NAME} could not be made`)
  for (const file of ['/etc/subuid', '/etc/subgid']) {
    const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
    if (!text.includes(`${NAME}:`)) appendFileSync(file, `${NAME}:${FIRST_SUBORDINATE}:65536\n`)
  }
  const [, , uid, gid, , home = '/'] = account
  return { uid: Number(uid), gid: Number(gid), env: { HOME: home, USER: NAME, LOGNAME: NAME } }
}

function findAccount(): string[] | undefined {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === NAME)
}
