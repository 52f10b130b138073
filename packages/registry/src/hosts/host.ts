/**
 * A host: a registry, or a mirror of one.
 *
 * @module
 */

/** Where requests of a registry go. Two hosts are the same if their `origin` and `name` are. */
export interface Host {
  /** As references spell it, such as `docker.io` or `localhost:5000`: credentials are looked up by it. */
  readonly name: string
  /** Where it answers, such as `https://registry-1.docker.io`. */
  readonly origin: string
  /** What a mirror puts before the names of repositories, such as `hub/`; empty for a registry. */
  readonly pathPrefix: string
  /** The registry that a mirror stands for, sent as `ns=`; `undefined` for a registry, and where it is not wanted. */
  readonly namespace: string | undefined
}
