/**
 * `varve serve`
 *
 * @module
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import type { BlobStore, Pins, RefStore } from '@varve/cache-store'
import { createLocalStore } from '@varve/cache-store/local'
import {
  type Authorize,
  type BasicCredentials,
  basicAuthorizer,
  createRegistryHandler,
  createTokenService,
  listen,
  pruneRepositories,
  type ServerTls,
  type Verdict,
} from '@varve/registry/server'
import { cacheMessage } from '../cache/remote-cache.ts'
import { type CommandContext, say, tell } from './console.ts'
import { readPasswords } from './htpasswd.ts'
import { cacheDirectory, parseAge, parseBytes, parseCache, usage } from './options.ts'

/** Its options. */
export interface ServeFlags {
  readonly port: string
  readonly host: string
  readonly store?: string
  readonly readOnly: boolean
  readonly allowDelete: boolean
  readonly prune?: string
  readonly quota?: string
  readonly repositoryQuota?: string
  readonly htpasswd?: string
  readonly anonymousPull: boolean
  readonly publicUrl?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly tlsClientCa?: string
}

/** Exchanges may take so long to end when it is interrupted. */
const GRACE_MS = 10_000

/** Where tokens are given. */
const TOKENS = '/token'

/** How often repositories are pruned. */
const PRUNE_EVERY_MS = 60 * 60 * 1000

/** Serves a store as a registry until it is interrupted. */
export async function runServe(context: CommandContext, flags: ServeFlags): Promise<void> {
  if (!/^\d{1,5}$/.test(flags.port) || Number(flags.port) > 65_535) {
    throw usage(`Not a port: ${JSON.stringify(flags.port)}`)
  }
  const { signal } = context
  const tls = readTls(flags)
  const publicUrl = flags.publicUrl === undefined ? undefined : parseOrigin(flags.publicUrl)
  const guard = guardFrom(context, flags, (request) => publicUrl ?? originOf(request, tls !== undefined))
  const isLocal = ['127.0.0.1', '::1', 'localhost'].includes(flags.host)
  const isSecure = tls !== undefined || publicUrl?.startsWith('https:') === true
  if (guard !== undefined && !isSecure && !isLocal) {
    tell(context, 'Passwords are sent in the clear: use --tls-cert and --tls-key')
  }
  const quota = {
    ...(flags.quota !== undefined && { totalBytes: parseBytes(flags.quota) }),
    ...(flags.repositoryQuota !== undefined && { repositoryBytes: parseBytes(flags.repositoryQuota) }),
  }
  const graceMs = flags.prune === undefined ? undefined : parseAge(flags.prune)
  const store = await openStore(context, flags.store)
  try {
    const handler = createRegistryHandler({
      ...store,
      quota,
      readOnly: flags.readOnly,
      allowDelete: flags.allowDelete,
      ...(guard && { authorize: guard.authorize }),
      onError: (error) => tell(context, cacheMessage(error)),
    })
    const where = { host: flags.host, port: Number(flags.port) }
    const answer = (request: Request): Promise<Response> =>
      guard?.issue !== undefined && new URL(request.url).pathname === TOKENS
        ? guard.issue(request)
        : handler(request)
    const server = await listen(answer, { ...where, ...(tls && { tls }) })
    try {
      say(context, server.url)
      tell(context, 'Ctrl-C stops it')
      const pruning = graceMs === undefined ? undefined : keepPruning(context, store, graceMs)
      if (!signal.aborted) await once(signal, 'abort')
      await pruning
    } finally {
      await server.close({ graceMs: GRACE_MS })
    }
  } finally {
    await store.close()
  }
}

/** Now, and every hour until it is interrupted. A run that fails is told of, and tried again. */
async function keepPruning(context: CommandContext, store: ServedStore, graceMs: number): Promise<void> {
  const { signal } = context
  while (!signal.aborted) {
    try {
      const { blobs } = await pruneRepositories({ blobs: store.blobs, refs: store.refs, graceMs, signal })
      if (blobs.count > 0) tell(context, `Pruned blobs: ${blobs.count}, of ${blobs.bytes} bytes`)
    } catch (error) {
      if (!signal.aborted) tell(context, cacheMessage(error))
    }
    await setTimeout(PRUNE_EVERY_MS, undefined, { signal }).catch(() => undefined)
  }
}

