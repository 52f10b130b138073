/**
 * Instructions that change only the configuration: no file system, no layer, no cache key.
 *
 * @module
 */
import type { HistoryEntry } from '@varve/oci-manifest'
import type { ArgInstruction, HealthcheckInstruction, Instruction } from '../dockerfile/instruction.ts'
import { expandWords } from '../dockerfile/lexer.ts'
import { BuilderError } from '../errors.ts'
import type { InstructionContext } from './lowering.ts'
import { parsePorts } from './ports.ts'
import { DEFAULT_SHELL } from './stage-config.ts'
import { parseSignal } from './signals.ts'

/** Applies a metadata instruction to the stage and notes it in the history. */
export function applyMetadata(instruction: Instruction, context: InstructionContext): void {
  const { state, expand, lowering } = context
  const { config } = state
  switch (instruction.kind) {
    case 'env': {
      const pairs = instruction.pairs.map(({ name, value }) => ({ name: expand(name), value: expand(value) }))
      for (const { name, value } of pairs) {
        config.env.set(name, value)
        setLast(state.scope, name, value)
      }
      return note(context, `ENV ${assignments(pairs)}`)
    }
    case 'label': {
      const pairs = instruction.pairs.map(({ name, value }) => ({ name: expand(name), value: expand(value) }))
      for (const { name, value } of pairs) config.labels.set(name, value)
      return note(context, `LABEL ${assignments(pairs)}`)
    }
    case 'arg':
      return applyArgument(instruction, context)
    case 'user':
      config.user = expand(instruction.user)
      return note(context, `USER ${config.user}`)
    case 'cmd':
      config.command = commandLine(instruction, context)
      state.commandSet = true
      return note(context, `CMD ${JSON.stringify(config.command)}`)
    case 'entrypoint':
      config.entrypoint = commandLine(instruction, context)
      // A command inherited from the base was meant for the base's entry point.
      if (!state.commandSet) config.command = undefined
      return note(context, `ENTRYPOINT ${JSON.stringify(config.entrypoint)}`)
    case 'shell':
      config.shell = instruction.command
      return note(context, `SHELL ${JSON.stringify(instruction.command)}`)
    case 'expose': {
      const options = { escape: lowering.dockerfile.escape, location: instruction.location }
      const words = instruction.ports.flatMap((word) => expandWords(word, context.before, options))
      const ports = parsePorts(words, instruction.location)
      for (const port of ports) config.exposedPorts.add(port)
      return note(context, `EXPOSE ${ports.join(' ')}`)
    }
    case 'volume': {
      const paths = instruction.paths.map(expand)
      if (paths.includes('')) {
        throw new BuilderError('ERR_BUILDER_DOCKERFILE', 'A VOLUME path must not be empty', instruction)
      }
      for (const path of paths) config.volumes.add(path)
      return note(context, `VOLUME ${JSON.stringify(paths)}`)
    }
    case 'stopsignal':
      config.stopSignal = parseSignal(expand(instruction.signal), instruction.location)
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
      throw new BuilderError(
        'ERR_BUILDER_UNSUPPORTED',
        `${instruction.kind} is not allowed here`,
        instruction,
      )
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
  { state }: InstructionContext,
): readonly string[] {
  if (instruction.form === 'exec') return instruction.command
  return [...(state.config.shell ?? DEFAULT_SHELL), ...instruction.command]
}

/** ARG: the command line, then the default, then a global of the same name; without any it stays undefined. */
function applyArgument(instruction: ArgInstruction, context: InstructionContext): void {
  const { state, expand, lowering } = context
  for (const { name, value } of instruction.pairs) {
    const resolved =
      lowering.options.buildArgs.get(name) ??
      (value === undefined ? lowering.globals.get(name) : expand(value))
    if (resolved === undefined) continue
    setLast(state.scope, name, resolved)
    state.declared.set(name, resolved)
  }
  note(
    context,
    `ARG ${instruction.pairs.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`)).join(' ')}`,
  )
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

function assignments(pairs: ReadonlyArray<{ readonly name: string; readonly value: string }>): string {
  return pairs.map(({ name, value }) => `${name}=${value}`).join(' ')
}

/** Sets a variable and makes it the latest one, as if it had been exported again. */
function setLast(scope: Map<string, string>, name: string, value: string): void {
  scope.delete(name)
  scope.set(name, value)
}
