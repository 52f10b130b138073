/**
 * The directory that a builder works in: the store, the images that have names, and working files.
 *
 * @module
 */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { createLocalStore, type LocalStore } from '@varve/cache-store/local'
import { type ImageLayout, openLayout } from '@varve/oci-manifest/layout'
import { BuilderError } from './errors.ts'

/** A store that is an image layout too: its `index.json` holds the images that have names. */
export interface Workspace {
  readonly directory: string
  readonly store: LocalStore
  readonly images: ImageLayout
  /** Where root file systems are unpacked while RUN needs them. */
  readonly runs: string
  /** Where digests of context files are remembered. */
  readonly hashes: string
}

/**
 * Opens the store in a directory, making it if need be.
 *
 * @throws {BuilderError} `ERR_BUILDER_OUTPUT` if it cannot be written or is something else.
 */
export async function openWorkspace(directory: string): Promise<Workspace> {
  const path = resolve(directory)
  try {
    const store = await createLocalStore({ directory: path })
    const images = await openLayout(path)
    return { directory: path, store, images, runs: join(path, 'runs'), hashes: join(path, 'hashes') }
  } catch (cause) {
    const { message } = cause as Error
    throw new BuilderError(
      'ERR_BUILDER_OUTPUT',
      `Cannot use ${JSON.stringify(path)} as a store: ${message}`,
      {
        cause,
        hint: 'Name another directory by --cache-dir or VARVE_CACHE_DIR',
      },
    )
  }
}

/** Where the store is if nobody says: XDG Base Directory Specification, `XDG_CACHE_HOME`. */
export function defaultCacheDirectory(environment: Readonly<Record<string, string | undefined>>): string {
  const { VARVE_CACHE_DIR: own, XDG_CACHE_HOME: shared } = environment
  if (own !== undefined && own !== '') return own
  return join(shared !== undefined && shared.startsWith('/') ? shared : join(homedir(), '.cache'), 'varve')
}