interface ServedStore {
  readonly blobs: BlobStore
  readonly refs: RefStore
  readonly pins?: Pins
  close(): Promise<void>
}

/** A directory, or `type=s3,…` as of `--cache-to`. */
async function openStore(context: CommandContext, text: string | undefined): Promise<ServedStore> {
  const spec = text?.startsWith('type=') === true ? parseCache(text) : undefined
  if (spec?.type === 'http') throw usage('A registry needs a store with names: a directory, or type=s3')
  if (spec?.type === 's3') {
    const { createS3Store } = await import('@varve/cache-store/s3')
    const { type: _, ...bucket } = spec
    const onWarning = (error: unknown): void => tell(context, cacheMessage(error))
    const store = await createS3Store({ ...bucket, onWarning })
    if (!store.capabilities.atomicCreate)
      tell(context, 'This bucket can only be read: it creates nothing atomically')
    return { blobs: store.blobs, refs: store.refs, close: () => store.close() }
  }
  const directory = spec?.directory ?? cacheDirectory(text, context)
  const { blobs, refs, pins } = await createLocalStore({ directory })
  return { blobs, refs, pins, close: async () => undefined }
}

interface Guard {
  readonly authorize: Authorize
  /** Gives tokens, if they are taken and not passwords. */
  readonly issue?: (request: Request) => Promise<Response>
}

/**
 * Passwords; or, where nobody needs one to pull, tokens for them: Docker's daemon pulls from no registry that wants a
 * password without having one.
 */
function guardFrom(
  context: CommandContext,
  { htpasswd, anonymousPull }: ServeFlags,
  originFor: (request: Request) => string,
): Guard | undefined {
  if (htpasswd === undefined) {
    if (anonymousPull) throw usage('--anonymous-pull means nothing without --htpasswd')
    return undefined
  }
  const isRight = readPasswords(htpasswd, (error) => tell(context, cacheMessage(error)))
  if (!anonymousPull) {
    const verify = async (caller?: BasicCredentials): Promise<Verdict> =>
      caller !== undefined && (await isRight(caller.username, caller.password)) ? 'allow' : 'challenge'
    return { authorize: basicAuthorizer({ realm: 'varve', verify }) }
  }
  return createTokenService({
    service: 'varve',
    realm: (request) => `${originFor(request)}${TOKENS}`,
    verify: async (caller, { repository, action }) => {
      if (caller === undefined) return repository !== undefined && action === 'pull' ? 'allow' : 'challenge'
      return (await isRight(caller.username, caller.password)) ? 'allow' : 'challenge'
    },
  })
}

/** Where the client believes us to be; what it says is told to nobody else. */
function originOf(request: Request, isTls: boolean): string {
  const host = request.headers.get('host') ?? ''
  return `${isTls ? 'https' : 'http'}://${/^[\w.:[\]-]{1,255}$/.test(host) ? host : 'localhost'}`
}

function parseOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`) {
    throw usage(`Not an address such as https://registry.example: ${JSON.stringify(text)}`)
  }
  return url.origin
}

function readTls({ tlsCert, tlsKey, tlsClientCa }: ServeFlags): ServerTls | undefined {
  if (tlsCert === undefined && tlsKey === undefined && tlsClientCa === undefined) return undefined
  if (tlsCert === undefined || tlsKey === undefined) throw usage('TLS needs both --tls-cert and --tls-key')
  return {
    cert: readKey(tlsCert),
    key: readKey(tlsKey),
    ...(tlsClientCa !== undefined && { ca: readKey(tlsClientCa) }),
  }
}

function readKey(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    throw usage(`Cannot read ${JSON.stringify(path)}: ${(error as Error).message}`)
  }
}
