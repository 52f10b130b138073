/**
 * The arguments of a build: those set automatically, those before the first FROM, and those nobody asked for.
 *
 * @module
 */
import { formatPlatform, type Platform } from '@varve/oci-manifest'
import type { Instruction } from '../dockerfile/instruction.ts'
import { expandWord } from '../dockerfile/lexer.ts'
import type { Dockerfile, Warning } from '../dockerfile/parse.ts'
import { suggestion } from '../dockerfile/suggestion.ts'

/** Names that may be given by `--build-arg` and used by RUN without an ARG; they are not part of keys or history. */
export const PROXY_ARGUMENTS: ReadonlySet<string> = new Set(
  ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
    name,
    name.toLowerCase(),
  ]),
)

/** The automatic arguments, in scope before FROM and in a stage after a bare `ARG NAME`. */
export function platformArguments(
  target: Platform,
  build: Platform,
  targetStage: string,
): ReadonlyMap<string, string> {
  return new Map([
    ...describe('BUILD', build),
    ...describe('TARGET', target),
    ['TARGETSTAGE', targetStage] as const,
  ])
}

/** The arguments in scope for FROM. What the build gives is stronger than a default, and than an automatic value. */
export function globalArguments(
  { metaArgs, escape }: Dockerfile,
  buildArgs: ReadonlyMap<string, string>,
  automatic: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const scope = new Map([...automatic].map(([name, value]) => [name, buildArgs.get(name) ?? value]))
  for (const { pairs, location } of metaArgs) {
    const expand = (word: string): string => expandWord(word, scope, { escape, location })
    for (const pair of pairs) {
      const name = expand(pair.name)
      const value = buildArgs.get(name) ?? (pair.value === undefined ? undefined : expand(pair.value))
      if (value !== undefined) scope.set(name, value)
    }
  }
  return scope
}

/**
 * Warnings for `--build-arg` names that nothing declares: no ARG of the file, whether its stage is built or not, and
 * none of `declared`.
 */
export function undeclaredArguments(
  dockerfile: Dockerfile,
  buildArgs: ReadonlyMap<string, string>,
  declared: ReadonlySet<string>,
): Warning[] {
  const instructions: Instruction[] = dockerfile.stages.flatMap((stage) => stage.instructions)
  const names = new Set([
    ...PROXY_ARGUMENTS,
    ...declared,
    ...[...dockerfile.metaArgs, ...instructions].flatMap((each) =>
      each.kind === 'arg' ? each.pairs.map(({ name }) => name) : [],
    ),
  ])
  const { file } = dockerfile.stages[0]!.location
  return [...buildArgs.keys()].flatMap((name) => {
    if (names.has(name)) return []
    const message = `The build argument ${JSON.stringify(name)} is not declared by any ARG${suggestion(name, names)}`
    return { rule: 'UnusedBuildArg', message, location: { file, line: 1 } }
  })
}

function describe(prefix: string, platform: Platform): Array<readonly [string, string]> {
  return [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}OSVERSION`, platform['os.version'] ?? ''],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ]
}
