/**
 * COPY and ADD.
 *
 * @module
 */
import type { KeyContent, KeyValue } from '@varve/cache-store'
import { keyOf } from '@varve/cache-store'
import { type ByteSource, type Digest, digestStream } from '@varve/digest'
import { createEntry, type Entry, Tree } from '@varve/layer'
import { accountsOf, type Owner, resolveIdentity } from '../copy/identity.ts'
import { parseMode } from '../copy/mode.ts'
import { placeCopy, type PlacedItem } from '../copy/place.ts'
import { findSources, type Match, type SourceFile, sourceFiles } from '../copy/sources.ts'
import { BuilderError, type SourceLocation } from '../errors.ts'
import { PatternMatcher } from '../ignore/pattern.ts'
import type { CopyStep } from '../plan/plan.ts'
import { openArchive } from './archive.ts'
import type { FileSourceTree } from './context.ts'
import type { StackLayer } from './content.ts'
import { listFiles } from './listing.ts'
import { commonFields, diffIDsOf, type RootResult, storeTree, type StepWork } from './work.ts'
import type { StepKey } from './step-cache.ts'
import type { BlobStore } from '@varve/cache-store'

/** A source of a COPY. A root file system is identified by its layers; its files are looked at only if need be. */
export type ResolvedSource =
  | { readonly kind: 'files'; readonly files: FileSourceTree }
  | { readonly kind: 'root'; readonly root: RootResult; readonly tree: () => Promise<Tree> }

/** A COPY whose inputs are resolved. */
export interface CopyInput {
  readonly step: CopyStep
  readonly sources: readonly ResolvedSource[]
  readonly parent: RootResult
  /** The parent's files; not asked for with `--link`. */
  readonly parentTree: () => Promise<Tree>
  readonly epoch: number
  readonly blobs: BlobStore
  readonly location: SourceLocation | undefined
  readonly signal?: AbortSignal
}

/** Prepares a COPY: its definition key, and what follows on a miss. */
export async function prepareCopy(input: CopyInput): Promise<StepWork> {
  const { step, epoch, blobs, signal } = input
  let placed: Promise<Tree> | undefined
  const place = (): Promise<Tree> => (placed ??= placeFiles(input))
  return {
    definition: await definitionKey(input),
    content: async () => {
      const listing = await listFiles(
        [...(await place())].map((entry) => [entry.path, entry] as const),
        contentDigests(input),
      )
      const parent = step.link ? [] : diffIDsOf(input.parent)
      return {
        document: { kv: 1, kind: 'layer', fields: { ...commonFields(epoch, parent), files: keyOf(listing) } },
        listings: [listing],
      }
    },
    run: async (): Promise<StackLayer> => {
      const tree = await place()
      const layer = await storeTree(tree, blobs, signal).catch((error: unknown) => {
        throw asContextError(error, input.location)
      })
      for (const source of input.sources) {
        if (source.kind !== 'files') continue
        source.files.assertUnchanged(broughtBy(input, source.files.tree).map(({ file }) => file))
      }
      return layer
    },
  }
}

/** Says which archive is damaged. */
function asArchiveError(cause: unknown, path: string, location: SourceLocation | undefined): unknown {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code?.startsWith('ERR_LAYER_') !== true) return cause
  return new BuilderError('ERR_BUILDER_COPY', `Cannot extract ${JSON.stringify(path)}: ${message}`, {
    cause,
    ...(location !== undefined && { location }),
  })
}

/** A file that is not what it was when the context was read is the user's to find out about. */
function asContextError(cause: unknown, location: SourceLocation | undefined): unknown {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code !== 'ERR_LAYER_CHANGED') return cause
  return new BuilderError('ERR_BUILDER_CONTEXT', message, {
    cause,
    ...(location !== undefined && { location }),
    hint: 'Build again when nothing writes to the context',
  })
}

