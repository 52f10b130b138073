/**
 * `varve cache verify`
 *
 * @module
 */
import { type CheckReport, createLocalStore, type Findings } from '@varve/cache-store/local'
import { BuilderError } from '../../errors.ts'
import { type CommandContext, say } from '../console.ts'
import { formatBytes, printable } from '../display/lines.ts'
import { cacheDirectory } from '../options.ts'

/** Its options. */
export interface VerifyFlags {
  readonly cacheDir?: string
  readonly json: boolean
}

/** Reads everything; fails if something was damaged, which is taken out and made anew when it is needed. */
export async function runVerify(context: CommandContext, { cacheDir, json }: VerifyFlags): Promise<void> {
  const { signal } = context
  const store = await createLocalStore({ directory: cacheDirectory(cacheDir, context) })
  const report = await store.check({ signal })
  if (json) say(context, JSON.stringify(report))
  else for (const line of linesOf(report)) say(context, line)
  const { damaged, undecodable, refs, pins } = report
  const bad = [damaged, undecodable, refs, pins].reduce((sum, { count }) => sum + count, 0)
  if (bad === 0) return
  throw new BuilderError('ERR_BUILDER_OUTPUT', `${bad} things in the store were damaged`, {
    hint: 'They are out of the way; what needs them is made anew',
  })
}

function linesOf(report: CheckReport): string[] {
  const { checked } = report
  const findings: ReadonlyArray<readonly [what: string, found: Findings]> = [
    ['damaged blob', report.damaged],
    ['damaged record', report.undecodable],
    ['record by nobody trusted', report.untrusted],
    ['record without its blobs', report.dangling],
    ['damaged ref', report.refs],
    ['damaged pin', report.pins],
  ]
  return [
    `read ${checked.blobs.count} blobs (${formatBytes(checked.blobs.bytes)}), ${checked.records.count} records`,
    ...findings.flatMap(([what, { names }]) => names.map((name) => `${what}: ${printable(name)}`)),
    ...findings.flatMap(([what, { count, names }]) =>
      count > names.length ? [`${what}: ${count - names.length} more`] : [],
    ),
  ]
}
