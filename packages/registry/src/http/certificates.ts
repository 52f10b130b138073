/**
 * Certificates of a host: whom to trust, and who we are.
 *
 * @module
 */
import { X509Certificate } from 'node:crypto'
import * as tls from 'node:tls'
import type { HostSettings } from '../hosts/settings.ts'

/** The settings of a host that are about TLS. */
export type TlsSettings = Pick<HostSettings, 'ca' | 'cert' | 'key' | 'skipVerify'>

/** What a connection needs for them. */
export interface TlsOptions {
  readonly secureContext?: tls.SecureContext
  readonly rejectUnauthorized?: boolean
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** Whether there is anything about TLS in the settings of a host. */
export function hasTlsSettings({ ca, cert, key, skipVerify }: TlsSettings): boolean {
  return ca !== undefined || cert !== undefined || key !== undefined || skipVerify !== undefined
}

/**
 * Checks that the settings can be used. Cheap: the authorities of the system are left aside.
 *
 * @throws {TypeError} `host` is named, and nothing of the certificates.
 */
export function assertTlsSettings(host: string, { ca, cert, key }: TlsSettings): void {
  const certificates = listOf(cert)
  if (certificates.length !== listOf(key).length) {
    throw new TypeError(`${JSON.stringify(host)} needs a key for each client certificate`)
  }
  try {
    for (const text of listOf(ca)) {
      // OpenSSL passes over what it cannot read, and then trusts nobody.
      const found = text.match(CERTIFICATE)
      if (found === null) throw new RangeError('No certificate')
      for (const certificate of found) void new X509Certificate(certificate)
    }
    if (certificates.length > 0) tls.createSecureContext({ cert: certificates, key: listOf(key) })
  } catch {
    // The cause would be words of OpenSSL about a secret.
    throw new TypeError(`The certificates or keys of ${JSON.stringify(host)} are not usable PEM`)
  }
}

/** Makes the context of connections. Costs some 20 ms where authorities are added to those of the system. */
export function tlsOptions({ ca, cert, key, skipVerify = false }: TlsSettings): TlsOptions {
  const context = {
    ...(ca === undefined ? {} : { ca: [...systemAuthorities(), ...listOf(ca)] }),
    ...(cert === undefined ? {} : { cert: [...listOf(cert)] }),
    ...(key === undefined ? {} : { key: [...listOf(key)] }),
  }
  return { secureContext: tls.createSecureContext(context), rejectUnauthorized: !skipVerify }
}

/** With `NODE_EXTRA_CA_CERTS` where Node can tell (22.15); older ones tell only what is built in. */
function systemAuthorities(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => readonly string[] }
  return getCACertificates?.('default') ?? tls.rootCertificates
}

function listOf(value: string | readonly string[] | undefined): string[] {
  if (value === undefined) return []
  return typeof value === 'string' ? [value] : [...value]
}
