/**
 * The Basic scheme: RFC 7617.
 *
 * @module
 */

/** The `Authorization` of a user; UTF-8 before base64, as everybody but the oldest servers reads it. */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`
}
