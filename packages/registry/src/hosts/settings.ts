/**
 * What a user may say about a host.
 *
 * @module
 */

/** Settings of one registry or mirror. */
export interface HostSettings {
  /** Spoken to over plain HTTP. Loopback always is. */
  readonly insecure?: boolean
  /** Certificates of authorities, PEM, beside those of the system. */
  readonly ca?: string | readonly string[]
  /** Client certificate and key, PEM. */
  readonly cert?: string
  readonly key?: string
  /** Accepts any certificate. For tests only. */
  readonly skipVerify?: boolean
  /** Requests at once; see the client's option. */
  readonly concurrency?: number
  /** Refuses every request. */
  readonly blocked?: boolean
  /** Tried before the registry, in order of priority, for reads only. */
  readonly mirrors?: readonly MirrorSettings[]
  /** Hosts of token realms that may be given credentials, beside those of the registry's own domain. */
  readonly trustedRealms?: readonly string[]
}

/** A mirror of a registry. */
export interface MirrorSettings {
  /** `host[:port][/prefix]`. Its own settings are those of its host. */
  readonly location: string
  /** Lower goes first; equals keep their order. Default 0. */
  readonly priority?: number
  /** Asked for digests only, never for tags. */
  readonly byDigestOnly?: boolean
  /** A proxy for many registries, told which one by `ns=`. Default false. */
  readonly isProxy?: boolean
}
