/**
 * Values of command line options.
 *
 * @module
 */
import { type Platform, parsePlatform } from '@varve/oci-manifest'
import type { NamedContext } from '../build/options.ts'
import { BuilderError } from '../errors.ts'
import type { Output } from '../output/output.ts'
import { defaultCacheDirectory } from '../workspace.ts'
import type { Console } from './console.ts'

/** `NAME=value`; a bare name takes its value from the environment, and is left out if it has none there. */
export function parseAssignments(
  pairs: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = {},
): Map<string, string> {
  const values = new Map<string, string>()
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    const name = at < 0 ? pair : pair.slice(0, at)
    if (name === '') throw usage(`Expected NAME=value, got ${JSON.stringify(pair)}`)
    const value = at < 0 ? environment[name] : pair.slice(at + 1)
    if (value !== undefined) values.set(name, value)
  }
  return values
}

/** `linux/amd64,linux/arm64`, repeatable. */
export function parsePlatforms(values: readonly string[]): Platform[] {
  return values
    .flatMap((value) => value.split(','))
    .filter((value) => value !== '')
    .map((value) => parsePlatform(value))
}

/** `type=oci,dest=path`, `type=registry`, or a path alone. A path that ends in `.tar`, or is `-`, is an archive. */
export function parseOutput(text: string): Output {
  const fields = text.includes('=')
    ? parseAssignments(text.split(','))
    : new Map([
        ['type', 'oci'],
        ['dest', text],
      ])
  const type = fields.get('type')
  const destination = fields.get('dest')
  const unknown = [...fields.keys()].find((name) => name !== 'type' && name !== 'dest')
  if (unknown !== undefined)
    throw usage(`Unknown field ${JSON.stringify(unknown)} in --output ${JSON.stringify(text)}`)
  if (type === 'registry') return { type: 'registry' }
  if (type !== 'oci')
    throw usage(`Unknown output type ${JSON.stringify(type ?? '')}`, 'Types are oci and registry')
  if (destination === undefined || destination === '')
    throw usage(`--output ${JSON.stringify(text)} lacks dest=`)
  return destination === '-' || destination.endsWith('.tar')
    ? { type: 'archive', file: destination }
    : { type: 'layout', directory: destination }
}

/** `name=directory` or `name=oci-layout://directory[:tag|@digest]`. */
export function parseContext(value: string): NamedContext {
  const scheme = 'oci-layout://'
  if (!value.startsWith(scheme)) return { type: 'directory', directory: value }
  const [, directory = '', digest, tag] =
    /^(.*?)(?:@(sha\d+:[0-9a-f]+)|:([A-Za-z0-9_][\w.-]*))?$/s.exec(value.slice(scheme.length)) ?? []
  const name = digest ?? tag
  return { type: 'layout', directory, ...(name !== undefined && { name }) }
}

/** Seconds since 1970 of SOURCE_DATE_EPOCH (reproducible-builds.org, "SOURCE_DATE_EPOCH"), or 0. */
export function parseEpoch(text: string | undefined): number {
  if (text === undefined || text === '') return 0
  if (!/^\d{1,11}$/.test(text))
    throw usage(`SOURCE_DATE_EPOCH is not a number of seconds: ${JSON.stringify(text)}`)
  return Number(text)
}

/** The store a command works on. */
export function cacheDirectory(option: string | undefined, { environment }: Console): string {
  return option ?? defaultCacheDirectory(environment)
}

/** An error in the command line. */
export function usage(message: string, hint?: string): BuilderError {
  return new BuilderError('ERR_BUILDER_USAGE', message, hint === undefined ? {} : { hint })
}
