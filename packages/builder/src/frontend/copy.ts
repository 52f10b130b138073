/**
 * COPY and ADD: every source of one instruction goes into one layer.
 *
 * @module
 */
import { parseMode } from '../copy/mode.ts'
import type { CopyInstruction } from '../dockerfile/instruction.ts'
import { problem } from '../dockerfile/problem.ts'
import { BuilderError } from '../errors.ts'
import { PatternMatcher } from '../ignore/pattern.ts'
import type { CopySource, CopyStep, InlineFile, StepId } from '../plan/plan.ts'
import { findSource, refuseLaterStage } from './graph.ts'
import { pushStep, resolvePath } from './layer-step.ts'
import { addImage, type InstructionContext } from './lowering.ts'

const REMOTE = /^(?:https?|ssh|git):\/\/|^git@/i
/** What a heredoc may not be named: it becomes a file that a source word finds again. */
const NOT_A_NAME = /[/*?[\\\0]|^\.{1,2}$/

/** Adds the step. Flags whose variables come out empty are as good as absent. */
export function lowerCopy(instruction: CopyInstruction, context: InstructionContext): void {
  const { state, expand } = context
  const { kind, from, inline, parents, link } = instruction
  const paths = instruction.sources.map((word) => expand(word))
  refuseRemote(instruction, paths)
  const sources: CopySource[] = []
  if (paths.length > 0) sources.push({ from: sourceStep(instruction, context), paths })
  if (inline.length > 0) sources.push(inlineSource(instruction, context))
  const chown = expand(instruction.chown ?? '')
  const chmod = expand(instruction.chmod ?? '')
  const exclude = instruction.exclude.map((word) => expand(word))
  if (chmod !== '') parseMode(chmod)
  refuseBadPatterns(exclude)
  const written = expand(instruction.destination)
  const destination = resolvePath(state.config.workingDirectory, written)
  const isDirectory = destination !== '/' && /(?:^|\/)\.{0,2}$/.test(written)
  const step: CopyStep = {
    op: 'copy',
    parent: state.root,
    sources,
    destination: isDirectory ? `${destination}/` : destination,
    ...(chown !== '' && { chown }),
    ...(chmod !== '' && { chmod }),
    exclude,
    parents,
    link,
    unpack: instruction.unpack ?? kind === 'add',
  }
  const createdBy = [
    kind.toUpperCase(),
    ...(from === undefined ? [] : [`--from=${from}`]),
    ...(chown === '' ? [] : [`--chown=${chown}`]),
    ...(chmod === '' ? [] : [`--chmod=${chmod}`]),
    ...(link ? ['--link'] : []),
    ...(parents ? ['--parents'] : []),
    ...exclude.map((pattern) => `--exclude=${pattern}`),
    ...paths,
    ...inline.map(({ name }) => `<<${name}`),
    written,
    '# buildkit',
  ]
  pushStep(context, instruction, createdBy.join(' '), step)
}

/** What only remote sources have, and remote sources themselves. */
function refuseRemote({ kind, checksum, keepGitDir }: CopyInstruction, paths: readonly string[]): void {
  if (paths.some((path) => REMOTE.test(path))) {
    throw kind === 'copy'
      ? problem("Source can't be a URL for COPY")
      : new BuilderError('ERR_BUILDER_UNSUPPORTED', 'ADD takes local files only')
  }
  const flag = (checksum !== undefined && '--checksum') || (keepGitDir === true && '--keep-git-dir')
  if (flag !== false) throw new BuilderError('ERR_BUILDER_UNSUPPORTED', `ADD ${flag} needs a remote source`)
}

function refuseBadPatterns(patterns: readonly string[]): void {
  try {
    void new PatternMatcher(patterns)
  } catch (error) {
    // Its own code would blame .dockerignore.
    throw problem((error as Error).message)
  }
}

/** What `--from` names: an earlier stage, a context, or an image; without it, the build context. */
function sourceStep({ from, location }: CopyInstruction, context: InstructionContext): StepId {
  const { lowering, stage, state } = context
  const { dockerfile, options, platform } = lowering
  const slot = state.name
  if (from === undefined)
    return lowering.add({ op: 'context', name: '' }, { name: 'load build context', slot })
  const source = findSource(from, stage.index, dockerfile, options)
  switch (source.kind) {
    case 'directory': {
      const { name } = source
      return lowering.add({ op: 'context', name }, { name: `load context ${name}`, slot, location })
    }
    case 'image':
      if (!options.contexts.has(source.name)) refuseLaterStage(dockerfile, from, stage.index)
      return addImage(lowering, lowering.image(source.name, platform, location), '', location)
    default: {
      const root = source.kind === 'stage' ? lowering.stage(source.stage).root : null
      return root ?? lowering.add({ op: 'inline', files: [] }, { name: 'scratch', slot })
    }
  }
}

/** Heredocs as files; of equal names the last counts. */
function inlineSource({ inline, location }: CopyInstruction, context: InstructionContext): CopySource {
  const { state, lowering, expand } = context
  const files = new Map<string, InlineFile>()
  for (const { name, data, expand: expands } of inline) {
    if (NOT_A_NAME.test(name)) throw problem(`A heredoc cannot become a file named ${JSON.stringify(name)}`)
    files.set(name, { name, data: expands ? expand(data, 'keep') : data })
  }
  const paths = [...files.keys()]
  const label = { name: `inline ${paths.join(' ')}`, slot: state.name, location }
  return { from: lowering.add({ op: 'inline', files: [...files.values()] }, label), paths }
}
