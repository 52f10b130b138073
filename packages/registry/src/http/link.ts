/**
 * `Link`: RFC 8288 §3, as far as pages need it.
 *
 * @module
 */

const LINK =
  /[ \t,]*<([^<>]*)>((?:[ \t]*;[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:"(?:[^"\\]|\\.)*"|[^",; \t]+))?)*)[ \t]*(?=,|$)/y
const RELATION = /;[ \t]*rel=(?:"([^"]*)"|([^",; \t]+))/i

/** The target of the first link whose relation is `next`. */
export function parseNextLink(headers: readonly string[]): string | undefined {
  for (const header of headers) {
    LINK.lastIndex = 0
    for (let match = LINK.exec(header); match !== null; match = LINK.exec(header)) {
      const [, target, parameters = ''] = match
      const [, quoted, plain = ''] = RELATION.exec(parameters) ?? []
      if ((quoted ?? plain).toLowerCase().split(' ').includes('next')) return target
    }
  }
  return undefined
}
