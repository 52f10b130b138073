/**
 * Registries of others, each on a free port of the loopback and in a directory of its own.
 *
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:net'
import type { KeyPair } from './certificates.ts'
import { findProgram } from './peers.ts'
import { type RunningServer, startServer, type Teardown } from './servers.ts'

/** How to start `docker-registry` (2.8). */
export interface DockerRegistryOptions {
  /** A file of htpasswd with bcrypt: wants Basic. */
  readonly htpasswd?: string
  /** Wants tokens of a realm, signed by a key whose certificate is in `rootCertBundle`. */
  readonly token?: {
    readonly realm: string
    readonly service: string
    readonly issuer: string
    readonly rootCertBundle: string
  }
  /** Speaks TLS only. */
  readonly tls?: KeyPair
  /** Path of an authority that must have signed the client's certificate. */
  readonly clientAuthority?: string
  /** A registry to be a pull-through cache of. */
  readonly proxyOf?: string
}

/** Starts Docker's registry, with deletes. Needs `docker-registry`. The URL is `http` also where it speaks TLS. */
export function startDockerRegistry(
  t: Teardown,
  options: DockerRegistryOptions = {},
): Promise<RunningServer> {
  const directory = temporaryDirectory(t, 'docker-registry-')
  const { htpasswd, token, tls, clientAuthority, proxyOf } = options
  const command = (port: number): readonly string[] => {
    const auth = {
      ...(htpasswd === undefined ? {} : { htpasswd: { realm: 'varve', path: htpasswd } }),
      ...(token === undefined
        ? {}
        : {
            token: {
              realm: token.realm,
              service: token.service,
              issuer: token.issuer,
              rootcertbundle: token.rootCertBundle,
            },
          }),
    }
    const configuration = {
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(directory, 'data') }, delete: { enabled: true } },
      http: {
        addr: `127.0.0.1:${port}`,
        ...(tls === undefined
          ? {}
          : {
              tls: {
                certificate: tls.certPath,
                key: tls.keyPath,
                ...(clientAuthority === undefined ? {} : { clientcas: [clientAuthority] }),
              },
            }),
      },
      ...(Object.keys(auth).length === 0 ? {} : { auth }),
      ...(proxyOf === undefined ? {} : { proxy: { remoteurl: proxyOf } }),
    }
    // YAML is a superset of JSON.
    writeFileSync(join(directory, 'config.yml'), JSON.stringify(configuration))
    return ['docker-registry', 'serve', join(directory, 'config.yml')]
  }
  // A server that speaks TLS, or wants a certificate, does not answer a plain request.
  return startServer(t, command, { isReady: accepts })
}

/** Starts olareg, with deletes and referrers. Needs `olareg`, which `scripts/services/build-go` builds. */
export function startOlareg(t: Teardown): Promise<RunningServer> {
  const directory = temporaryDirectory(t, 'olareg-')
  return startServer(t, (port) => [
    findProgram('olareg') ?? 'olareg',
    'serve',
    `--dir=${directory}`,
    `--port=${port}`,
    '--api-delete=true',
    '--api-blob-delete=true',
  ])
}

/** A directory that goes with the test. */
export function temporaryDirectory(t: Teardown, prefix: string): string {
  const directory = mkdtempSync(join(tmpdir(), prefix))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
