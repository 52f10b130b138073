/**
 * Values of command line options.
 *
 * @module
 */
import { createdFromEpoch, type Platform, parsePlatform } from '@varve/oci-manifest'
import type { MirrorSettings } from '@varve/registry'
import type { NamedContext } from '../build/options.ts'
import type { CacheSpec } from '../cache/open-cache.ts'
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

/** `type=s3,bucket=B[,prefix=P][,region=R][,endpoint=URL]`, `type=http,url=URL` or `type=local,dir=PATH`. */
export function parseCache(text: string): CacheSpec {
  const fields = parseAssignments(text.split(','))
  const take = (name: string): string | undefined => {
    const value = fields.get(name)
    fields.delete(name)
    return value === '' ? undefined : value
  }
  const need = (name: string): string => {
    const value = take(name)
    if (value === undefined) throw usage(`The cache ${JSON.stringify(text)} lacks ${name}=`)
    return value
  }
  const type = take('type')
  const spec = ((): CacheSpec => {
    switch (type) {
      case 's3': {
        const optional = ['prefix', 'region', 'endpoint'].map((name) => [name, take(name)] as const)
        return { type, bucket: need('bucket'), ...Object.fromEntries(optional.filter(([, value]) => value)) }
      }
      case 'http':
        return { type, url: need('url') }
      case 'local':
        return { type, directory: need('dir') }
      default:
        throw usage(`Unknown type of cache ${JSON.stringify(type ?? '')}`, 'Types are s3, http and local')
    }
  })()
  const [unknown] = fields.keys()
  if (unknown === undefined) return spec
  throw usage(`Unknown field ${JSON.stringify(unknown)} of the cache ${JSON.stringify(text)}`)
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

/** `HOST=LOCATION`, repeatable; those of one host are asked in the order given. */
export function parseMirrors(values: readonly string[]): ReadonlyMap<string, readonly MirrorSettings[]> {
  const mirrors = new Map<string, MirrorSettings[]>()
  for (const value of values) {
    const [, host, location] = /^([^=]+)=(.+)$/.exec(value) ?? []
    if (host === undefined || location === undefined) {
      throw usage(
        `Not a mirror: ${JSON.stringify(value)}`,
        'Write it as docker.io=mirror.example:5000/prefix',
      )
    }
    mirrors.set(host, [...(mirrors.get(host) ?? []), { location }])
  }
  return mirrors
}

/** Seconds since 1970 of SOURCE_DATE_EPOCH (reproducible-builds.org, "SOURCE_DATE_EPOCH"), or 0. */
export function parseEpoch(text: string | undefined): number {
  try {
    return Date.parse(createdFromEpoch(text) ?? '1970-01-01T00:00:00Z') / 1000
  } catch {
    throw usage(`SOURCE_DATE_EPOCH is not a number of seconds: ${JSON.stringify(text)}`)
  }
}

/** A time such as `7d`, `12h`, `30m` or `45s`, in milliseconds. */
export function parseAge(text: string): number {
  const [, amount = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (unit === '') throw usage(`Not a time: ${JSON.stringify(text)}`, 'Write it as 7d, 12h, 30m or 45s')
  return Number(amount) * { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 's' | 'm' | 'h' | 'd']
}

/** A number of bytes such as `500MB`, `20GiB` or `1000`. */
export function parseBytes(text: string): number {
  const [, amount = '', prefix = '', binary = ''] = /^(\d+(?:\.\d+)?)([kmgt]?)(i?)b?$/i.exec(text) ?? []
  if (amount === '' || (binary !== '' && prefix === '')) {
    throw usage(`Not a number of bytes: ${JSON.stringify(text)}`, 'Write it as 500MB, 20GiB or 1000')
  }
  const power = ' kmgt'.indexOf(prefix.toLowerCase() || ' ')
  return Math.round(Number(amount) * (binary === '' ? 1000 : 1024) ** power)
}

/** The store a command works on. */
export function cacheDirectory(option: string | undefined, { environment }: Console): string {
  return option ?? defaultCacheDirectory(environment)
}

/** An error in the command line. */
export function usage(message: string, hint?: string): BuilderError {
  return new BuilderError('ERR_BUILDER_USAGE', message, hint === undefined ? {} : { hint })
}
