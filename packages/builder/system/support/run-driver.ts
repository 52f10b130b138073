/**
 * Runs commands by the runner itself, each on the layers given, and prints the diffIDs of what they make:
 * `run-driver <job>`, whose file is JSON.
 */
import { readFileSync } from 'node:fs'
import type { RunLayer } from '../../src/run/runner.ts'
import { createNamespaceRunner, type NamespaceRunnerOptions } from '../../src/run/namespace-runner.ts'

/** What it does. */
interface RunJob {
  readonly options: NamespaceRunnerOptions
  readonly path: string
  readonly runs: ReadonlyArray<{ readonly command: string; readonly layers: readonly RunLayer[] }>
}

async function work({ options, path, runs }: RunJob): Promise<void> {
  const runner = createNamespaceRunner(options)
  const diffIDs: string[] = []
  for (const { layers, command } of runs) {
    const { layer } = await runner.run(
      {
        layers,
        args: ['/bin/sh', '-c', command],
        env: [path],
        cwd: '/',
        user: '',
        network: 'default',
        scripts: [],
        epoch: 0,
      },
      { onOutput: (_, chunk) => void process.stderr.write(chunk), write: async () => {} },
    )
    diffIDs.push(layer.diffID)
  }
  await runner.close()
  process.stdout.write(`${JSON.stringify(diffIDs)}\n`)
}

await work(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as RunJob)
