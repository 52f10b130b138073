/**
 * What requests want to do, and who decides whether they may.
 *
 * @module
 */

/**
 * What a request wants to do, and where. `repository` is undefined for `/v2/` itself, which clients ask how they are to
 * log in, and for `list`, which names all repositories.
 */
export interface Access {
  readonly repository: string | undefined
  readonly action: 'pull' | 'push' | 'delete' | 'list'
}

/** Lets a request through, or gives the response that is sent instead, such as a 401 with its challenge. */
export type Authorize = (access: Access, request: Request) => Promise<Response | undefined>

/** What is thought of a caller: `challenge` asks for credentials, for others, or for a token that covers more. */
export type Verdict = 'allow' | 'challenge' | 'deny'
