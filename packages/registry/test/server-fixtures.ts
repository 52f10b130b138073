/**
 * Images and servers for the tests.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMemoryStore } from '@varve/cache-store'
import { describe, type Descriptor, type OciAlgorithm, readAll, type ByteSource } from '@varve/digest'
import {
  createRegistryHandler,
  listen,
  type RegistryHandler,
  type RegistryHandlerOptions,
  type ListenOptions,
  type RegistryServer,
} from '../src/server.ts'

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar'

/** The part of tap's `t` that fixtures need. */
export interface Teardown {
  teardown(callback: () => Promise<unknown>): void
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

export const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value))

export const noise = (size: number): Uint8Array => new Uint8Array(randomBytes(size))

/** Bytes and what describes them. */
export interface Content {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

export function content(bytes: Uint8Array, mediaType: string = OCI_LAYER, algorithm?: OciAlgorithm): Content {
  return { descriptor: describe(mediaType, bytes, algorithm), bytes }
}

/** An image of a config and layers. */
export interface Image extends Content {
  readonly blobs: readonly Content[]
}

export function image(
  layers: readonly Uint8Array[] = [noise(1000)],
  extra: Readonly<Record<string, unknown>> = {},
): Image {
  const config = content(
    json({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }),
    OCI_CONFIG,
  )
  const blobs = [config, ...layers.map((layer) => content(layer))]
  const [first, ...rest] = blobs.map(({ descriptor }) => descriptor)
  const manifest = json({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: first, layers: rest, ...extra })
  return { ...content(manifest, OCI_MANIFEST), blobs }
}

export function indexOf(
  manifests: readonly Content[],
  extra: Readonly<Record<string, unknown>> = {},
): Content {
  const entries = manifests.map(({ descriptor }) => descriptor)
  return content(json({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries, ...extra }), OCI_INDEX)
}

/** A handler over a new memory store. */
export function memoryHandler(options: Partial<RegistryHandlerOptions> = {}): RegistryHandler {
  const { blobs, refs } = createMemoryStore()
  return createRegistryHandler({ blobs, refs, ...options })
}

/** A server over a new memory store, or around a handler; closed with the test. */
export async function startRegistry(
  t: Teardown,
  handler: (request: Request) => Promise<Response> = memoryHandler(),
  options: ListenOptions = {},
): Promise<RegistryServer> {
  const server = await listen(handler, options)
  t.teardown(() => server.close())
  return server
}

/** A server that may break every rule of HTTP; its host and port. */
export async function startRaw(
  t: Teardown,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(
    () =>
      new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      }),
  )
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Requests to a handler as if it were a server. */
export interface Caller {
  readonly call: (method: string, path: string, init?: RequestInit) => Promise<Response>
  readonly putBlob: (repository: string, bytes: Uint8Array, digest: string) => Promise<Response>
  readonly putManifest: (repository: string, reference: string, manifest: Content) => Promise<Response>
  /** Blobs first, then the manifest. */
  readonly putImage: (repository: string, reference: string, pushed: Image) => Promise<Response>
}

export function caller(handler: RegistryHandler): Caller {
  const call: Caller['call'] = (method, path, init = {}) => {
    const duplex = init.body ? { duplex: 'half' as const } : {}
    return handler(new Request(new URL(path, 'http://registry.test'), { method, ...init, ...duplex }))
  }
  const putBlob: Caller['putBlob'] = async (repository, bytes, digest) => {
    const begun = await call('POST', `/v2/${repository}/blobs/uploads/`)
    return call('PUT', `${begun.headers.get('location')}?digest=${digest}`, { body: bytes })
  }
  const putManifest: Caller['putManifest'] = (repository, reference, { bytes, descriptor }) =>
    call('PUT', `/v2/${repository}/manifests/${reference}`, {
      body: bytes,
      headers: { 'content-type': descriptor.mediaType },
    })
  const putImage: Caller['putImage'] = async (repository, reference, pushed) => {
    for (const { bytes, descriptor } of pushed.blobs) await putBlob(repository, bytes, descriptor.digest)
    return putManifest(repository, reference, pushed)
  }
  return { call, putBlob, putManifest, putImage }
}

/** The first code of an error body. */
export async function codeOf(response: Response): Promise<string | undefined> {
  const body = (await response.json()) as { readonly errors: readonly { readonly code: string }[] }
  return body.errors[0]?.code
}

export async function collect(source: ByteSource | undefined): Promise<Uint8Array> {
  if (source === undefined) throw new Error('Nothing to read')
  return readAll(source.open(), 1024 ** 3)
}
