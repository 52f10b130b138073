/**
 * A registry that can lie.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import { gzipSync } from 'node:zlib'

/** One file of 3000 bytes, as a tar archive (POSIX.1-2017, pax, "ustar Interchange Format"). */
export function archive(): Buffer {
  const header = Buffer.alloc(512)
  header.write('name.txt', 0)
  header.write(['0000644', '0000000', '0000000', '00000005670', '00000000000', '        0'].join('\0'), 100)
  header.write(['ustar', '00'].join('\0'), 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([
    header,
    Buffer.alloc(3072, createHash('sha256').update('noise').digest()),
    Buffer.alloc(1024),
  ])
}

/** Answers of a registry that does not tell the truth, to requests for a manifest and for a blob. */
export interface Lies {
  readonly manifest?: Buffer
  readonly blob?: Buffer
  readonly status?: number
}

export const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** A registry with one image `base:1`, of one layer; parts of it are replaced by lies. */
export async function startLyingRegistry(lies: Lies): Promise<Server> {
  const layer = gzipSync(archive())
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: [sha256(archive())] },
    }),
  )
  const describe = (mediaType: string, bytes: Buffer): object => ({
    mediaType,
    digest: sha256(bytes),
    size: bytes.byteLength,
  })
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: describe('application/vnd.oci.image.config.v1+json', config),
      layers: [describe('application/vnd.oci.image.layer.v1.tar+gzip', layer)],
    }),
  )
  return listen(
    createServer((request, response) => {
      const url = request.url ?? ''
      const body = url.includes('/manifests/')
        ? (lies.manifest ?? manifest)
        : url.includes(sha256(config))
          ? config
          : (lies.blob ?? layer)
      response.writeHead(lies.status ?? 200, {
        'content-type': url.includes('/manifests/') ? mediaType : 'application/octet-stream',
        'content-length': body.byteLength,
        ...(url.includes('/manifests/') && { 'docker-content-digest': sha256(manifest) }),
      })
      response.end(request.method === 'HEAD' ? undefined : body)
    }),
  )
}

export async function listen(server: Server): Promise<Server> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
