/**
 * Rows about applying a layer to a directory. Each side unpacks into a directory of its own, which is new every time;
 * the one before is removed outside of what is timed.
 *
 * @module
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Benchmark, Contest, Side } from '../contest.ts'
import type { Inputs } from '../inputs.ts'
import { runShell, scriptPath, timeShell } from '../process.ts'
import { agree } from './sides.ts'

const OURS = '"$NODE" "$3" "$1" "$2"'
/** Everything but the times of directories, which only some of the peers put back. */
const LISTING = `cd "$1" && find . -mindepth 1 -printf '%P %y %m %U:%G %s %l\\n' | sed 's/ d \\(.*\\) [0-9]* $/ d \\1/' | sort`

/** Against GNU tar. */
export const applyTar: Benchmark = {
  name: 'apply-entries',
  title: 'apply a layer of 20,000 entries, to GNU `tar -x`',
  programs: ['tar', 'find'],
  unit: 'ms',
  prepare: (inputs) => contest(inputs, 'mkdir "$2" && tar -xpf "$1" -C "$2"'),
}

/** Against umoci, which makes the same promises as we do. */
export const applyUmoci: Benchmark = {
  name: 'apply-umoci',
  title: 'apply a layer of 20,000 entries, to `umoci raw unpack`',
  programs: ['umoci', 'find'],
  unit: 'ms',
  prepare: (inputs) => {
    const image = inputs.umociImage()
    return contest(inputs, `umoci raw unpack ${rootless()}--image "$3" "$2"`, image)
  },
}

/** Against the JavaScript library that is quickest at it (performance.md has the others). */
export const applyTarStream: Benchmark = {
  name: 'apply-tar-stream',
  title: 'apply a layer of 20,000 entries, to tar-stream with synchronous writes',
  programs: ['find'],
  unit: 'ms',
  prepare: (inputs) => contest(inputs, '"$NODE" "$3" "$1" "$2"', scriptPath('peers/tar-stream-extract')),
}

function contest(inputs: Inputs, theirs: string, third: string = ''): Contest {
  const archive = inputs.halfArchive()
  const [left, right] = [join(inputs.scratch, 'apply-ours'), join(inputs.scratch, 'apply-theirs')]
  const sides = {
    ours: side(left, OURS, archive, left, scriptPath('ours/apply')),
    theirs: side(right, theirs, archive, right, third),
  }
  sides.ours()
  sides.theirs()
  agree(runShell(LISTING, left), runShell(LISTING, right))
  return sides
}

function side(target: string, command: string, ...values: readonly string[]): Side {
  return () => {
    rmSync(target, { recursive: true, force: true })
    return timeShell(command, ...values)
  }
}

function rootless(): string {
  return process.geteuid?.() === 0 ? '' : '--rootless '
}
