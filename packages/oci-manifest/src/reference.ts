/**
 * Image references: `[domain/]path[:tag][@digest]`.
 *
 * The grammar and the normal form are those of distribution/reference, so that a name means the same image as in
 * Docker; but a name whose first part looks like a host and is none (`a.b_c/d`) is an error, not a name without a host,
 * and digests of SHA-384 cannot be verified here.
 *
 * @module
 */
import { type Digest, isDigest, parseDigest } from '@varve/digest'
import { OciManifestError, quoted } from './errors.ts'

/** A normalised reference: the domain is always there, and on Docker Hub so is `library/`. */
export interface Reference {
  /** Host with optional port. */
  readonly domain: string
  /** Repository below the host. */
  readonly path: string
  readonly tag?: string
  readonly digest?: Digest
}

/** Docker Hub, as references name it; its registry answers at another host. */
export const DEFAULT_DOMAIN = 'docker.io'

const LEGACY_DEFAULT_DOMAIN = 'index.docker.io'
const OFFICIAL = 'library/'
const MAX_PATH = 255
/** No host name comes near; it bounds the work on hostile input. */
const MAX_DOMAIN = 512
const IDENTIFIER = /^[a-f0-9]{64}$/

const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?'
const DOMAIN = new RegExp(String.raw`^(?:${LABEL}(?:\.${LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$`)
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/

/**
 * Parses and normalises a reference: `ubuntu` is `docker.io/library/ubuntu`.
 *
 * The first component is a domain if it is `localhost`, or has a dot, a colon or an upper-case letter. A lone name is
 * never a domain. No tag is added.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_REFERENCE`
 */
export function parseReference(text: string): Reference {
  if (IDENTIFIER.test(text)) throw malformed(text, 'a name of 64 hexadecimal digits is an image ID')
  const { domain, remainder } = splitDomain(text)
  const at = remainder.indexOf('@')
  const named = at === -1 ? remainder : remainder.slice(0, at)
  const colon = named.indexOf(':')
  const path = colon === -1 ? named : named.slice(0, colon)
  if (path.toLowerCase() !== path) throw malformed(text, 'the repository must be lower case')
  if (domain.length > MAX_DOMAIN || !DOMAIN.test(domain))
    throw malformed(text, 'the part before the first slash is not a host')
  if (path.length > MAX_PATH) throw malformed(text, `the repository is longer than ${MAX_PATH} characters`)
  if (!PATH.test(path)) throw malformed(text, 'the repository is malformed')
  return {
    domain,
    path,
    ...(colon === -1 ? {} : { tag: checkedTag(named.slice(colon + 1), text) }),
    ...(at === -1 ? {} : { digest: checkedDigest(remainder.slice(at + 1), text) }),
  }
}

/**
 * Parses a reference, an image ID of 64 hexadecimal digits, or a digest; the last two come back as a digest.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_REFERENCE`
 */
export function parseAnyReference(text: string): Reference | Digest {
  if (IDENTIFIER.test(text)) return parseDigest(`sha256:${text}`)
  return isDigest(text) ? text : parseReference(text)
}

/** Writes a reference in full. */
export function formatReference(reference: Reference): string {
  return `${reference.domain}/${reference.path}${suffixOf(reference)}`
}

/** The name as users write it: without `docker.io/`, and without `library/` before a single component. */
export function familiarName({ domain, path }: Reference): string {
  if (domain !== DEFAULT_DOMAIN) return `${domain}/${path}`
  const rest = path.startsWith(OFFICIAL) ? path.slice(OFFICIAL.length) : path
  return rest.includes('/') ? path : rest
}

/** {@link familiarName} with tag and digest. */
export function familiarReference(reference: Reference): string {
  return `${familiarName(reference)}${suffixOf(reference)}`
}

/** What Docker would fetch: the digest alone if there is one, else the tag, else `latest`. */
export function dockerReference(reference: Reference): Reference {
  const { domain, path, tag = 'latest', digest } = reference
  return digest === undefined ? { domain, path, tag } : { domain, path, digest }
}

/** Whether `text` may be a tag: distribution-spec, "Pulling manifests". */
export function isTag(text: string): boolean {
  return TAG.test(text)
}

function splitDomain(text: string): { readonly domain: string; readonly remainder: string } {
  const slash = text.indexOf('/')
  if (slash === -1) return { domain: DEFAULT_DOMAIN, remainder: `${OFFICIAL}${text}` }
  const first = text.slice(0, slash)
  const rest = text.slice(slash + 1)
  const isDomain = first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first
  if (!isDomain) return { domain: DEFAULT_DOMAIN, remainder: text }
  if (first !== DEFAULT_DOMAIN && first !== LEGACY_DEFAULT_DOMAIN) return { domain: first, remainder: rest }
  return { domain: DEFAULT_DOMAIN, remainder: rest.includes('/') ? rest : `${OFFICIAL}${rest}` }
}

function checkedTag(tag: string, text: string): string {
  if (!TAG.test(tag)) throw malformed(text, 'the tag is malformed')
  return tag
}

function checkedDigest(digest: string, text: string): Digest {
  try {
    return parseDigest(digest)
  } catch (cause) {
    throw malformed(text, 'the digest is malformed or of an unknown algorithm', cause)
  }
}

function suffixOf({ tag, digest }: Reference): string {
  return `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

function malformed(text: string, why: string, cause?: unknown): OciManifestError {
  return new OciManifestError(
    'ERR_OCI_MANIFEST_REFERENCE',
    `Not an image reference: ${quoted(text)}; ${why}`,
    { cause },
  )
}
