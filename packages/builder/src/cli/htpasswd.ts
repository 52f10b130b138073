/**
 * Password files as `htpasswd -B` writes them: a name, a colon and a bcrypt hash a line.
 *
 * @module
 */
import { createHmac, randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { compare, truncates } from 'bcryptjs'
import { usage } from './options.ts'

/** Whether a name has a password. */
export type PasswordCheck = (name: string, password: string) => Promise<boolean>

const BCRYPT = /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/

/** A password that was right stays so for this long: clients send it with every request, and hashing is slow on purpose. */
const REMEMBERED_MS = 5 * 60 * 1000

const MAX_REMEMBERED = 1000

/** How long a change of the file may go unnoticed. */
const LOOK_EVERY_MS = 1000

/**
 * Reads a file, and again when it has changed. `onProblem` is told of a new content that cannot be used; the old one
 * then holds on.
 *
 * @throws {BuilderError} `ERR_BUILDER_USAGE` if it cannot be read, or has a line of another kind; it names the line, and
 *   never its content.
 */
export function readPasswords(path: string, onProblem: (error: unknown) => void): PasswordCheck {
  const current = followPasswords(path, onProblem)
  const key = randomBytes(32)
  return async (name, password) => {
    const { hashes, right } = current()
    // Of what is longer than 72 bytes bcrypt would ignore the rest.
    if (truncates(password)) return false
    const mark = createHmac('sha256', key)
      .update(JSON.stringify([name, password]))
      .digest('base64')
    const until = right.get(mark)
    if (until !== undefined && performance.now() < until) return true
    // A name that does not exist takes as long as one that does.
    const [anybody = ''] = hashes.values()
    const isRight = await compare(password, hashes.get(name) ?? anybody)
    if (!isRight || !hashes.has(name)) return false
    right.delete(mark)
    right.set(mark, performance.now() + REMEMBERED_MS)
    const [oldest] = right.keys()
    if (right.size > MAX_REMEMBERED && oldest !== undefined) right.delete(oldest)
    return true
  }
}

/** A content of the file. */
interface Passwords {
  readonly hashes: ReadonlyMap<string, string>
  /** Until when what was right stays so, by a mark of the name and password. */
  readonly right: Map<string, number>
}

/** Gives the content of a file, the same object for as long as it stays as it is. */
function followPasswords(path: string, onProblem: (error: unknown) => void): () => Passwords {
  const read = (): Passwords => ({ hashes: parsePasswords(path, textOf(path)), right: new Map() })
  let version = versionOf(path)
  let passwords = read()
  let looked = performance.now()
  return () => {
    if (performance.now() - looked < LOOK_EVERY_MS) return passwords
    looked = performance.now()
    const now = versionOf(path)
    if (now === version) return passwords
    version = now
    try {
      passwords = read()
    } catch (error) {
      onProblem(error)
    }
    return passwords
  }
}

/** Something else whenever a file has been written or replaced. */
function versionOf(path: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(path, { bigint: true })
    return `${ino} ${size} ${mtimeNs}`
  } catch {
    return 'none'
  }
}

function parsePasswords(path: string, text: string): ReadonlyMap<string, string> {
  const hashes = new Map<string, string>()
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const colon = line.indexOf(':')
    const hash = line.slice(colon + 1).trim()
    if (colon < 1 || !BCRYPT.test(hash)) {
      const message = `Line ${at + 1} of ${JSON.stringify(path)} is no name with a bcrypt hash`
      throw usage(message, 'htpasswd -B writes them')
    }
    hashes.set(line.slice(0, colon), hash)
  }
  return hashes
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw usage(`Cannot read ${JSON.stringify(path)}: ${(error as Error).message}`)
  }
}
