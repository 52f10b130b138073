/**
 * URLs for people to read.
 *
 * @module
 */

/** A URL without user information and without the values of its query, which may be signatures or sessions. */
export function redactUrl(text: string): string {
  if (!URL.canParse(text)) return '(not a URL)'
  const url = new URL(text)
  return `${url.protocol}//${url.host}${url.pathname}${url.search === '' ? '' : '?…'}`
}
