/**
 * Instructions that make a layer: RUN, COPY, ADD, WORKDIR.
 *
 * @module
 */
import { posix } from 'node:path'
import { formatPlatform } from '@varve/oci-manifest'
import type {
  CopyInstruction,
  InlineSource,
  RunInstruction,
  WorkdirInstruction,
} from '../dockerfile/instruction.ts'
import { chompHeredoc } from '../dockerfile/heredoc.ts'
import { expandWord } from '../dockerfile/lexer.ts'
import { BuilderError } from '../errors.ts'
import type { CopySource, CopyStep, InlineFile, RootStep, StepId } from '../plan/plan.ts'
import { findStage, refuseLaterStage } from './graph.ts'
import { addImage, type InstructionContext } from './lowering.ts'
import { commandLine, historyEntry } from './metadata.ts'

/** WORKDIR: later instructions run there, and the directory exists. */
export function lowerWorkdir(instruction: WorkdirInstruction, context: InstructionContext): void {
  const { state, expand } = context
  const path = resolvePath(state.config.workingDirectory, expand(instruction.path))
  state.config.workingDirectory = path
  const createdBy = `WORKDIR ${path}`
  if (path === '/') {
    state.history.push(historyEntry(createdBy, true))
    return
  }
  push(context, instruction, createdBy, {
    op: 'workdir',
    parent: state.root,
    path,
    user: state.config.user,
  })
}

/** COPY and ADD: every source of one instruction goes into one layer. */
export function lowerCopy(instruction: CopyInstruction, context: InstructionContext): void {
  const { state, expand } = context
  const { location } = instruction
  for (const option of ['checksum', 'keepGitDir'] as const) {
    if (instruction[option]) {
      throw new BuilderError('ERR_BUILDER_UNSUPPORTED', `ADD --${option} needs a remote source`, { location })
    }
  }
  const paths = instruction.sources.map(expand)
  const remote = paths.find((path) => /^(?:https?|ssh|git):\/\/|^git@/i.test(path))
  if (remote !== undefined) {
    throw instruction.kind === 'copy'
      ? new BuilderError('ERR_BUILDER_DOCKERFILE', "Source can't be a URL for COPY", { location })
      : new BuilderError('ERR_BUILDER_UNSUPPORTED', 'ADD takes local files only', { location })
  }
  const sources: CopySource[] = []
  if (paths.length > 0) sources.push({ from: copySource(instruction, context), paths })
  if (instruction.inline.length > 0) {
    const files = instruction.inline.map((file) => inlineFile(file, context, instruction))
    const from = context.lowering.add(
      { op: 'inline', files },
      { name: `inline ${files.map(({ name }) => name).join(' ')}`, slot: state.name, location },
    )
    sources.push({ from, paths: files.map(({ name }) => name) })
  }
  const chown = instruction.chown === undefined ? undefined : expand(instruction.chown)
  const chmod = instruction.chmod === undefined ? undefined : expand(instruction.chmod)
  const written = expand(instruction.destination)
  const destination = resolvePath(state.config.workingDirectory, written)
  const step: CopyStep = {
    op: 'copy',
    parent: state.root,
    sources,
    destination: /(?:^|\/)\.{0,2}$/.test(written) && destination !== '/' ? `${destination}/` : destination,
    ...(chown !== undefined && { chown }),
    ...(chmod !== undefined && { chmod }),
    exclude: instruction.exclude.map(expand),
    parents: instruction.parents,
    link: instruction.link,
    unpack: instruction.unpack ?? instruction.kind === 'add',
  }
  const flags = [
    instruction.from !== undefined && `--from=${instruction.from}`,
    chown !== undefined && `--chown=${chown}`,
    chmod !== undefined && `--chmod=${chmod}`,
    instruction.link && '--link',
    instruction.parents && '--parents',
    ...step.exclude.map((pattern) => `--exclude=${pattern}`),
  ].filter((flag) => flag !== false)
  const names = sources.flatMap((source) => source.paths)
  const createdBy = [instruction.kind.toUpperCase(), ...flags, ...names, written, '# buildkit'].join(' ')
  push(context, instruction, createdBy, step)
}

