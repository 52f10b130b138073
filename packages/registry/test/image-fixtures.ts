/**
 * Images with everything that can belong to one, for tests that copy them.
 *
 * @module
 */
import { bytesSource, type Descriptor } from '@varve/digest'
import { type Platform, parsePlatform, verifyImage } from '@varve/oci-manifest'
import type { Test } from 'tap'
import type { CopyImageResult, Repository } from '../src/index.ts'
import {
  content,
  type Content,
  json,
  memoryHandler,
  OCI_INDEX,
  OCI_MANIFEST,
  openClient,
  startRegistry,
  type Teardown,
  utf8,
} from './fixtures.ts'

/** Answers a request. */
export type Handler = (request: Request) => Promise<Response>

export const EMPTY = content(utf8('{}'), 'application/vnd.oci.empty.v1+json')
export const COSIGN = 'application/vnd.dev.cosign.simplesigning.v1+json'
export const NOTATION = 'application/vnd.cncf.notary.signature'
export const ATTESTATION = 'application/vnd.docker.attestation.manifest.v1+json'

/** Content to be pushed in this order, the root last. */
export interface Made {
  readonly root: Content
  readonly all: readonly Content[]
}

export function makeManifest(members: Readonly<Record<string, unknown>>, blobs: readonly Content[]): Made {
  const root = content(json({ schemaVersion: 2, mediaType: OCI_MANIFEST, ...members }), OCI_MANIFEST)
  return { root, all: [...blobs, root] }
}

export function makeImage(text: string, architecture: string, layers = 2): Made {
  const blobs = Array.from({ length: layers }, (_, number) => content(utf8(`${text} ${number}`)))
  const rootfs = { type: 'layers', diff_ids: blobs.map(({ descriptor }) => descriptor.digest) }
  const config = content(
    json({ architecture, os: 'linux', rootfs }),
    'application/vnd.oci.image.config.v1+json',
  )
  const members = { config: config.descriptor, layers: blobs.map(({ descriptor }) => descriptor) }
  return makeManifest(members, [config, ...blobs])
}

export function makeArtifact(artifactType: string, subject: Content, text: string): Made {
  const layer = content(utf8(text), 'text/plain')
  const members = { config: EMPTY.descriptor, layers: [layer.descriptor], artifactType }
  return makeManifest({ ...members, subject: subject.descriptor }, [EMPTY, layer])
}

export const AMD64 = parsePlatform('linux/amd64')
export const ARM64 = parsePlatform('linux/arm64')

/** Two images, BuildKit's attestation of the first, and an index of them. */
export function makeIndex(text = 'app') {
  const amd64 = makeImage(`${text} amd64`, 'amd64')
  const arm64 = makeImage(`${text} arm64`, 'arm64')
  const attestation = makeArtifact(ATTESTATION, amd64.root, `${text} was built`)
  const entry = ({ root }: Made, platform: Platform) => ({ ...root.descriptor, platform })
  const annotations = {
    'vnd.docker.reference.type': 'attestation-manifest',
    'vnd.docker.reference.digest': amd64.root.descriptor.digest,
  }
  const manifests = [
    entry(amd64, AMD64),
    entry(arm64, ARM64),
    { ...entry(attestation, { os: 'unknown', architecture: 'unknown' }), annotations },
  ]
  const root = content(
    json({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, 'org.example.field': 1 }),
    OCI_INDEX,
  )
  return { amd64, arm64, attestation, root, all: [...amd64.all, ...arm64.all, ...attestation.all, root] }
}

export async function push(repository: Repository, { root, all }: Made, tag?: string): Promise<void> {
  for (const { descriptor, bytes } of all) await repository.write(descriptor, bytesSource(bytes))
  if (tag !== undefined) await repository.tag(tag, root.descriptor, root.bytes)
}

/** An image with a notation signature, cosign’s of both kinds, and a signature of a signature. */
export function makeSigned() {
  const index = makeIndex()
  const notation = makeArtifact(NOTATION, index.root, 'notation')
  const bundle = makeArtifact('application/vnd.dev.sigstore.bundle.v0.3+json', index.amd64.root, 'bundle')
  const deep = makeArtifact(NOTATION, bundle.root, 'of the bundle')
  const payload = content(utf8('{"critical":{}}'), COSIGN)
  const cosign = makeManifest({ config: EMPTY.descriptor, layers: [payload.descriptor] }, [EMPTY, payload])
  const hex = index.root.descriptor.digest.slice(7)
  return { index, notation, bundle, deep, cosign, cosignTag: `sha256-${hex}.sig` }
}

export async function pushSigned(
  repository: Repository,
  signed: ReturnType<typeof makeSigned>,
): Promise<void> {
  await push(repository, signed.index, 'v1')
  for (const each of [signed.notation, signed.bundle, signed.deep]) await push(repository, each)
  await push(repository, signed.cosign, signed.cosignTag)
}

/** A server, its requests, and repositories of one client there. */
export async function open(t: Teardown, handler: Handler = memoryHandler()) {
  const requests: string[] = []
  const { port } = await startRegistry(t, (request) => {
    const { pathname, search } = new URL(request.url)
    requests.push(`${request.method} ${pathname}${search}`)
    return handler(request)
  })
  const client = openClient(t)
  const repository = (name: string): Repository => client.repository(`127.0.0.1:${port}/${name}`)
  return { requests, repository, port }
}

export async function assertWhole(
  t: Test,
  place: Parameters<typeof verifyImage>[0],
  root: Descriptor,
): Promise<void> {
  t.strictSame(await verifyImage(place, root), [])
}

export const counts = ({ copied, existed, mounted }: CopyImageResult): readonly number[] => [
  copied,
  existed,
  mounted,
]
