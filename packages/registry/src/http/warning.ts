/**
 * `Warning`: distribution-spec, "Warnings"; RFC 7234 §5.5.
 *
 * @module
 */

/** distribution-spec: longer ones must not be sent. */
const MAX_LENGTH = 4096
/** `299 - "<text>"`; a date may follow, as RFC 7234 has it. */
const WARNING = /[ \t,]*299[ \t]+-[ \t]+"((?:[^"\\]|\\.)*)"(?:[ \t]+"[^"]*")?[ \t]*(?=,|$)/y

/**
 * The texts of all such headers. What the specification does not allow is passed over: another code, another agent, a
 * header that is too long. Control characters, which a terminal may obey, become spaces.
 */
export function parseWarnings(headers: readonly string[]): string[] {
  return headers.filter(({ length }) => length <= MAX_LENGTH).flatMap((header) => parseHeader(header))
}

function parseHeader(header: string): string[] {
  const texts: string[] = []
  WARNING.lastIndex = 0
  for (let match = WARNING.exec(header); match !== null; match = WARNING.exec(header)) {
    const text = (match[1] ?? '').replace(/\\(.)/g, '$1').replace(/\p{Cc}/gu, ' ')
    if (text.trim() !== '') texts.push(text)
  }
  return texts
}
