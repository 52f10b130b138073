/**
 * URLs and words of others for people to read.
 *
 * @module
 */

/** A URL without user information and without the values of its query, which may be signatures or sessions. */
export function redactUrl(text: string): string {
  if (!URL.canParse(text)) return '(not a URL)'
  const url = new URL(text)
  return `${url.protocol}//${url.host}${url.pathname}${url.search === '' ? '' : '?…'}`
}

/**
 * Parses JSON that may quote a credential, such as an error that shows the headers of the request, and cuts it out:
 * of what was parsed, since JSON can spell a password in many ways.
 */
export function parseWithoutSecrets(text: string, authorization: string | undefined): unknown {
  const secrets = secretsOf(authorization)
  const cut = (words: string): string => secrets.reduce((rest, secret) => rest.replaceAll(secret, '…'), words)
  return JSON.parse(text, (_, value: unknown) => {
    if (typeof value === 'string') return cut(value)
    if (typeof value === 'number') return cut(String(value)) === String(value) ? value : '…'
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [cut(key), member]))
  })
}

/** The credential of an `Authorization`, and the password that is in it. Short ones would cut words apart. */
function secretsOf(authorization: string | undefined): string[] {
  const [scheme = '', value = ''] = authorization?.split(' ', 2) ?? []
  const secrets = [value]
  if (scheme.toLowerCase() === 'basic') {
    const user = Buffer.from(value, 'base64').toString()
    secrets.push(user.slice(user.indexOf(':') + 1))
  }
  return secrets.filter(({ length }) => length >= 4)
}
