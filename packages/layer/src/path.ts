/**
 * Names inside an image.
 *
 * On Linux a name is a string of bytes. Here it is a JavaScript string in which every byte that is not part of valid
 * UTF-8 stands as a lone surrogate U+DC80..U+DCFF, the scheme of PEP 383: ordinary names stay ordinary, odd ones stay
 * exact. A path has no leading or trailing slash, and no empty, `.` or `..` component; `''` is the root.
 *
 * @module
 */
import { LayerError, quoted } from './errors.ts'

const SLASH = 0x2f
const ESCAPE = 0xdc00
// oxlint-disable-next-line no-control-regex
const ASCII = /^[\0-\x7f]*$/
const UNCLEAN = /(?:^|\/)\.{0,2}(?:\/|$)|\0/
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Turns the bytes of a name into a string; never fails, loses nothing. */
export function decodePath(bytes: Uint8Array): string {
  return decodeBytes(bytes, 0, bytes.byteLength)
}

/** {@link decodePath} of a string that has one character for every byte, which is how the system is best asked. */
export function decodeBinary(name: string): string {
  return isAscii(name) ? name : decodePath(Buffer.from(name, 'latin1'))
}

/** {@link decodePath} of `bytes[start, end)`. */
export function decodeBytes(bytes: Uint8Array, start: number, end: number): string {
  let seen = 0
  for (let at = start; at < end; at++) seen |= bytes[at]!
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (seen < 0x80) return buffer.toString('latin1', start, end)
  try {
    return strictUtf8.decode(buffer.subarray(start, end))
  } catch {
    return decodeMixed(buffer.subarray(start, end))
  }
}

/**
 * Turns a name back into its bytes: the exact inverse of {@link decodePath}.
 *
 * @throws {LayerError} `ERR_LAYER_PATH` if it holds a lone surrogate that stands for no byte.
 */
export function encodePath(path: string): Uint8Array {
  return hasRawBytes(path) ? encodeMixed(path) : Buffer.from(path)
}

/** Whether every character is one byte, the same in ASCII and UTF-8. */
export function isAscii(path: string): boolean {
  return ASCII.test(path)
}

/** Whether the name has bytes that are not UTF-8, so that a file system call needs it as bytes. */
export function hasRawBytes(path: string): boolean {
  // Native, and at once for one-byte strings (measured); in ES2024, so the types of ES2023 do not have it.
  return !(path as unknown as { isWellFormed(): boolean }).isWellFormed()
}

/**
 * Orders paths by their bytes with `/` below every other byte, so that a directory is followed by all that is in it.
 * A comparator for `sort`.
 */
export function comparePaths(a: string, b: string): number {
  return compareFrom(a, b, 0)
}

/** {@link comparePaths} of paths that are known to be alike up to a slash or an end before `start`. */
export function compareFrom(a: string, b: string, start: number): number {
  const length = Math.min(a.length, b.length)
  for (let at = start; at < length; at++) {
    const left = a.charCodeAt(at)
    const right = b.charCodeAt(at)
    if (left === right) continue
    if (left === SLASH) return -1
    if (right === SLASH) return 1
    // UTF-16 and UTF-8 order alike below the surrogates.
    if (left < 0xd800 && right < 0xd800) return left - right
    return compareBytes(a, b, at)
  }
  return a.length - b.length
}

/** The directory a path is in; `''` for what is in the root, and for the root itself. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash === -1 ? '' : path.slice(0, slash)
}

/** The last component. */
export function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Adds a component to a path. */
export function joinPath(parent: string, name: string): string {
  return parent === '' ? name : `${parent}/${name}`
}

/** Whether `path` is a path as this module defines it. */
export function isCleanPath(path: string): boolean {
  return path === '' || !UNCLEAN.test(path)
}

/**
 * Makes a path of a name found in an archive: absolute names, `./`, `a//b`, `a/../b` and a trailing slash are cleaned.
 *
 * @throws {LayerError} `ERR_LAYER_UNSAFE` if `..` leads out of the root; `ERR_LAYER_PATH` if it holds a NUL byte.
 */
export function normalizePath(name: string): string {
  // Nearly all names look like `./a/b` or `a/b/`, and taking them apart costs ten times as much (measured).
  const trimmed = name.slice(name.startsWith('./') ? 2 : 0, name.endsWith('/') ? -1 : name.length)
  if (trimmed !== '' && !UNCLEAN.test(trimmed)) return trimmed
  if (name.includes('\0')) throw new LayerError('ERR_LAYER_PATH', `A name with a NUL byte: ${quoted(name)}`)
  const clean: string[] = []
  for (const component of name.split('/')) {
    if (component === '' || component === '.') continue
    if (component !== '..') clean.push(component)
    else if (clean.pop() === undefined) {
      throw new LayerError('ERR_LAYER_UNSAFE', `A name that leaves the root: ${quoted(name)}`, { path: name })
    }
  }
  return clean.join('/')
}

function compareBytes(a: string, b: string, at: number): number {
  // The units before `at` are equal; a pair must not be cut in its middle.
  const pair = at > 0 && (a.charCodeAt(at - 1) & 0xfc00) === 0xd800
  const from = pair ? at - 1 : at
  return Buffer.compare(encodePath(a.slice(from)), encodePath(b.slice(from)))
}

/** Finds the valid sequences of RFC 3629 §4 one by one, and escapes every other byte. */
function decodeMixed(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at)
    if (length === 0) {
      text += String.fromCharCode(ESCAPE + bytes[at]!)
      at += 1
    } else {
      text += bytes.toString('utf8', at, at + length)
      at += length
    }
  }
  return text
}

function sequenceLength(bytes: Buffer, at: number): number {
  const lead = bytes[at]!
  if (lead < 0x80) return 1
  if (lead < 0xc2 || lead > 0xf4) return 0
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
  // The second byte of some sequences is bounded more closely: no overlong forms, no surrogates, nothing past U+10FFFF.
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  const second = bytes[at + 1] ?? 0
  if (second < low || second > high) return 0
  for (let next = 2; next < length; next++) {
    if (((bytes[at + next] ?? 0) & 0xc0) !== 0x80) return 0
  }
  return length
}

function encodeMixed(path: string): Uint8Array {
  const parts: Buffer[] = []
  for (const character of path) {
    const point = character.codePointAt(0)!
    if (point >= 0xdc80 && point <= 0xdcff) parts.push(Buffer.of(point - ESCAPE))
    else if (point >= 0xd800 && point <= 0xdfff) {
      throw new LayerError('ERR_LAYER_PATH', `A surrogate that stands for no byte in ${quoted(path)}`, {
        path,
      })
    } else parts.push(Buffer.from(character))
  }
  return Buffer.concat(parts)
}
