/**
 * Names of users and groups, looked up in the image and nowhere else.
 *
 * @module
 */
import { readAll } from '@varve/digest'
import type { Tree } from '@varve/layer'
import { BuilderError, type SourceLocation } from '../errors.ts'
import { resolveInRoot } from './in-root.ts'

/** Who owns a file. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Who runs a process. */
export interface Identity extends Owner {
  /** Supplementary groups, the primary one not among them. */
  readonly groups: readonly number[]
  readonly home: string
}

/** Reads `/etc/passwd` or `/etc/group` of an image; `''` where there is none. */
export type ReadAccounts = (file: 'etc/passwd' | 'etc/group') => Promise<string>

const NUMBER = /^\d{1,10}$/
const MAXIMUM_ID = 0xffff_fffe
/** An accounts file larger than this is hostile. */
const MAXIMUM_ACCOUNTS = 8 * 1024 * 1024

/** The accounts of a virtual tree. */
export function accountsOf(tree: Tree): ReadAccounts {
  return async (file) => {
    const entry = tree.get(resolveInRoot(tree, file))
    const target = entry?.type === 'hardlink' ? tree.get(entry.linkname) : entry
    if (target?.type !== 'file' || target.content === undefined) return ''
    return new TextDecoder().decode(await readAll(target.content.open(), MAXIMUM_ACCOUNTS))
  }
}

/**
 * Resolves `user[:group]` as USER and `--chown` take it: numbers as they are, names by the image's accounts.
 *
 * Without a group a number stands for both ids in `--chown` (`numericGroup: 'same'`) and means group 0 for USER.
 *
 * @throws {BuilderError} `ERR_BUILDER_COPY` if a name is not known; never a silent 0.
 */
export async function resolveIdentity(
  text: string,
  accounts: ReadAccounts,
  options: { readonly numericGroup: 'same' | 'root'; readonly location?: SourceLocation | undefined },
): Promise<Identity> {
  const [user = '', group] = text.split(':', 2)
  const passwd = rows(await accounts('etc/passwd'))
  const groups = rows(await accounts('etc/group'))
  const name = user === '' ? '0' : user
  const account = passwd.find((row) => row[0] === name) ?? passwd.find((row) => row[2] === name)
  const uid = NUMBER.test(name) ? Number(name) : Number(account?.[2] ?? Number.NaN)
  const named = account !== undefined && !NUMBER.test(name)
  const primary =
    account !== undefined && (named || options.numericGroup === 'root') ? Number(account[3]) : undefined
  const fallback = options.numericGroup === 'same' ? uid : 0
  const gid = group === undefined || group === '' ? (primary ?? fallback) : groupId(group)
  for (const [id, what] of [
    [uid, `user ${JSON.stringify(user)}`],
    [gid, `group ${JSON.stringify(group ?? '')}`],
  ] as const) {
    if (Number.isInteger(id) && id >= 0 && id <= MAXIMUM_ID) continue
    const { location } = options
    throw new BuilderError('ERR_BUILDER_COPY', `The image has no ${what}`, {
      ...(location !== undefined && { location }),
      hint: 'Use a number, or add the name to /etc/passwd or /etc/group first',
    })
  }
  const login = account?.[0]
  const supplementary = groups
    .filter((row) => login !== undefined && group === undefined && (row[3] ?? '').split(',').includes(login))
    .map((row) => Number(row[2]))
    .filter((id) => Number.isInteger(id) && id !== gid)
  return { uid, gid, groups: supplementary.toSorted((a, b) => a - b), home: account?.[5] || '/' }

  function groupId(wanted: string): number {
    if (NUMBER.test(wanted)) return Number(wanted)
    return Number(groups.find((row) => row[0] === wanted)?.[2] ?? Number.NaN)
  }
}

function rows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'))
}
