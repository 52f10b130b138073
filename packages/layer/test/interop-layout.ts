/**
 * An OCI image layout made by hand, for tools that read images and not layers.
 *
 * @module
 */
import type { Digest } from '@varve/digest'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/** Of each document what is read here. */
interface Index {
  readonly manifests: readonly (Descriptor & { readonly annotations?: Readonly<Record<string, string>> })[]
}

interface Manifest {
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
}

interface Config {
  readonly rootfs: { readonly diff_ids: readonly Digest[] }
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const CONFIG = 'application/vnd.oci.image.config.v1+json'
const REFERENCE = 'org.opencontainers.image.ref.name'

/** Image-spec image-layout.md: blobs by digest, an index of names. */
export class ImageLayout {
  readonly path: string
  readonly #manifests: object[] = []

  /** `path` is a directory that exists and is empty. */
  constructor(path: string) {
    this.path = path
    mkdirSync(join(path, 'blobs/sha256'), { recursive: true })
    writeFileSync(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  }

  /** Stores bytes under their digest. */
  blob(bytes: Uint8Array, mediaType: string): Descriptor {
    const hex = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(this.path, 'blobs/sha256', hex), bytes)
    return { mediaType, digest: `sha256:${hex}`, size: bytes.byteLength }
  }

  /** Adds an image of these layers, and returns what a command line calls it. */
  image(name: string, layers: readonly Descriptor[], diffIDs: readonly string[]): string {
    const config = this.#json(
      {
        architecture: 'amd64',
        os: 'linux',
        config: {},
        rootfs: { type: 'layers', diff_ids: diffIDs },
        history: diffIDs.map(() => ({})),
      },
      CONFIG,
    )
    const manifest = this.#json({ schemaVersion: 2, mediaType: MANIFEST, config, layers }, MANIFEST)
    this.#manifests.push({ ...manifest, annotations: { [REFERENCE]: name } })
    const index = { schemaVersion: 2, manifests: this.#manifests }
    writeFileSync(join(this.path, 'index.json'), JSON.stringify(index))
    return `${this.path}:${name}`
  }

  /** The layers of an image by name, as it is now on disk. */
  layers(name: string): readonly { readonly bytes: Buffer; readonly diffID: Digest }[] {
    const read = (digest: string): Buffer =>
      readFileSync(join(this.path, 'blobs/sha256', digest.slice('sha256:'.length)))
    const json = (bytes: Buffer): unknown => JSON.parse(bytes.toString())
    const index = json(readFileSync(join(this.path, 'index.json'))) as Index
    const found = index.manifests.find((each) => each.annotations?.[REFERENCE] === name)
    if (found === undefined) throw new Error(`no image ${name}`)
    const manifest = json(read(found.digest)) as Manifest
    const diffIDs = (json(read(manifest.config.digest)) as Config).rootfs.diff_ids
    return manifest.layers.map((layer, at) => ({
      bytes: read(layer.digest),
      diffID: diffIDs[at]!,
    }))
  }

  #json(value: unknown, mediaType: string): Descriptor {
    return this.blob(Buffer.from(JSON.stringify(value)), mediaType)
  }
}
