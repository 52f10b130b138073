/**
 * `--chmod`: octal and symbolic modes.
 *
 * Grammar: POSIX chmod(1), "mode". There is no umask here: a clause without a class is one for all of them.
 *
 * @module
 */
import { BuilderError, type SourceLocation } from '../errors.ts'

/** Gives the new mode of a file that has `mode`. */
export type ModeChange = (mode: number, isDirectory: boolean) => number

const OCTAL = /^0*[0-7]{1,4}$/
const CLAUSE = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/
const ACTION = /([-+=])([ugo]|[rwxXst]*)/g

/** The bits of each class: setuid is the user's, setgid the group's, and the sticky bit, as in GNU chmod, others'. */
const CLASSES: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 }
/** What a letter gives to every class; which of them get it is a mask. */
const PERMISSIONS: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111, s: 0o6000, t: 0o1000 }
/** How far the permissions of each class are from those of others. */
const SHIFTS: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 }

/** Parses what `--chmod` was given. @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` */
export function parseMode(text: string, location?: SourceLocation): ModeChange {
  if (OCTAL.test(text)) {
    const mode = Number.parseInt(text, 8)
    return () => mode
  }
  const changes = text.split(',').map((clause) => parseClause(clause))
  if (changes.includes(undefined)) {
    throw new BuilderError('ERR_BUILDER_DOCKERFILE', `Invalid mode ${JSON.stringify(text)}`, {
      ...(location !== undefined && { location }),
      hint: 'Use an octal mode such as 755, or a symbolic one such as u=rwX,go=rX',
    })
  }
  return (mode, isDirectory) => changes.reduce((current, change) => change!(current, isDirectory), mode)
}

function parseClause(clause: string): ModeChange | undefined {
  const [, who, actions = ''] = CLAUSE.exec(clause) ?? []
  if (who === undefined) return undefined
  const affected = (who || 'a').split('').reduce((mask, letter) => mask | CLASSES[letter]!, 0)
  const steps = [...actions.matchAll(ACTION)]
  return (mode, isDirectory) => {
    let current = mode
    for (const [, operator, letters = ''] of steps) {
      const change = permissions(letters, current, isDirectory) & affected
      if (operator === '+') current |= change
      else if (operator === '-') current &= ~change
      else current = (current & ~affected) | change
    }
    return current
  }
}

/** The bits that letters stand for, in every class: some permissions, or a copy of what one class has. */
function permissions(letters: string, mode: number, isDirectory: boolean): number {
  const shift = SHIFTS[letters]
  if (shift !== undefined) return ((mode >> shift) & 0o7) * 0o111
  const executable = isDirectory || (mode & 0o111) !== 0
  return letters
    .split('')
    .reduce((bits, letter) => bits | (letter === 'X' ? (executable ? 0o111 : 0) : PERMISSIONS[letter]!), 0)
}
