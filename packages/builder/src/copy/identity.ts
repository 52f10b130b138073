/**
 * Names of users and groups, looked up in the image and nowhere else.
 *
 * @module
 */
import { readAll } from '@varve/digest'
import type { Tree } from '@varve/layer'
import { BuilderError, type SourceLocation } from '../errors.ts'
import { linkedFile } from './hard-links.ts'
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
/** The highest number is no id: it means "leave it as it is" (chown(2)). */
const MAXIMUM_ID = 0xffff_fffe
/** An accounts file larger than this is hostile. */
const MAXIMUM_ACCOUNTS = 8 * 1024 * 1024

/** The accounts of a virtual tree. */
export function accountsOf(tree: Tree): ReadAccounts {
  return async (file) => {
    const entry = tree.get(resolveInRoot(tree, file))
    const content = entry === undefined ? undefined : linkedFile(tree, entry).content
    if (content === undefined) return ''
    return new TextDecoder().decode(await readAll(content.open(), MAXIMUM_ACCOUNTS))
  }
}

/**
 * Resolves `user[:group]` as USER and `--chown` take it: numbers as they are, names by the image's accounts.
 *
 * Without a group a number stands for both ids in `--chown` (`numericGroup: 'same'`); for USER it means the group its
 * account has, or 0.
 *
 * @throws {BuilderError} `ERR_BUILDER_COPY` if a name is not known, or its account is damaged; never a silent 0.
 */
export async function resolveIdentity(
  text: string,
  accounts: ReadAccounts,
  options: { readonly numericGroup: 'same' | 'root'; readonly location?: SourceLocation | undefined },
): Promise<Identity> {
  const { numericGroup, location } = options
  const at = text.indexOf(':')
  const user = (at === -1 ? text : text.slice(0, at)) || '0'
  const group = at === -1 ? '' : text.slice(at + 1)
  const users = rows(await accounts('etc/passwd'))
  const groups = rows(await accounts('etc/group'))
  const isNumber = NUMBER.test(user)
  // A number is never a name, so that no account can make 1000 mean 0.
  const account = users.find((row) => row[isNumber ? 2 : 0] === user)
  const uid = required(isNumber ? user : account?.[2], `user ${JSON.stringify(user)}`)
  const gid = groupOf()
  const supplementary = new Set(
    group === '' && account !== undefined ? memberships(account[0] ?? '', groups) : [],
  )
  supplementary.delete(gid)
  return { uid, gid, groups: [...supplementary].toSorted((a, b) => a - b), home: account?.[5] || '/' }

  function groupOf(): number {
    if (group !== '') {
      const id = NUMBER.test(group) ? group : groups.find((row) => row[0] === group)?.[2]
      return required(id, `group ${JSON.stringify(group)}`)
    }
    if (isNumber && numericGroup === 'same') return uid
    if (isNumber && account === undefined) return 0
    return required(account?.[3], `primary group of the user ${JSON.stringify(user)}`)
  }

  function required(id: string | undefined, what: string): number {
    const number = parseId(id)
    if (number !== undefined) return number
    throw new BuilderError('ERR_BUILDER_COPY', `The image has no ${what}`, {
      ...(location !== undefined && { location }),
      hint: 'Use a number, or add the name to /etc/passwd or /etc/group first',
    })
  }
}

/** Groups that list a user as a member; damaged lines are as good as none. */
function memberships(login: string, groups: readonly string[][]): number[] {
  return groups.flatMap((row) => {
    const id = (row[3] ?? '').split(',').includes(login) ? parseId(row[2]) : undefined
    return id ?? []
  })
}

function parseId(text: string | undefined): number | undefined {
  if (text === undefined || !NUMBER.test(text)) return undefined
  const id = Number(text)
  return id <= MAXIMUM_ID ? id : undefined
}

/** The fields of each line: passwd(5), group(5). */
function rows(text: string): string[][] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'))
}
