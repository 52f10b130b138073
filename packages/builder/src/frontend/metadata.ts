/**
 * Instructions that change only the configuration: no file system, no layer, no cache key.
 *
 * @module
 */
import type { HistoryEntry } from '@varve/oci-manifest'
import type { ArgInstruction, HealthcheckInstruction, Instruction } from '../dockerfile/instruction.ts'
import { problem } from '../dockerfile/problem.ts'
import type { NameValue } from '../dockerfile/words.ts'
import type { InstructionContext } from './lowering.ts'
import { parsePorts } from './ports.ts'
import { parseSignal } from './signals.ts'
import { DEFAULT_SHELL } from './stage-config.ts'
import type { StageState } from './stage.ts'

/** Applies a metadata instruction to the stage and notes it in the history. */
export function applyMetadata(instruction: Instruction, context: InstructionContext): void {
  const { state, expand, expandWords, lowering } = context
  const { config } = state
  switch (instruction.kind) {
    case 'env': {
      const pairs = expandPairs(instruction.pairs, context)
      for (const { name, value } of pairs) {
        config.env.set(name, value)
        setLast(state.scope, name, value)
      }
      return note(context, `ENV ${assignments(pairs)}`)
    }
    case 'label': {
      const pairs = expandPairs(instruction.pairs, context)
      for (const { name, value } of pairs) config.labels.set(name, value)
      return note(context, `LABEL ${assignments(pairs)}`)
    }
    case 'arg':
      return applyArgument(instruction, context)
    case 'user':
      config.user = expand(instruction.user)
      return note(context, `USER ${config.user}`)
    case 'cmd':
      config.command = commandLine(instruction, state)
      state.commandSet = true
      return note(context, `CMD ${JSON.stringify(config.command)}`)
    case 'entrypoint':
      config.entrypoint = commandLine(instruction, state)
      // A command inherited from the base was meant for the base's entry point.
      if (!state.commandSet) config.command = undefined
      return note(context, `ENTRYPOINT ${JSON.stringify(config.entrypoint)}`)
    case 'shell':
      config.shell = instruction.command
      return note(context, `SHELL ${JSON.stringify(instruction.command)}`)
    case 'expose': {
      const { ports, warnings } = parsePorts(instruction.ports.flatMap(expandWords))
      for (const { rule, message } of warnings) lowering.warn(rule, message, instruction.location)
      for (const port of ports) config.exposedPorts.add(port)
      return note(context, `EXPOSE ${ports.join(' ')}`)
    }
    case 'volume': {
      const paths = instruction.paths.map((word) => expand(word))
      if (paths.includes('')) throw problem('A VOLUME path must not be empty')
      for (const path of paths) config.volumes.add(path)
      return note(context, `VOLUME ${JSON.stringify(paths)}`)
    }
    case 'stopsignal':
      config.stopSignal = parseSignal(expand(instruction.signal))
      return note(context, `STOPSIGNAL ${config.stopSignal}`)
    case 'healthcheck':
      config.healthcheck = healthcheck(instruction)
      return note(context, `HEALTHCHECK ${JSON.stringify(config.healthcheck)}`)
    case 'onbuild':
      config.onBuild = [...config.onBuild, instruction.trigger]
      return note(context, `ONBUILD ${instruction.trigger}`)
    case 'maintainer':
      state.author = instruction.name
      return note(context, `MAINTAINER ${instruction.name}`)
    default:
      // FROM and the instructions that make layers do not come here.
      throw new TypeError(`${instruction.kind.toUpperCase()} is not metadata`)
  }
}

/** One entry of the history; metadata entries have no layer. */
export function historyEntry(createdBy: string, emptyLayer: boolean): HistoryEntry {
  return {
    created_by: createdBy,
    comment: 'buildkit.dockerfile.v0',
    ...(emptyLayer && { empty_layer: true }),
  }
}

/** A command in the form the configuration holds: a shell form is given to the shell. */
export function commandLine(
  instruction: { readonly form: 'shell' | 'exec'; readonly command: readonly string[] },
  { config }: StageState,
): readonly string[] {
  if (instruction.form === 'exec') return instruction.command
  return [...(config.shell ?? DEFAULT_SHELL), ...instruction.command]
}

/** ARG: the command line, then the default, then a global of the same name; without any it stays undefined. */
function applyArgument(instruction: ArgInstruction, context: InstructionContext): void {
  const { state, expand, lowering } = context
  const pairs = instruction.pairs.map((pair) => {
    const name = expand(pair.name)
    const preset = pair.value === undefined ? lowering.globals.get(name) : expand(pair.value)
    return { name, value: lowering.options.buildArgs.get(name) ?? preset }
  })
  for (const { name, value } of pairs) {
    lowering.declare(name)
    state.declared.add(name)
    if (value !== undefined) setLast(state.scope, name, value)
  }
  note(context, `ARG ${assignments(pairs)}`)
}

/** All pairs see the environment before their instruction. */
function expandPairs(pairs: readonly NameValue[], { expand }: InstructionContext): NameValue[] {
  return pairs.map((pair) => {
    const name = expand(pair.name)
    if (name === '') throw problem(`The name ${JSON.stringify(pair.name)} comes out empty`)
    return { name, value: expand(pair.value) }
  })
}

function healthcheck(
  instruction: HealthcheckInstruction,
): NonNullable<InstructionContext['state']['config']['healthcheck']> {
  const { test, intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries } = instruction
  return {
    Test: test,
    ...(intervalNs !== undefined && { Interval: intervalNs }),
    ...(timeoutNs !== undefined && { Timeout: timeoutNs }),
    ...(startPeriodNs !== undefined && { StartPeriod: startPeriodNs }),
    ...(startIntervalNs !== undefined && { StartInterval: startIntervalNs }),
    ...(retries !== undefined && { Retries: retries }),
  }
}

function note({ state }: InstructionContext, createdBy: string): void {
  state.history.push(historyEntry(createdBy, true))
}

function assignments(
  pairs: ReadonlyArray<{ readonly name: string; readonly value: string | undefined }>,
): string {
  return pairs.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`)).join(' ')
}

/** Sets a variable and makes it the latest one, as if it had been exported again. */
function setLast(scope: Map<string, string>, name: string, value: string): void {
  scope.delete(name)
  scope.set(name, value)
}
