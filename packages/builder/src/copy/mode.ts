/**
 * `--chmod`: octal and symbolic modes.
 *
 * Grammar: POSIX chmod(1), "mode", without `=u`-like copies of permissions.
 *
 * @module
 */
import { BuilderError, type SourceLocation } from '../errors.ts'

/** Gives the new mode of a file that has `mode`. */
export type ModeChange = (mode: number, isDirectory: boolean) => number

const OCTAL = /^[0-7]{1,4}$/
const CLAUSE = /^([ugoa]*)((?:[-+=][rwxXst]*)+)$/
const ACTION = /([-+=])([rwxXst]*)/g

const CLASSES: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 }
const PERMISSIONS: Readonly<Record<string, number>> = {
  r: 0o444,
  w: 0o222,
  x: 0o111,
  X: 0o111,
  s: 0o6000,
  t: 0o1000,
}

/** Parses what `--chmod` was given. @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` */
export function parseMode(text: string, location?: SourceLocation): ModeChange {
  if (OCTAL.test(text)) {
    const mode = Number.parseInt(text, 8)
    return () => mode
  }
  const clauses = text.split(',').map((clause) => CLAUSE.exec(clause))
  if (clauses.includes(null)) {
    throw new BuilderError(
      'ERR_BUILDER_DOCKERFILE',
      `Invalid mode ${JSON.stringify(text)}`,
      location && { location },
    )
  }
  return (mode, isDirectory) => {
    let current = mode
    for (const clause of clauses) {
      const [, who = '', actions = ''] = clause ?? []
      const affected = (who || 'a').split('').reduce((mask, letter) => mask | (CLASSES[letter] ?? 0), 0)
      for (const [, operator, letters = ''] of actions.matchAll(ACTION)) {
        const executable = isDirectory || (current & 0o111) !== 0
        const bits = letters
          .split('')
          .reduce(
            (sum, letter) => (letter === 'X' && !executable ? sum : sum | (PERMISSIONS[letter] ?? 0)),
            0,
          )
        const change = bits & affected
        if (operator === '+') current |= change
        else if (operator === '-') current &= ~change
        else current = (current & ~affected) | change
      }
    }
    return current
  }
}
