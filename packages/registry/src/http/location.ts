/**
 * URLs that a registry sends: opaque, so they are put together as text and never written anew.
 *
 * Upload locations hold signed state, such as `_state=…%3D%3D`, which must come back byte for byte.
 *
 * @module
 */
import { RegistryError } from '../errors.ts'

/** Visible ASCII but for the backslash, which URL parsers take for a slash. */
const PLAIN = /^[\x21-\x5b\x5d-\x7e]+$/

/**
 * Resolves a `Location` or `Link` against the URL it came from. Only the base is ever normalised, and only where the
 * text is relative to its path.
 *
 * @throws {RegistryError} `ERR_REGISTRY_RESPONSE` if it is no URL.
 */
export function resolveLocation(base: string, location: string): string {
  const [text = ''] = location.split('#', 1)
  const resolved = PLAIN.test(text) ? resolve(new URL(base), text) : undefined
  if (resolved !== undefined && URL.canParse(resolved)) return resolved
  throw new RegistryError('ERR_REGISTRY_RESPONSE', 'The reply holds a location that is not a URL')
}

/** Adds a parameter at the end of a URL, without touching what is there. */
export function appendQuery(url: string, name: string, value: string): string {
  const separator = url.includes('?') ? (/[?&]$/.test(url) ? '' : '&') : '?'
  return `${url}${separator}${name}=${encodeURIComponent(value)}`
}

function resolve(base: URL, text: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(text)) return /^https?:\/\/[^/]/i.test(text) ? text : undefined
  if (text.startsWith('//')) return base.protocol + text
  if (text.startsWith('/')) return base.origin + text
  const mark = text.indexOf('?')
  const path = mark === -1 ? text : text.slice(0, mark)
  const query = mark === -1 ? '' : text.slice(mark)
  return base.origin + (path === '' ? base.pathname : new URL(path, base).pathname) + query
}
