/**
 * Choosing who runs RUN.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { BuilderError } from '../errors.ts'
import { createNamespaceRunner } from './namespace-runner.ts'
import type { Runner } from './runner.ts'

/** `auto` is bwrap where it is installed, else unshare; `none` runs nothing. */
export type RunnerName = 'auto' | 'bwrap' | 'unshare' | 'none'

/**
 * Makes a runner with a working directory of its own below `runs`. What builds that were killed left there goes.
 *
 * @throws {BuilderError} `ERR_BUILDER_RUNNER`
 */
export function createRunner(name: RunnerName, runs: string): Runner {
  if (name === 'none') {
    throw new BuilderError(
      'ERR_BUILDER_RUNNER',
      'This build has a RUN that is not in the cache, and no runner',
      {
        hint: 'Choose one by --runner, or build where the cache has it',
      },
    )
  }
  return createNamespaceRunner({
    directory: join(runs, `${process.pid}-${randomBytes(8).toString('hex')}`),
    abandoned: abandonedRuns(runs),
    ...(name !== 'auto' && { sandbox: name }),
  })
}

/** Working directories whose process is gone. A number that another process has by now only delays the cleaning. */
function abandonedRuns(runs: string): string[] {
  if (!existsSync(runs)) return []
  return readdirSync(runs)
    .filter((entry) => /^\d+-[0-9a-f]{16}$/.test(entry) && !existsSync(`/proc/${Number.parseInt(entry, 10)}`))
    .map((entry) => join(runs, entry))
}
