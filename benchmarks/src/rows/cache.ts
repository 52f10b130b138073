/**
 * Rows about `@varve/cache-store` on a disk. In-process, but for the large file.
 *
 * @module
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Benchmark, Side } from '../contest.ts'
import type { Inputs } from '../inputs.ts'
import { runShell, scriptPath, timeShell } from '../process.ts'

const SCRIPT = '"$NODE" "$1" "$2" "$3" "$4" "$5"'
const RECORDS = 100_000
const ASKED = 10_000
const LOOKED_UP = 2_000

/** Blobs of 4 KiB and 1 MiB, in and out. */
export const cachePutSmall: Benchmark = blobs(
  'cache-put-small',
  'put 2,000 blobs of 4 KiB',
  'put',
  4096,
  2_000,
)
export const cacheGetSmall: Benchmark = blobs(
  'cache-get-small',
  'get 2,000 blobs of 4 KiB',
  'get',
  4096,
  2_000,
)
export const cachePutLarge: Benchmark = blobs(
  'cache-put-large',
  'put 200 blobs of 1 MiB',
  'put',
  1 << 20,
  200,
)
export const cacheGetLarge: Benchmark = blobs(
  'cache-get-large',
  'get 200 blobs of 1 MiB',
  'get',
  1 << 20,
  200,
)

/** A blob of 1 GiB whose digest is known. */
export const cacheFile: Benchmark = {
  name: 'cache-put-file',
  title: 'put a file of 1 GiB, to `cp` and `openssl dgst -sha256` of the copy',
  programs: ['cp', 'openssl'],
  unit: 'ms',
  prepare: (inputs) => {
    const [file, target] = [inputs.largeFile(), join(inputs.scratch, 'cache-file')]
    const digest = runShell('"$NODE" "$1" "$2"', scriptPath('ours/digest-file'), file).trim()
    return {
      ours: anew(target, '"$NODE" "$1" "$2" "$3" "$4"', scriptPath('ours/cache-file'), file, target, digest),
      theirs: anew(target, 'cp "$1" "$2" && openssl dgst -sha256 -r "$2"', file, target),
    }
  },
}

/** A batch of 10,000. */
export const cacheMissing: Benchmark = {
  name: 'cache-missing',
  title: '`missing` of 10,000 blobs, to 10,000 bare `lstat`',
  programs: [],
  unit: 'ms',
  prepare: (inputs) => {
    const values = [inputs.cache(RECORDS), String(ASKED)]
    return {
      ours: printed('ours/cache-missing', ...values),
      theirs: printed('peers/lstat-blobs', ...values),
    }
  },
}

export const cacheLookupCold: Benchmark = lookup('cache-lookup-cold', 'cold')
export const cacheLookupWarm: Benchmark = lookup('cache-lookup-warm', 'warm')

/** Garbage collection that finds nothing to do has looked at everything. */
export const cacheCollect: Benchmark = {
  name: 'cache-collect',
  title: 'collect garbage among 100,000 records and as many blobs, to `find -printf` of the same fields',
  programs: ['find'],
  unit: 'ms',
  prepare: (inputs) => {
    const directory = inputs.cache(RECORDS)
    return {
      ours: printed('ours/cache-collect', directory),
      theirs: () => timeShell(`find "$1" -printf '%T@ %b %p\\n' >/dev/null`, directory),
    }
  },
}

function blobs(name: string, title: string, what: 'put' | 'get', size: number, count: number): Benchmark {
  return {
    name,
    title: `${title}, to cacache; both by temporary file and rename, both verify`,
    programs: [],
    unit: 'ms',
    prepare: ({ scratch }) => {
      const values = [scratch, what, String(size), String(count)]
      return {
        ours: printed('ours/cache-blobs', ...values),
        theirs: printed('peers/cacache-blobs', ...values),
      }
    },
  }
}

function lookup(name: string, what: 'cold' | 'warm'): Benchmark {
  return {
    name,
    title: `look up 2,000 records, ${what}, with their blobs, to cacache.get`,
    programs: [],
    unit: 'ms',
    prepare: (inputs: Inputs) => ({
      ours: printed('ours/cache-lookup', inputs.cache(RECORDS), String(LOOKED_UP), what),
      theirs: printed('peers/cacache-lookup', inputs.scratch, String(LOOKED_UP), what),
    }),
  }
}

function printed(script: string, ...values: readonly string[]): Side {
  return () => Number(runShell(SCRIPT, scriptPath(script), ...values))
}

function anew(target: string, command: string, ...values: readonly string[]): Side {
  return () => {
    rmSync(target, { recursive: true, force: true })
    return timeShell(command, ...values)
  }
}
