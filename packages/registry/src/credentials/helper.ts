/**
 * Credential helpers: the programs `docker-credential-<name>`.
 *
 * The protocol is that of docker-credential-helpers: the host on standard input, JSON on standard output. What they
 * print may be secret, also when they fail, so nothing of it is ever shown.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
import { type JsonObject, type JsonValue, parseJson } from '@varve/oci-manifest'
import { RegistryError } from '../errors.ts'
import type { Environment } from './config-files.ts'
import { type Credential, isCredential } from './credential.ts'

/** How a helper is run. */
export interface HelperOptions {
  readonly environment: Environment
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** No separator, and nothing that a shell or an option could be. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const MAX_OUTPUT = 128 * 1024
const NOT_FOUND = 'credentials not found in native keychain'
/** What stands in for a user name beside an identity token. */
const TOKEN_USER = '<token>'

/**
 * Asks a helper for the credential of a host; `undefined` if it has none.
 *
 * @throws {RegistryError} `ERR_REGISTRY_CREDENTIALS` if it is missing, fails, says too much, takes too long, or answers
 *   with something else.
 */
export async function askHelper(
  name: string,
  server: string,
  options: HelperOptions,
): Promise<Credential | undefined> {
  if (!NAME.test(name)) throw failed(name.slice(0, 80), 'its name is not allowed')
  const path = await findHelper(name, options.environment)
  if (path === undefined) throw failed(name, 'it is not installed')
  const { code, output } = await run(name, path, server, options)
  const text = new TextDecoder().decode(output)
  if (code !== 0 && text.trim() === NOT_FOUND) return undefined
  if (code !== 0) throw failed(name, `it ended with ${code ?? 'a signal'}`)
  return parseAnswer(name, output)
}

/** Relative directories are skipped: a helper must not come from wherever we happen to be. */
async function findHelper(name: string, environment: Environment): Promise<string | undefined> {
  const file = `docker-credential-${name}${process.platform === 'win32' ? '.exe' : ''}`
  for (const directory of (environment['PATH'] ?? '').split(delimiter).filter(isAbsolute)) {
    const path = join(directory, file)
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return path
  }
  return undefined
}

interface Ended {
  readonly code: number | null
  readonly output: Uint8Array
}

function run(
  name: string,
  path: string,
  server: string,
  { environment, timeoutMs, signal }: HelperOptions,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const child = spawn(path, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], env: { ...environment } })
    const chunks: Uint8Array[] = []
    let size = 0
    const settle = (conclude: () => void): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      // Also what it has started, and left behind with our end of the pipe, is waited for no longer.
      child.stdout.destroy()
      child.kill('SIGKILL')
      conclude()
    }
    const onAbort = (): void => settle(() => reject(signal?.reason as Error))
    const timer = setTimeout(
      () => settle(() => reject(failed(name, `it took more than ${timeoutMs} ms`))),
      timeoutMs,
    )
    signal?.addEventListener('abort', onAbort, { once: true })
    child.once('error', () => settle(() => reject(failed(name, 'it cannot be started'))))
    child.stdout.on('data', (chunk: Uint8Array) => {
      size += chunk.byteLength
      chunks.push(chunk)
      if (size > MAX_OUTPUT) settle(() => reject(failed(name, `it said more than ${MAX_OUTPUT} bytes`)))
    })
    child.once('close', (code) => settle(() => resolve({ code, output: Buffer.concat(chunks) })))
    // One that ends without reading is not at fault.
    child.stdin.on('error', () => undefined)
    child.stdin.end(server)
  })
}

function parseAnswer(name: string, output: Uint8Array): Credential | undefined {
  let answer: JsonValue
  try {
    answer = parseJson(output)
  } catch {
    throw failed(name, 'its answer is not JSON')
  }
  if (!(answer instanceof Map)) throw failed(name, 'its answer is not an object')
  const object = answer as JsonObject
  const [username, secret] = [object.get('Username') ?? '', object.get('Secret') ?? '']
  if (typeof username !== 'string' || typeof secret !== 'string') throw failed(name, 'its answer is not text')
  if (username === '' || secret === '') return undefined
  const credential: Credential =
    username === TOKEN_USER
      ? { kind: 'identity-token', token: secret }
      : { kind: 'basic', username, password: secret }
  if (!isCredential(credential)) throw failed(name, 'its answer cannot be sent')
  return credential
}

function failed(name: string, why: string): RegistryError {
  return new RegistryError(
    'ERR_REGISTRY_CREDENTIALS',
    `The credential helper ${JSON.stringify(name)} gives nothing: ${why}`,
  )
}
