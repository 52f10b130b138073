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

/** Cuts a credential out of a text that may quote it, such as a page that shows the headers of the request. */
export function withoutSecrets(text: string, authorization: string | undefined): string {
  return secretsOf(authorization).reduce((rest, secret) => rest.replaceAll(secret, '…'), text)
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
