/**
 * What copying an image needs of where it goes, the same for a registry and for a layout.
 *
 * @module
 */
import { bytesSource, type Descriptor, type Digest, withSignal } from '@varve/digest'
import type { BlobWriter, ContentWriter, PlannedDocument } from '@varve/oci-manifest'
import { resolveAtRegistry, type Repository } from '../repository.ts'
import { ifNamed } from './companions.ts'
import { type ImageTarget, isRepository } from './places.ts'

/** Where an image goes. */
export interface Destination extends ContentWriter, Partial<BlobWriter> {
  /** Whether a manifest that is there means that its blobs are: a registry checks before it takes one. */
  readonly checksManifests: boolean
  /** Makes sure that a referrer that is there without being listed, since a push broke off, is pushed again. */
  distrustUnlisted(subject: Digest, referrer: Digest, signal?: AbortSignal): Promise<void>
  /** Those names that do not mean the descriptor yet. */
  staleNames(
    names: readonly string[],
    descriptor: Descriptor,
    signal?: AbortSignal,
  ): Promise<readonly string[]>
  /** Names a document, which is written with that where it must be; without a name it is kept nevertheless. */
  name(names: readonly string[], document: PlannedDocument, signal?: AbortSignal): Promise<void>
}

/** A view of a repository or a layout. */
export function destinationOf(to: Repository | ImageTarget): Destination {
  return isRepository(to) ? repositoryDestination(to) : targetDestination(to)
}

function repositoryDestination(to: Repository): Destination {
  // What a tag turned out to mean is there, and need not be asked for by its digest.
  const present = new Set<Digest>()
  const unlisted = new Set<Digest>()
  const lists = new Map<Digest, Promise<readonly Descriptor[]>>()
  return {
    checksManifests: true,
    async has(descriptor, options) {
      if (unlisted.has(descriptor.digest)) return false
      return present.has(descriptor.digest) || to.has(descriptor, options)
    },
    write: (descriptor, source, options) => to.write(descriptor, source, options),
    pushBlob: (descriptor, source, options) => to.pushBlob(descriptor, source, options),
    async distrustUnlisted(subject, referrer, signal) {
      const list = lists.get(subject) ?? to.referrers(subject, withSignal(signal))
      lists.set(subject, list)
      if (!(await list).some(({ digest }) => digest === referrer)) unlisted.add(referrer)
    },
    async staleNames(names, descriptor, signal) {
      const meanings = await Promise.all(
        names.map((name) => ifNamed(() => resolveAtRegistry(to, name, withSignal(signal)))),
      )
      for (const meaning of meanings) if (meaning !== undefined) present.add(meaning.digest)
      return names.filter((_, index) => meanings[index]?.digest !== descriptor.digest)
    },
    async name(names, { descriptor, bytes }, signal) {
      if (names.length > 0) await to.tag(names, descriptor, bytes, withSignal(signal))
    },
  }
}

function targetDestination(to: ImageTarget): Destination {
  const { pushBlob } = to
  return {
    checksManifests: false,
    has: (descriptor, options) => to.has(descriptor, options),
    write: (descriptor, source, options) => to.write(descriptor, source, options),
    ...(pushBlob === undefined ? {} : { pushBlob: pushBlob.bind(to) }),
    distrustUnlisted: async () => undefined,
    // Nothing is saved by asking: to name again what has the name already costs no more.
    staleNames: async (names) => names,
    async name(names, { descriptor, bytes }, signal) {
      if (!(await to.has(descriptor, withSignal(signal)))) {
        await to.write(descriptor, bytesSource(bytes), withSignal(signal))
      }
      if (names.length === 0) await to.tag(undefined, descriptor, withSignal(signal))
      for (const name of names) await to.tag(name, descriptor, withSignal(signal))
    },
  }
}
