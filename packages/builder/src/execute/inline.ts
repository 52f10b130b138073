/**
 * Files that are part of the definition itself: heredocs of COPY and ADD.
 *
 * @module
 */
import { bytesSource, digestOf } from '@varve/digest'
import { createEntry, Tree } from '@varve/layer'
import { BuilderError } from '../errors.ts'
import type { InlineStep } from '../plan/plan.ts'
import type { FileSourceTree } from './context.ts'

/** The files of an inline step, mode 0644, owner 0:0. */
export function inlineFiles({ files }: InlineStep, epoch: number): FileSourceTree {
  const contents = new Map(files.map(({ name, data }) => [name, new TextEncoder().encode(data)]))
  const entries = [...contents].map(([path, bytes]) => {
    const size = bytes.byteLength
    return createEntry({ path, type: 'file', mode: 0o644, size, mtime: epoch, content: bytesSource(bytes) })
  })
  return {
    tree: Tree.from(entries),
    digest: ({ path }) => {
      const bytes = contents.get(path)
      if (bytes === undefined)
        throw new BuilderError('ERR_BUILDER_COPY', `No inline file ${JSON.stringify(path)}`)
      return digestOf(bytes)
    },
    assertUnchanged: () => undefined,
  }
}
