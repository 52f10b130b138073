/**
 * What ARG and ENV define before a Dockerfile says anything: platform arguments and the proxy names.
 *
 * @module
 */
import { formatPlatform, type Platform } from '@varve/oci-manifest'

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

function describe(prefix: string, platform: Platform): Array<readonly [string, string]> {
  return [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}OSVERSION`, platform['os.version'] ?? ''],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ]
}