/** Instruction, parent and sources. Context files are listed under the names they have there. */
async function definitionKey(input: CopyInput): Promise<StepKey> {
  const { step, sources, parent, epoch } = input
  const listings: KeyContent[] = []
  const described: KeyValue[] = []
  for (const [index, source] of sources.entries()) {
    const paths = step.sources[index]?.paths ?? []
    if (source.kind === 'root') {
      described.push({ paths, layers: diffIDsOf(source.root) })
      continue
    }
    const overridden = {
      owner: step.chown !== undefined,
      mode: step.chmod !== undefined && /^[0-7]+$/.test(step.chmod),
    }
    const listing = await listFiles(
      broughtBy(input, source.files.tree).map(listed),
      (entry) => source.files.digest(entry),
      overridden,
    )
    listings.push(listing)
    described.push({ paths, files: keyOf(listing) })
  }
  const { destination, chown = '', chmod = '', exclude, parents, link, unpack } = step
  const flags = Object.entries({ parents, link, unpack }).flatMap(([name, set]) => (set ? [name] : []))
  const document: KeyContent = {
    kv: 1,
    kind: 'copy',
    fields: {
      ...commonFields(epoch, link ? [] : diffIDsOf(parent)),
      destination,
      chown,
      chmod,
      exclude,
      flags,
      sources: described,
    },
  }
  return { document, listings }
}

/** Everything that the source words bring along from one tree. */
function broughtBy(input: CopyInput, tree: Tree): SourceFile[] {
  const index = input.sources.findIndex((source) => source.kind === 'files' && source.files.tree === tree)
  const exclude = excludeMatcher(input.step)
  return matches(input, index, tree).flatMap((match) => [...sourceFiles(match, exclude)])
}

/** A hard link is described by its file and by whose link it is, a followed link by the name it gets as well. */
function listed({ path, name, file }: SourceFile): readonly [name: string, entry: Entry] {
  const isSuffix = `/${name.path}`.endsWith(`/${path}`)
  const entry = name.type === 'hardlink' ? createEntry({ ...file, linkname: name.linkname }) : file
  return [isSuffix ? name.path : `${name.path} as ${path}`, entry]
}

function matches({ step, location }: CopyInput, index: number, tree: Tree): Match[] {
  const words = step.sources[index]?.paths ?? []
  return words.flatMap((word) => findSources(tree, word, { parents: step.parents, location }))
}

async function placeFiles(input: CopyInput): Promise<Tree> {
  const { step, sources, epoch, location } = input
  const base = step.link ? Tree.from([]) : await input.parentTree()
  const items: PlacedItem[] = []
  for (const [index, source] of sources.entries()) {
    const tree = source.kind === 'files' ? source.files.tree : await source.tree()
    for (const match of matches(input, index, tree)) {
      const content = step.unpack && match.entry?.type === 'file' ? match.entry.content : undefined
      const archive =
        content === undefined
          ? undefined
          : await openArchive(content, input).catch((error: unknown) => {
              throw asArchiveError(error, match.path, location)
            })
      items.push({ match, ...(archive !== undefined && { archive }) })
    }
  }
  return placeCopy({
    base,
    items,
    destination: step.destination,
    owner: await ownerOf(step, base, location),
    mode: step.chmod === undefined ? undefined : parseMode(step.chmod, location),
    exclude: excludeMatcher(step),
    epoch,
    location,
  })
}

async function ownerOf(
  step: CopyStep,
  base: Tree,
  location: SourceLocation | undefined,
): Promise<Owner | undefined> {
  if (step.chown === undefined) return undefined
  const { uid, gid } = await resolveIdentity(step.chown, accountsOf(base), { numericGroup: 'same', location })
  return { uid, gid }
}

function excludeMatcher({ exclude }: CopyStep): PatternMatcher | undefined {
  return exclude.length === 0 ? undefined : new PatternMatcher(exclude)
}

/** Digests of placed files: context files are known by the source that holds their content. */
function contentDigests(input: CopyInput): (entry: Entry) => Digest | Promise<Digest> {
  const known = new Map<ByteSource, () => Digest | Promise<Digest>>()
  for (const source of input.sources) {
    if (source.kind !== 'files') continue
    for (const entry of source.files.tree) {
      if (entry.content !== undefined) known.set(entry.content, () => source.files.digest(entry))
    }
  }
  return (entry) => {
    const digest = entry.content === undefined ? undefined : known.get(entry.content)
    return digest?.() ?? hashContent(entry)
  }
}

async function hashContent({ content }: Entry): Promise<Digest> {
  return (await digestStream(content?.open() ?? [])).digest
}