/** RUN: a process whose changes become a layer. */
export function lowerRun(instruction: RunInstruction, context: InstructionContext): void {
  const { state } = context
  const { location } = instruction
  if (instruction.mounts.length > 0) {
    throw new BuilderError('ERR_BUILDER_UNSUPPORTED', 'RUN --mount is not implemented', { location })
  }
  if (instruction.security !== undefined && instruction.security !== 'sandbox') {
    throw new BuilderError('ERR_BUILDER_UNSUPPORTED', 'RUN --security=insecure is not implemented', {
      location,
    })
  }
  const { args, scripts } = runCommand(instruction, context)
  const declared = [...state.declared].filter(([name]) => !state.config.env.has(name))
  const prefix =
    declared.length > 0 ? [`|${declared.length}`, ...declared.map(([name, value]) => `${name}=${value}`)] : []
  push(context, instruction, ['RUN', ...prefix, ...args, '# buildkit'].join(' '), {
    op: 'exec',
    parent: state.root,
    platform: formatPlatform(state.platform),
    args,
    env: [...state.scope].map(([name, value]) => `${name}=${value}`),
    cwd: state.config.workingDirectory,
    user: state.config.user,
    network: networkMode(instruction),
    scripts,
  })
}

function networkMode({ network, location }: RunInstruction): 'default' | 'none' {
  switch (network) {
    case undefined:
    case 'default':
      return 'default'
    case 'none':
      return 'none'
    default:
      throw new BuilderError('ERR_BUILDER_UNSUPPORTED', `RUN --network=${network} is not implemented`, {
        location,
      })
  }
}

/** The command line, with heredoc bodies given to the shell or put into script files. */
function runCommand(
  instruction: RunInstruction,
  context: InstructionContext,
): { args: readonly string[]; scripts: readonly InlineFile[] } {
  const [command = ''] = instruction.command
  const [only, ...more] = instruction.heredocs
  if (only === undefined || instruction.form === 'exec')
    return { args: commandLine(instruction, context), scripts: [] }
  const alone = more.length === 0 && /^\s*\d*<<-?\s*(["']?)[^\s<"']+\1\s*$/.test(command)
  const body = chompHeredoc(only.data)
  if (alone && body.startsWith('#!')) {
    const name = only.name.replaceAll('/', '_')
    return { args: [`/dev/pipes/${name}`], scripts: [{ name, data: body }] }
  }
  const script = alone
    ? body
    : `${command}\n${instruction.heredocs.map(({ name, data }) => `${data}${name}`).join('\n')}\n`
  return { args: commandLine({ form: 'shell', command: [script] }, context), scripts: [] }
}

/** What `--from` names: an earlier stage, a context, or an image. */
function copySource(instruction: CopyInstruction, context: InstructionContext): StepId {
  const { lowering, stage, state } = context
  const { from, location } = instruction
  const { contexts } = lowering.options
  if (from === undefined) {
    return lowering.add({ op: 'context', name: '' }, { name: 'load build context', slot: state.name })
  }
  const earlier = findStage(lowering.dockerfile.stages, from, stage.index)
  if (earlier !== undefined) {
    const { root } = lowering.stage(earlier)
    if (root === null) return lowering.add({ op: 'inline', files: [] }, { name: 'scratch', slot: state.name })
    return root
  }
  refuseLaterStage(lowering.dockerfile.stages, from, stage.index, location)
  if (contexts.get(from) === 'directory') {
    return lowering.add(
      { op: 'context', name: from },
      { name: `load context ${from}`, slot: state.name, location },
    )
  }
  return addImage(lowering, lowering.image(from, lowering.platform, location), '', location)
}

function inlineFile(
  file: InlineSource,
  context: InstructionContext,
  instruction: CopyInstruction,
): InlineFile {
  if (!file.expand) return { name: file.name, data: file.data }
  const data = expandWord(file.data, context.before, {
    escape: context.lowering.dockerfile.escape,
    location: instruction.location,
    quotes: 'keep',
  })
  return { name: file.name, data }
}

function push(
  { state, stage, lowering }: InstructionContext,
  instruction: CopyInstruction | RunInstruction | WorkdirInstruction,
  createdBy: string,
  step: RootStep,
): void {
  const layers = stage.instructions.filter(({ kind }) => LAYERS.has(kind)).length
  state.ordinal += 1
  const place = [state.name, `${state.ordinal}/${Math.max(layers, state.ordinal)}`].filter(
    (part) => part !== '',
  )
  state.root = lowering.add(step, {
    name: `[${place.join(' ')}] ${instruction.text}`,
    slot: state.name,
    location: instruction.location,
  })
  state.history.push(historyEntry(createdBy, false))
}

const LAYERS: ReadonlySet<string> = new Set(['run', 'copy', 'add', 'workdir'])

function resolvePath(base: string, path: string): string {
  return posix.resolve('/', base, path)
}
