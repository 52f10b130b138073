/**
 * The lint rules that need nothing but the text, under BuildKit's names for them.
 *
 * @module
 */
import type { SourceLocation } from '../errors.ts'
import type { FromInstruction, Instruction } from './instruction.ts'
import type { RawInstruction } from './logical-line.ts'
import { isOldPairForm, splitPlainWords, splitQuotedWords } from './words.ts'

/** Something that works, but should not be done. */
export interface Warning {
  /** Name of the rule, as `# check=skip=` takes it. */
  readonly rule: string
  readonly message: string
  readonly location: SourceLocation
}

/** What the rules look at: instructions with their source, grouped by stage. */
export interface LintInput {
  readonly raw: RawInstruction
  readonly instruction: Instruction
  /** Index of its stage; -1 before the first FROM. */
  readonly stage: number
}

/** Stage names that mean something else. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(['context', 'scratch'])

/** Instructions of which a stage uses only the last. */
const LAST_COUNTS: ReadonlySet<string> = new Set(['cmd', 'entrypoint', 'healthcheck'])

/** Returns the warnings of a Dockerfile, in the order of its lines. */
export function lint(inputs: readonly LintInput[], escape: string): Warning[] {
  const warnings = [
    ...inputs.flatMap((input) => instructionWarnings(input, escape)),
    ...casingWarnings(inputs),
  ]
  const names = new Set<string>()
  const earlier = new Map<string, SourceLocation>()
  const withShell = new Set<number>()
  for (const { instruction, stage } of inputs) {
    const { kind, location } = instruction
    const warn = (rule: string, message: string, place = location): void => {
      warnings.push({ rule, message, location: place })
    }
    if (kind === 'from' && instruction.name !== undefined) {
      const name = JSON.stringify(instruction.name)
      if (names.has(instruction.name)) {
        warn('DuplicateStageName', `Duplicate stage name ${name}, stage names should be unique`)
      }
      if (RESERVED_NAMES.has(instruction.name)) {
        warn('ReservedStageName', `Stage name should not use the same name as reserved stage ${name}`)
      }
      names.add(instruction.name)
    }
    if (kind === 'shell') withShell.add(stage)
    if ((kind === 'cmd' || kind === 'entrypoint') && instruction.form === 'shell' && !withShell.has(stage)) {
      const why = 'to prevent unintended behavior related to OS signals'
      warn('JSONArgsRecommended', `JSON arguments recommended for ${kind.toUpperCase()} ${why}`)
    }
    if (LAST_COUNTS.has(kind)) {
      const place = earlier.get(`${stage} ${kind}`)
      if (place !== undefined) {
        const message = `Multiple ${kind.toUpperCase()} instructions in one stage: only the last one will be used`
        warn('MultipleInstructionsDisallowed', message, place)
      }
      earlier.set(`${stage} ${kind}`, location)
    }
  }
  return warnings.toSorted((left, right) => left.location.line - right.location.line)
}

function instructionWarnings({ raw, instruction }: LintInput, escape: string): Warning[] {
  const { location } = instruction
  const warnings: Warning[] = []
  const warn = (rule: string, message: string): void => void warnings.push({ rule, message, location })
  if (raw.emptyContinuation !== undefined) {
    warnings.push({
      rule: 'NoEmptyContinuation',
      message: `Empty continuation line found in: ${raw.text}`,
      location: { ...location, line: raw.emptyContinuation },
    })
  }
  switch (instruction.kind) {
    case 'maintainer':
      warn('MaintainerDeprecated', 'Maintainer instruction is deprecated in favor of using label')
      break
    case 'env':
    case 'label': {
      if (!isOldPairForm(splitQuotedWords(raw.rest, escape))) break
      const keyword = instruction.kind.toUpperCase()
      warn(
        'LegacyKeyValueFormat',
        `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`,
      )
      break
    }
    case 'from':
      fromWarnings(instruction, raw, warn)
      break
  }
  return warnings
}

function fromWarnings(
  { name, platform }: FromInstruction,
  raw: RawInstruction,
  warn: (rule: string, message: string) => void,
): void {
  const words = splitPlainWords(raw.rest)
  const written = words.at(-1)!
  const as = words.at(-2)!
  if (name !== undefined && written !== name) {
    warn('StageNameCasing', `Stage name ${JSON.stringify(written)} should be lowercase`)
  }
  if (
    name !== undefined &&
    letterCase(raw.keyword) !== 'mixed' &&
    letterCase(as) !== letterCase(raw.keyword)
  ) {
    warn(
      'FromAsCasing',
      `${JSON.stringify(as)} and ${JSON.stringify(raw.keyword)} keywords' casing do not match`,
    )
  }
  if (platform === '$TARGETPLATFORM' || platform === '${TARGETPLATFORM}') {
    const why = 'in FROM is redundant as this is the default behavior'
    warn('RedundantTargetPlatform', `Setting platform to predefined ${platform} ${why}`)
  }
  // A stage that is named after its platform clearly means it.
  const parts = platform === undefined || platform.includes('$') ? [] : platform.split('/')
  if (parts.length > 0 && !parts.some((part) => part !== '' && name?.includes(part))) {
    const message = `FROM --platform flag should not use constant value ${JSON.stringify(platform)}`
    warn('FromPlatformFlagConstDisallowed', message)
  }
}

/** Keywords should all be in the letter case most of them are in. */
function casingWarnings(inputs: readonly LintInput[]): Warning[] {
  const count = (wanted: string): number =>
    inputs.filter(({ raw }) => letterCase(raw.keyword) === wanted).length
  const majority = count('lower') > count('upper') ? 'lower' : 'upper'
  return inputs
    .filter(({ raw }) => letterCase(raw.keyword) !== majority)
    .map(({ raw: { keyword, location } }) => ({
      rule: 'ConsistentInstructionCasing',
      message: `Command '${keyword}' should match the case of the command majority (${majority}case)`,
      location,
    }))
}

function letterCase(word: string): 'lower' | 'upper' | 'mixed' {
  if (word === word.toLowerCase()) return 'lower'
  return word === word.toUpperCase() ? 'upper' : 'mixed'
}
