/**
 * `varve cache prune`
 *
 * @module
 */
import type { CollectionPolicy, CollectionReport } from '@varve/cache-store'
import { createLocalStore } from '@varve/cache-store/local'
import { type CommandContext, say } from '../console.ts'
import { formatBytes, printable } from '../display/lines.ts'
import { cacheDirectory, parseAge, parseBytes } from '../options.ts'

/** Its options. */
export interface PruneFlags {
  readonly cacheDir?: string
  readonly maxBytes?: string
  readonly minFree?: string
  readonly maxAge?: string
  readonly grace?: string
  readonly dryRun: boolean
  readonly json: boolean
}

/** Brings the store within its limits. */
export async function runPrune(context: CommandContext, flags: PruneFlags): Promise<void> {
  const { signal } = context
  const store = await createLocalStore({ directory: cacheDirectory(flags.cacheDir, context) })
  const report = await store.collect(policyOf(flags), { dryRun: flags.dryRun, signal })
  if (flags.json) say(context, JSON.stringify(report))
  else if (report.busy) say(context, 'somebody else is pruning; nothing was looked at')
  else for (const line of linesOf(report)) say(context, line)
}

function policyOf({ maxBytes, minFree, maxAge, grace }: PruneFlags): CollectionPolicy {
  return {
    ...(maxBytes !== undefined && { maxBytes: parseBytes(maxBytes) }),
    ...(minFree !== undefined && { minFreeBytes: parseBytes(minFree) }),
    ...(maxAge !== undefined && { maxAgeMs: parseAge(maxAge) }),
    ...(grace !== undefined && { graceMs: parseAge(grace) }),
  }
}

function linesOf({ dryRun, before, after, removed, kept, overBudget }: CollectionReport): string[] {
  const { blobs, records, leftovers } = removed
  const line = (what: string, { count, bytes }: { count: number; bytes: number }): string =>
    `${what.padEnd(20)} ${String(count).padStart(8)}  ${formatBytes(bytes)}`
  return [
    line('before', before),
    line(dryRun ? 'would remove blobs' : 'removed blobs', blobs),
    line(dryRun ? 'would remove records' : 'removed records', records),
    line(dryRun ? 'would remove rests' : 'removed rests', leftovers),
    line('after', after),
    ...(kept.recent.count > 0 ? [line('kept as recent', kept.recent)] : []),
    ...(kept.leased.count > 0 ? [line('kept for a build', kept.leased)] : []),
    ...kept.pins.map((pin) => `${line('kept for a root', pin)}  ${printable(pin.name)}`),
    ...(overBudget ? ['what must be kept is more than the limit: nothing new is cached'] : []),
  ]
}
