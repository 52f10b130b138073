/**
 * `varve serve`
 *
 * @module
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { BlobStore, Pins, RefStore } from '@varve/cache-store'
import { createLocalStore } from '@varve/cache-store/local'
import {
  type Authorize,
  basicAuthorizer,
  createRegistryHandler,
  listen,
  type ServerTls,
} from '@varve/registry/server'
import { cacheMessage } from '../cache/remote-cache.ts'
import { type CommandContext, say, tell } from './console.ts'
import { readPasswords } from './htpasswd.ts'
import { cacheDirectory, parseBytes, parseCache, usage } from './options.ts'

/** Its options. */
export interface ServeFlags {
  readonly port: string
  readonly host: string
  readonly store?: string
  readonly readOnly: boolean
  readonly allowDelete: boolean
  readonly quota?: string
  readonly repositoryQuota?: string
  readonly htpasswd?: string
  readonly anonymousPull: boolean
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly tlsClientCa?: string
}

/** Exchanges may take so long to end when it is interrupted. */
const GRACE_MS = 10_000

/** Serves a store as a registry until it is interrupted. */
export async function runServe(context: CommandContext, flags: ServeFlags): Promise<void> {
  if (!/^\d{1,5}$/.test(flags.port) || Number(flags.port) > 65_535) {
    throw usage(`Not a port: ${JSON.stringify(flags.port)}`)
  }
  const { signal } = context
  const tls = readTls(flags)
  const authorize = authorizeFrom(flags)
  const isLocal = ['127.0.0.1', '::1', 'localhost'].includes(flags.host)
  if (authorize !== undefined && tls === undefined && !isLocal) {
    tell(context, 'Passwords are sent in the clear: use --tls-cert and --tls-key')
  }
  const quota = {
    ...(flags.quota !== undefined && { totalBytes: parseBytes(flags.quota) }),
    ...(flags.repositoryQuota !== undefined && { repositoryBytes: parseBytes(flags.repositoryQuota) }),
  }
  const store = await openStore(context, flags.store)
  try {
    const handler = createRegistryHandler({
      ...store,
      quota,
      readOnly: flags.readOnly,
      allowDelete: flags.allowDelete,
      ...(authorize && { authorize }),
      onError: (error) => tell(context, cacheMessage(error)),
    })
    const where = { host: flags.host, port: Number(flags.port) }
    const server = await listen(handler, { ...where, ...(tls && { tls }) })
    try {
      say(context, server.url)
      tell(context, 'Ctrl-C stops it')
      if (!signal.aborted) await once(signal, 'abort')
    } finally {
      await server.close({ graceMs: GRACE_MS })
    }
  } finally {
    await store.close()
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
    const { blobs, refs, close } = await createS3Store({ ...bucket, onWarning })
    return { blobs, refs, close }
  }
  const directory = spec?.directory ?? cacheDirectory(text, context)
  const { blobs, refs, pins } = await createLocalStore({ directory })
  return { blobs, refs, pins, close: async () => undefined }
}

function authorizeFrom({ htpasswd, anonymousPull }: ServeFlags): Authorize | undefined {
  if (htpasswd === undefined) {
    if (anonymousPull) throw usage('--anonymous-pull means nothing without --htpasswd')
    return undefined
  }
  const isRight = readPasswords(htpasswd)
  return basicAuthorizer({
    realm: 'varve',
    verify: async (caller, { action }) => {
      if (caller === undefined) return anonymousPull && action === 'pull' ? 'allow' : 'challenge'
      return (await isRight(caller.username, caller.password)) ? 'allow' : 'challenge'
    },
  })
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
