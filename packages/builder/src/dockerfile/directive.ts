/**
 * Parser directives: the `# name=value` lines a Dockerfile may begin with.
 *
 * The zone ends at the first line that is anything else: a comment, a blank line, an unknown name.
 *
 * @module
 */
import { BuilderError } from '../errors.ts'
import { locate, problem } from './problem.ts'
import { trimSpace, trimSpaceStart } from './whitespace.ts'

/** The escape character: also what continues a line. */
export type Escape = '\\' | '`'

/** What `# check=` asks of the lint. */
export interface Checks {
  /** Rules not to report. */
  readonly skip: 'all' | readonly string[]
  /** Experimental rules to report too. */
  readonly experimental: 'all' | readonly string[]
  /** Whether a warning fails the build. */
  readonly error: boolean
}

/** The directives of one Dockerfile. */
export interface Directives {
  readonly escape: Escape
  /** The frontend reference, without the options that may follow it. */
  readonly syntax?: string
  readonly checks?: Checks
}

/** `name = value`; the value is looked at for each name. */
const CHECK_OPTION = /^(\w+)\s*=\s*(.*)$/s

const DIRECTIVE = /^#\s*([a-z][a-z0-9]*)\s*=(.*)$/is

/** The only frontend whose language this is; any version of it will do. */
const FRONTEND = /^(?:docker\.io\/)?docker\/dockerfile(?::[\w][\w.-]*)?(?:@sha256:[a-f0-9]{64})?$/

/**
 * Reads the directive zone of a Dockerfile whose byte order mark is already gone.
 *
 * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` if a directive is repeated or has a bad value;
 *   `ERR_BUILDER_UNSUPPORTED` if `syntax` names another frontend than docker/dockerfile.
 */
export function parseDirectives(text: string, file: string): Directives {
  const values = new Map<string, string | Checks>()
  let line = 0
  let shebang = false
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf('\n', start)
    const end = newline === -1 ? text.length : newline
    const source = text.slice(start, end)
    start = end + 1
    line += 1
    if (line === 1 && source.startsWith('#!')) {
      // As in BuildKit, the line after `#!` may name the syntax and the checks, but not the escape character.
      shebang = true
      continue
    }
    const [, name = '', value = ''] = DIRECTIVE.exec(trimSpaceStart(source)) ?? []
    const key = name.toLowerCase()
    const written = trimSpace(value)
    if (written === '' || !(key === 'escape' || key === 'syntax' || key === 'check')) break
    locate({ file, line }, trimSpace(source), () => {
      if (values.has(key)) throw problem(`Only one ${key} parser directive can be used`)
      if (key === 'escape' && shebang) return
      values.set(key, key === 'check' ? parseChecks(written) : validValue(key, written))
    })
  }
  const syntax = values.get('syntax') as string | undefined
  const checks = values.get('check') as Checks | undefined
  return {
    escape: (values.get('escape') as Escape | undefined) ?? '\\',
    ...(syntax === undefined ? {} : { syntax }),
    ...(checks === undefined ? {} : { checks }),
  }
}

function validValue(name: 'escape' | 'syntax', value: string): string {
  if (name === 'escape') {
    if (value !== '\\' && value !== '`') {
      throw problem(`Invalid escape character ${JSON.stringify(value)}: it must be a backslash or a backtick`)
    }
    return value
  }
  const reference = value.split(' ', 1)[0]!
  if (!FRONTEND.test(reference)) {
    throw new BuilderError('ERR_BUILDER_UNSUPPORTED', `Unsupported frontend: ${JSON.stringify(reference)}`, {
      hint: 'Only docker/dockerfile is understood; remove the syntax directive if the file needs nothing else',
    })
  }
  return reference
}

function parseChecks(value: string): Checks {
  let skip: Checks['skip'] = []
  let experimental: Checks['experimental'] = []
  let error = false
  for (const part of value.split(';')) {
    const [, name = '', setting = ''] = CHECK_OPTION.exec(trimSpace(part)) ?? []
    if (name === 'skip') skip = ruleSet(setting)
    else if (name === 'experimental') experimental = ruleSet(setting)
    else if (name === 'error' && /^(?:1|t|true)$/i.test(setting)) error = true
    else if (name !== 'error' || !/^(?:0|f|false)$/i.test(setting)) {
      throw problem(`Invalid check option ${JSON.stringify(trimSpace(part))}`)
    }
  }
  return { skip, experimental, error }
}

function ruleSet(value: string): 'all' | readonly string[] {
  return value === 'all' ? value : value.split(',').map((rule) => trimSpace(rule))
}
