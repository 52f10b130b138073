/**
 * Names in the format of `getfattr --dump`: any byte can be `\ooo`.
 *
 * @module
 */
import { decodePath, encodePath } from '../path.ts'

/** A name as the tools read it, one character a byte. */
export function escapeName(name: string): string {
  return Buffer.from(encodePath(name))
    .toString('latin1')
    .replaceAll(/[^\w.-]/gu, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`)
}

/** A name out of a dump, one character a byte. */
export function unescapeName(text: string): string {
  const raw = text.includes('\\')
    ? text.replaceAll(/\\([0-7]{3})/gu, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    : text
  return decodePath(Buffer.from(raw, 'latin1'))
}
