/**
 * `varve digest`
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { type Algorithm, algorithmOf, createDigester, type DigestAndSize, parseDigest } from '@varve/digest'
import { digestFile } from '@varve/digest/node'
import { BuilderError } from '../errors.ts'
import { type CommandContext, say, tell } from './console.ts'
import { printable } from './display/lines.ts'
import { named } from './named.ts'
import { usage } from './options.ts'

/** Its options. */
export interface DigestFlags {
  readonly algorithm: Algorithm
  readonly check: boolean
  readonly json: boolean
}

/** A line of a list: a digest, two spaces, a name, as `sha256sum` has it with a prefix. */
const LINE = /^(\S+) [ *](.+)$/

/** Prints digests of files or, with `--check`, reads such lists and checks the files they name. */
export async function runDigest(
  context: CommandContext,
  names: readonly string[],
  flags: DigestFlags,
): Promise<void> {
  const files = names.length === 0 ? ['-'] : names
  if (flags.check) return checkLists(context, files, flags)
  for (const name of files) {
    const { digest, size } = await digestOfFile(context, name, flags.algorithm)
    say(context, flags.json ? JSON.stringify({ name, digest, size }) : `${digest}  ${name}`)
  }
}

async function checkLists(
  context: CommandContext,
  lists: readonly string[],
  { json }: DigestFlags,
): Promise<void> {
  let checked = 0
  let failed = 0
  for (const list of lists) {
    for (const line of (await readList(context, list)).split('\n')) {
      if (line === '') continue
      const ok = await checkLine(context, list, line, json)
      checked++
      if (!ok) failed++
    }
  }
  if (checked === 0) throw usage('There is no digest to check')
  if (failed > 0) {
    throw new BuilderError(
      'ERR_BUILDER_MISMATCH',
      `${failed} of ${checked} files are not what they should be`,
    )
  }
}

async function checkLine(
  context: CommandContext,
  list: string,
  line: string,
  json: boolean,
): Promise<boolean> {
  const [, expected, name] = LINE.exec(line) ?? []
  if (expected === undefined || name === undefined) {
    throw usage(`Not a line of digest and name in ${JSON.stringify(list)}: ${JSON.stringify(line)}`)
  }
  const digest = parseDigest(expected)
  let actual: string
  try {
    actual = (await digestOfFile(context, name, algorithmOf(digest))).digest
  } catch (error) {
    if (!(error instanceof BuilderError)) throw error
    tell(context, `varve: ${error.message}`)
    actual = 'unreadable'
  }
  const ok = actual === digest
  if (json) say(context, JSON.stringify({ name, expected: digest, actual, ok }))
  else say(context, `${printable(name)}: ${ok ? 'OK' : 'FAILED'}`)
  return ok
}

async function readList(context: CommandContext, name: string): Promise<string> {
  if (name !== '-') return named(name, async () => readFileSync(name, 'utf8'))
  const chunks: Uint8Array[] = []
  for await (const chunk of context.stdin) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function digestOfFile(
  context: CommandContext,
  name: string,
  algorithm: Algorithm,
): Promise<DigestAndSize> {
  context.signal.throwIfAborted()
  if (name !== '-') return named(name, async () => digestFile(name, algorithm))
  const digester = createDigester(algorithm)
  for await (const chunk of context.stdin) digester.update(chunk)
  return digester.finish()
}
