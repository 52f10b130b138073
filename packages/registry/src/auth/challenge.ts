/**
 * `WWW-Authenticate`: RFC 9110 §11.6.1.
 *
 * One header may hold several challenges and several headers may come; commas separate both challenges and their
 * parameters, so this is a parser and not a split.
 *
 * @module
 */

/** What a server wants to see. */
export interface Challenge {
  /** Lower-case, such as `bearer`. */
  readonly scheme: string
  /** By lower-case name. Empty when the scheme came with a token68. */
  readonly parameters: ReadonlyMap<string, string>
}

/** Headers longer than this are not challenges but attacks. */
const MAX_LENGTH = 16 * 1024

const SEPARATOR = /[ \t,]*/y
const SCHEME = /([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?: +|(?=[ \t]*(?:,|$)))/y
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y
const PARAMETER =
  /([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+\-.^_`|~0-9A-Za-z]+))(?=[ \t]*(?:,|$))/y

/** Reads the values of all such headers. A header that is malformed anywhere counts as absent. */
export function parseChallenges(headers: readonly string[]): Challenge[] {
  return headers.flatMap((header) => (header.length > MAX_LENGTH ? [] : (parseHeader(header) ?? [])))
}

function parseHeader(header: string): Challenge[] | undefined {
  const challenges: Challenge[] = []
  let position = 0
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = position
    const match = pattern.exec(header) ?? undefined
    if (match !== undefined) position = pattern.lastIndex
    return match
  }
  take(SEPARATOR)
  while (position < header.length) {
    const scheme = take(SCHEME)?.[1]
    if (scheme === undefined) return undefined
    const parameters = new Map<string, string>()
    const hasToken = take(TOKEN68) !== undefined
    take(SEPARATOR)
    for (let match = hasToken ? undefined : take(PARAMETER); match !== undefined; match = take(PARAMETER)) {
      const [, name = '', quoted, plain] = match
      if (parameters.has(name.toLowerCase())) return undefined
      parameters.set(name.toLowerCase(), plain ?? (quoted ?? '').replace(/\\(.)/g, '$1'))
      take(SEPARATOR)
    }
    challenges.push({ scheme: scheme.toLowerCase(), parameters })
  }
  return challenges
}
