/**
 * Errors as the user meets them: a message, a hint, an exit code.
 *
 * @module
 */
import { BuilderError } from '../errors.ts'

/** 1: a step or anything else failed; 2: usage or parse error; 4: network or registry. */
type ExitCode = 1 | 2 | 4

const USAGE_CODES = new Set([
  'ERR_BUILDER_USAGE',
  'ERR_BUILDER_DOCKERFILE',
  'ERR_BUILDER_IGNORE',
  'ERR_BUILDER_CONTEXT',
  'ERR_BUILDER_UNSUPPORTED',
  'ERR_OCI_MANIFEST_REFERENCE',
  'ERR_OCI_MANIFEST_PLATFORM',
])

/** The exit code for an error, by its `code` or that of a cause. */
export function exitCodeOf(error: unknown): ExitCode {
  const codes = causes(error).map(codeOf)
  if (codes.some((code) => code.startsWith('ERR_REGISTRY_') || code === 'ERR_BUILDER_FETCH')) return 4
  // A name that is none is a mistake in the text, also where it was looked for as a base image.
  return USAGE_CODES.has(codes[0] ?? '') || codes.includes('ERR_OCI_MANIFEST_REFERENCE') ? 2 : 1
}

/** What went wrong, where, and what to do about it. Only a programming error shows its stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return `varve: ${String(error)}`
  if (codeOf(error) === '') return `varve: ${error.stack ?? error.message}`
  const lines = [`varve: ${error.message}`]
  if (error instanceof BuilderError) {
    if (error.instruction !== undefined) lines.push(`  in: ${error.instruction.split('\n')[0]}`)
  }
  const hint = (error as { hint?: unknown }).hint
  if (typeof hint === 'string') lines.push(`  hint: ${hint}`)
  const said = new Set([error.message])
  for (const cause of causes(error).slice(1)) {
    if (!(cause instanceof Error) || [...said].some((text) => text.includes(cause.message))) continue
    said.add(cause.message)
    lines.push(`  cause: ${cause.message}`)
  }
  return lines.join('\n')
}

function causes(error: unknown): unknown[] {
  const chain: unknown[] = []
  for (let each = error; each !== undefined && each !== null && chain.length < 8;) {
    chain.push(each)
    each = (each as { cause?: unknown }).cause
  }
  return chain
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}
