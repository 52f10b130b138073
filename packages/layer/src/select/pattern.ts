/**
 * Patterns of paths.
 *
 * @module
 */

/** Answers whether a path, or something above it, matches. */
export type PathMatcher = (path: string) => boolean

const ANY_DEPTH = '**'

/**
 * Compiles patterns, of which the last that matches decides; with `!` in front it excludes. If the first one excludes,
 * all else is included.
 *
 * A pattern is a path from the root, whose components may hold `*` for any characters and `?` for one; a component `**`
 * stands for any number of components, none too. `\` takes the meaning from what follows it. What matches, matches with
 * all that is below it. Slashes at the ends mean nothing. Matching takes time by length of pattern and path, and never
 * more than their product.
 */
export function compilePatterns(patterns: readonly string[]): PathMatcher {
  const rules = patterns.map((pattern) => {
    const excludes = pattern.startsWith('!')
    return { excludes, components: parse(excludes ? pattern.slice(1) : pattern, pattern) }
  })
  const unmatched = rules[0]?.excludes ?? false
  return (path) => {
    const names = path === '' ? [] : path.split('/')
    const last = rules.findLast(({ components }) => matchesPath(components, names))
    return last === undefined ? unmatched : !last.excludes
  }
}

/** A component: its characters, or `undefined` for any number of components. */
type Component = readonly Token[] | undefined
type Token = { readonly text: string } | '*' | '?'

function parse(body: string, pattern: string): Component[] {
  const components = body.replace(/^\/+/, '').replace(/\/+$/, '').split('/')
  if (components.some((each) => each === '' || each === '.' || each === '..')) {
    throw new TypeError(`Not a pattern of a path: ${JSON.stringify(pattern)}`)
  }
  // What is below goes along.
  return [...components.map((each) => (each === ANY_DEPTH ? undefined : tokens(each))), undefined]
}

function tokens(component: string): Token[] {
  const found: Token[] = []
  let escaped = false
  for (const text of component) {
    if (!escaped && text === '\\') escaped = true
    else if (escaped || (text !== '*' && text !== '?')) {
      found.push({ text })
      escaped = false
    } else found.push(text)
  }
  if (escaped) throw new TypeError(`A pattern ends in a backslash: ${JSON.stringify(component)}`)
  return found
}

function matchesPath(components: readonly Component[], names: readonly string[]): boolean {
  return matches(
    components.length,
    names.length,
    (at) => components[at] === undefined,
    (at, name) => matchesName(components[at]!, names[name]!),
  )
}

function matchesName(pattern: readonly Token[], name: string): boolean {
  const characters = Array.from(name)
  return matches(
    pattern.length,
    characters.length,
    (at) => pattern[at] === '*',
    (at, index) => {
      const token = pattern[at]!
      return token === '?' || (typeof token === 'object' && token.text === characters[index])
    },
  )
}

/** Matches a sequence against one with stars, of which only the last has ever to be tried again. */
function matches(
  patterns: number,
  items: number,
  isStar: (at: number) => boolean,
  isMatch: (at: number, item: number) => boolean,
): boolean {
  let at = 0
  let item = 0
  let star = -1
  let resume = 0
  while (item < items) {
    if (at < patterns && isStar(at)) {
      star = at++
      resume = item
    } else if (at < patterns && isMatch(at, item)) {
      at++
      item++
    } else if (star === -1) return false
    else {
      at = star + 1
      item = ++resume
    }
  }
  while (at < patterns && isStar(at)) at++
  return at === patterns
}
