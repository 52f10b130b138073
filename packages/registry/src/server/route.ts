/**
 * URLs of the distribution-spec, "Endpoints", read from their end: a repository may itself have a part `blobs`.
 *
 * The path is never decoded. No valid name holds a percent sign, so an encoded one is simply not a name.
 *
 * @module
 */
import { type Digest, DigestError, parseDigest } from '@varve/digest'
import { isTag } from '@varve/oci-manifest'
import { isRepositoryName } from '../repository-name.ts'
import { Fault } from './fault.ts'

/** What a URL names. */
export type Route =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'blob'; readonly repository: string; readonly digest: Digest }
  | { readonly kind: 'uploads'; readonly repository: string }
  | { readonly kind: 'upload'; readonly repository: string; readonly id: string }
  | { readonly kind: 'manifest'; readonly repository: string; readonly reference: ManifestReference }
  | { readonly kind: 'tags'; readonly repository: string }
  | { readonly kind: 'referrers'; readonly repository: string; readonly digest: Digest }

/** One route of a kind. */
export type RouteOf<Kind extends Route['kind']> = Extract<Route, { kind: Kind }>

/** How a URL names a manifest. */
export type ManifestReference =
  | { readonly tag: string; readonly digest?: never }
  | { readonly digest: Digest; readonly tag?: never }

/**
 * Reads a path.
 *
 * @throws {Fault} 404 if it is none of ours; 400 if a name, tag or digest in it is malformed.
 */
export function parseRoute(pathname: string): Route {
  if (pathname === '/v2' || pathname === '/v2/') return { kind: 'base' }
  const [, version, ...parts] = pathname.split('/')
  if (version !== 'v2') throw unknownPath()
  if (pathname === '/v2/_catalog') return { kind: 'catalog' }
  const last = parts.at(-1) ?? ''
  const before = parts.at(-2) ?? ''
  if (before === 'blobs' && last === 'uploads') return { kind: 'uploads', repository: named(parts, 2) }
  if (parts.at(-3) === 'blobs' && before === 'uploads') {
    const repository = named(parts, 3)
    return last === '' ? { kind: 'uploads', repository } : { kind: 'upload', repository, id: last }
  }
  switch (before) {
    case 'blobs':
      return { kind: 'blob', repository: named(parts, 2), digest: digestOrFault(last) }
    case 'manifests':
      return { kind: 'manifest', repository: named(parts, 2), reference: parseManifestReference(last) }
    case 'referrers':
      return { kind: 'referrers', repository: named(parts, 2), digest: digestOrFault(last) }
    case 'tags':
      if (last === 'list') return { kind: 'tags', repository: named(parts, 2) }
  }
  throw unknownPath()
}

/** Validates a digest of a URL. */
export function digestOrFault(text: string | null): Digest {
  try {
    return parseDigest(text ?? '')
  } catch (error) {
    if (error instanceof DigestError) throw new Fault(400, 'DIGEST_INVALID', error.message)
    throw error
  }
}

/** Validates a tag of a URL. */
export function tagOrFault(text: string): string {
  if (isTag(text)) return text
  throw new Fault(400, 'TAG_INVALID', `Not a tag: ${JSON.stringify(text.slice(0, 160))}`)
}

function parseManifestReference(text: string): ManifestReference {
  return text.includes(':') ? { digest: digestOrFault(text) } : { tag: tagOrFault(text) }
}

function named(parts: readonly string[], tail: number): string {
  const name = parts.slice(0, -tail).join('/')
  if (isRepositoryName(name)) return name
  throw new Fault(400, 'NAME_INVALID', `Not a repository name: ${JSON.stringify(name.slice(0, 160))}`)
}

function unknownPath(): Fault {
  return new Fault(404, 'NAME_UNKNOWN', 'There is no such endpoint')
}
