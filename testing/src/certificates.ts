/**
 * Certificates of an authority of our own, made by openssl.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** PEM texts, and the files they are in. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
  readonly certPath: string
  readonly keyPath: string
}

/** An authority, a server for `127.0.0.1` and `localhost`, and a client. */
export interface Certificates {
  readonly authority: KeyPair
  readonly server: KeyPair
  readonly client: KeyPair
}

/** Makes all of them in a directory. */
export function makeCertificates(directory: string): Certificates {
  mkdirSync(directory, { recursive: true })
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] })
  }
  const pair = (name: string): KeyPair => {
    const [certPath, keyPath] = [join(directory, `${name}.crt`), join(directory, `${name}.key`)]
    const read = (path: string): string => readFileSync(path, 'utf8')
    return { cert: read(certPath), key: read(keyPath), certPath, keyPath }
  }
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const ca = ['-keyout', 'authority.key', '-out', 'authority.crt', '-subj', '/CN=varve test authority']
  openssl('req', '-x509', ...newKey, ...ca, '-days', '2', '-addext', 'basicConstraints=critical,CA:TRUE')
  for (const [name, usage] of [
    ['server', 'serverAuth'],
    ['client', 'clientAuth'],
  ] as const) {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    const names = 'subjectAltName=IP:127.0.0.1,DNS:localhost'
    writeFileSync(join(directory, `${name}.ext`), `${names}\nextendedKeyUsage=${usage}\n`)
    const by = ['-CA', 'authority.crt', '-CAkey', 'authority.key', '-CAcreateserial', '-days', '2']
    openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-extfile', `${name}.ext`, '-out', `${name}.crt`)
  }
  return { authority: pair('authority'), server: pair('server'), client: pair('client') }
}
