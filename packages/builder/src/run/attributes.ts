/**
 * Extended attributes, which Node cannot read: what a run sets is not kept, and is never lost in silence.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { findTool } from './tools.ts'

/** Marks of overlay itself, and labels that belong to the host. */
const IGNORED = /^(?:(?:trusted|user)\.overlay\.|security\.selinux$)/
const MAXIMUM_OUTPUT = 64 * 1024 * 1024

/** Warnings about files below a directory that have attributes; none where `getfattr` is not installed to tell. */
export function warnOfAttributes(directory: string): string[] {
  const getfattr = findTool('getfattr')
  if (getfattr === undefined) return []
  const output = execFileSync(getfattr, ['-R', '-P', '-h', '-m', '-', '--absolute-names', directory], {
    encoding: 'utf8',
    maxBuffer: MAXIMUM_OUTPUT,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return output.split('\n\n').flatMap((block) => {
    const [file = '', ...names] = block.split('\n').filter((line) => line !== '')
    const kept = names.filter((name) => !IGNORED.test(name))
    const path = file.replace('# file: ', '').slice(directory.length)
    return kept.length === 0
      ? []
      : [`${path} has attributes that the layer does not keep: ${kept.join(', ')}`]
  })
}
