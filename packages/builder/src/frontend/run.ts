/**
 * RUN: a process whose changes become a layer.
 *
 * @module
 */
import { formatPlatform } from '@varve/oci-manifest'
import { chompHeredoc, parseHeredocMarker } from '../dockerfile/heredoc.ts'
import type { RunInstruction } from '../dockerfile/instruction.ts'
import { BuilderError } from '../errors.ts'
import type { InlineFile } from '../plan/plan.ts'
import { pushStep } from './layer-step.ts'
import type { InstructionContext } from './lowering.ts'
import { commandLine } from './metadata.ts'
import type { StageState } from './stage.ts'

/** Adds the step; its environment is everything that ARG and ENV have set so far. */
export function lowerRun(instruction: RunInstruction, context: InstructionContext): void {
  const { state } = context
  const { root: parent, platform, scope, config } = state
  refuseUnsupported(instruction)
  const { args, scripts } = runCommand(instruction, state)
  const createdBy = ['RUN', ...declaredArguments(state), ...args, '# buildkit'].join(' ')
  pushStep(context, instruction, createdBy, {
    op: 'exec',
    parent,
    platform: formatPlatform(platform),
    args,
    env: [...scope].map(([name, value]) => `${name}=${value}`),
    cwd: config.workingDirectory,
    user: config.user,
    network: instruction.network === 'none' ? 'none' : 'default',
    scripts,
  })
}

function refuseUnsupported({ mounts, devices, network, security }: RunInstruction): void {
  const unsupported =
    (mounts.length > 0 && '--mount') ||
    (devices.length > 0 && '--device') ||
    (network !== undefined && !['default', 'none'].includes(network) && `--network=${network}`) ||
    (security !== undefined && security !== 'sandbox' && `--security=${security}`)
  if (unsupported === false) return
  throw new BuilderError('ERR_BUILDER_UNSUPPORTED', `RUN ${unsupported} is not implemented`)
}

/** The command line, with heredoc bodies given to the shell or put into script files. */
function runCommand(
  instruction: RunInstruction,
  state: StageState,
): { args: readonly string[]; scripts: readonly InlineFile[] } {
  const { form, command, heredocs } = instruction
  const [only] = heredocs
  const [line = ''] = command
  if (form === 'exec' || only === undefined) return { args: commandLine(instruction, state), scripts: [] }
  if (parseHeredocMarker(line) === undefined) {
    // The shell is to read them itself, tabs included.
    const whole = [line, ...heredocs.map(({ data, name }) => data + name)].join('\n')
    return { args: commandLine({ form, command: [whole] }, state), scripts: [] }
  }
  const data = only.chomp ? chompHeredoc(only.data) : only.data
  if (!data.startsWith('#!')) return { args: commandLine({ form, command: [data] }, state), scripts: [] }
  const name = only.name.replaceAll('/', '_').replace(/^\.{1,2}$/, '_')
  return { args: [`/dev/pipes/${name}`], scripts: [{ name, data }] }
}

/** `|2 A=1 B=`: how a history says which arguments a RUN had. */
function declaredArguments({ declared, scope }: StageState): string[] {
  if (declared.size === 0) return []
  return [`|${declared.size}`, ...[...declared].map((name) => `${name}=${scope.get(name) ?? ''}`)]
}
