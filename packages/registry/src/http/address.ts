/**
 * Whom to connect to.
 *
 * @module
 */
import { isIP } from 'node:net'
import { withoutBrackets } from '../hosts/addresses.ts'

/** The options of a request that say who answers it. */
export interface Address {
  readonly hostname: string
  readonly port: string
  /** Whose certificate must be shown. Node would take the `Host` header, which a proxy gets for somebody else. */
  readonly servername: string
}

/** From the parts of a URL. */
export function addressOf(host: string, port: string): Address {
  const hostname = withoutBrackets(host)
  // An address is no server name: RFC 6066 section 3.
  return { hostname, port, servername: isIP(hostname) === 0 ? hostname : '' }
}
