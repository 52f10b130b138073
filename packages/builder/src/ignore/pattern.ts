/**
 * Ignore patterns with the semantics of moby's `patternmatcher`, as BuildKit's context walk applies them.
 *
 * A pattern that matches a directory matches all below it; `!` takes back what earlier patterns matched; the last
 * word wins. Results of a directory are handed down to its children, so that a walk tests every path once.
 *
 * @module
 */
import { BuilderError } from '../errors.ts'
import { trimSpace } from '../dockerfile/whitespace.ts'
import { cleanPath } from './clean-path.ts'
import { matchesPrefix, parseWildcards, type WildcardToken } from './wildcard.ts'
import { compileTokens, literalText } from './wildcard-compiler.ts'

/** What the patterns say about one path. Give a directory's state back when matching its children. */
export interface MatchState {
  /** Whether the path is ignored. */
  readonly matched: boolean
  /** Per pattern, whether the path or a directory above it matched. */
  readonly hits: readonly boolean[]
}

interface Pattern {
  readonly exclusion: boolean
  readonly tokens: readonly WildcardToken[]
  readonly test: (path: string) => boolean
}

/** A compiled list of ignore patterns. Paths are slash-separated and relative, without a leading `./`. */
export class PatternMatcher {
  readonly #patterns: readonly Pattern[]
  readonly #exclusions: readonly Pattern[]
  readonly #root: MatchState
  #directory = ''
  #directoryState: MatchState

  /**
   * @throws {BuilderError} `ERR_BUILDER_IGNORE` if a pattern is malformed, or is a lone `!`.
   */
  constructor(patterns: readonly string[]) {
    this.#patterns = patterns
      .map((pattern) => trimSpace(pattern))
      .flatMap((pattern) => (pattern === '' ? [] : [compilePattern(pattern)]))
    this.#exclusions = this.#patterns.filter(({ exclusion }) => exclusion)
    this.#root = { matched: false, hits: this.#patterns.map(() => false) }
    this.#directoryState = this.#root
  }

  /** How many patterns there are, blank ones not counted. */
  get size(): number {
    return this.#patterns.length
  }

  /** Whether any pattern begins with `!`. Without one, every ignored directory may be pruned. */
  get hasExclusions(): boolean {
    return this.#exclusions.length > 0
  }

  /**
   * Matches one path of a walk.
   *
   * @param parent the state of the directory that holds `path`; left out at the top of the tree.
   */
  match(path: string, parent: MatchState = this.#root): MatchState {
    const hits: boolean[] = []
    return { matched: this.#test(path, parent.hits, hits), hits }
  }

  /**
   * Tells whether a path is ignored, looking at the directories above it as a walk would. `.` never is.
   *
   * Cheapest when called directory by directory: the state of the last directory is remembered.
   */
  matches(path: string): boolean {
    if (path === '.' || this.#patterns.length === 0) return false
    const { hits } = this.#stateOf(path.slice(0, Math.max(0, path.lastIndexOf('/'))))
    return this.#test(path, hits)
  }

  /**
   * Tells whether an ignored directory may hold something a `!` pattern takes back. If not, a walk may prune it.
   * May say yes where nothing can match, never the other way round.
   */
  couldMatchBelow(directory: string): boolean {
    return this.#exclusions.some(({ tokens }) => matchesPrefix(tokens, `${directory}/`))
  }

  #test(path: string, inherited: readonly boolean[], hits?: boolean[]): boolean {
    let matched = false
    for (let index = 0; index < this.#patterns.length; index += 1) {
      const { exclusion, test } = this.#patterns[index]!
      // As in moby, a pattern that cannot change the verdict is not asked, and hands nothing down.
      const hit = inherited[index] === true || (exclusion === matched && test(path))
      hits?.push(hit)
      if (hit) matched = !exclusion
    }
    return matched
  }

  #stateOf(directory: string): MatchState {
    if (directory === '') return this.#root
    if (directory !== this.#directory) {
      let state = this.#root
      for (let end = directory.indexOf('/'); end !== -1; end = directory.indexOf('/', end + 1)) {
        state = this.match(directory.slice(0, end), state)
      }
      this.#directoryState = this.match(directory, state)
      this.#directory = directory
    }
    return this.#directoryState
  }
}

function compilePattern(source: string): Pattern {
  const cleaned = cleanPath(source)
  const exclusion = cleaned.startsWith('!')
  if (cleaned === '!') {
    throw new BuilderError('ERR_BUILDER_IGNORE', 'The exclusion pattern "!" names nothing')
  }
  const pattern = exclusion ? cleanPath(trimSpace(cleaned.slice(1))) : cleaned
  const tokens = parseWildcards(pattern, { globstar: true, code: 'ERR_BUILDER_IGNORE' })
  for (const token of tokens) {
    if (token.kind === 'class' && token.ranges.some(({ low, high }) => low > high)) {
      throw new BuilderError(
        'ERR_BUILDER_IGNORE',
        `A range in pattern ${JSON.stringify(pattern)} runs backwards`,
      )
    }
  }
  return { exclusion, tokens, test: compileTest(pattern, tokens) }
}

function compileTest(pattern: string, tokens: readonly WildcardToken[]): (path: string) => boolean {
  if (tokens[0]?.kind === 'globstar') {
    const suffix = literalText(tokens.slice(1))
    // moby's shortcut, kept: `**name` also matches `other-name`, unlike a `**` before another wildcard.
    if (suffix !== undefined && !pattern.startsWith('**/')) return (path) => path.endsWith(suffix)
    if (suffix !== undefined)
      return (path) => path.endsWith(suffix) && (path === suffix || path.at(-suffix.length - 1) === '/')
  }
  return compileTokens(tokens)
}
