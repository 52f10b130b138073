/**
 * Credentials, and where they come from.
 *
 * @module
 */

/** What proves to a registry who asks. Never part of an error, an event or a log. */
export type Credential =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** A refresh token, which is exchanged for access tokens: OAuth2, `grant_type=refresh_token`. */
  | { readonly kind: 'identity-token'; readonly token: string; readonly username?: string }
  /** An access token, sent as it is. */
  | { readonly kind: 'registry-token'; readonly token: string }

/** Whose credentials are wanted. */
export interface CredentialQuery {
  /** `host[:port]` as references spell it, such as `docker.io`. */
  readonly host: string
  /** The repository, for credentials of a namespace. */
  readonly repository: string | undefined
}

/**
 * Finds credentials. A client asks once for each host and repository that wants to know, and again when what it was
 * given is not accepted any more.
 */
export interface CredentialSource {
  /** `undefined` means anonymous. */
  find(query: CredentialQuery, options?: { readonly signal?: AbortSignal }): Promise<Credential | undefined>
}

/** Whether a credential can be sent at all: RFC 7617 §2, RFC 6750 §2.1. */
export function isCredential(credential: Credential): boolean {
  if (credential.kind === 'basic') return /^[^:\p{Cc}]+$/u.test(credential.username)
  return /^[\x21-\x7e]+$/.test(credential.token)
}
