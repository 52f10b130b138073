/**
 * Scopes of access tokens: distribution, "Token Scope Documentation".
 *
 * @module
 */

/** A scope taken apart: `repository:library/ubuntu:pull,push`. */
interface Scope {
  /** Such as `repository:library/ubuntu`. */
  readonly resource: string
  readonly actions: readonly string[]
}

/** The scopes in the `scope` parameter of a challenge. */
export function splitScopes(parameter: string | undefined): string[] {
  return (parameter ?? '').split(' ').filter((scope) => scope !== '')
}

/**
 * All scopes of the lists, in their order, with the actions on one resource in one scope: some realms read only the
 * first. Deleting stays apart, since a realm that does not grant it may refuse the whole scope.
 */
export function mergeScopes(...lists: readonly (readonly string[])[]): string[] {
  const merged = new Map<string, { readonly resource: string; readonly actions: Set<string> }>()
  for (const { resource, actions } of lists.flat().map(parseScope)) {
    const isDelete = actions.some((action) => action === 'delete' || action === '*')
    const key = `${resource} ${isDelete}`
    const scope = merged.get(key) ?? { resource, actions: new Set() }
    for (const action of actions) scope.actions.add(action)
    merged.set(key, scope)
  }
  return [...merged.values()].map(({ resource, actions }) =>
    actions.size === 0 ? resource : `${resource}:${[...actions].join(',')}`,
  )
}

/** Whether a token of the scopes `given` allows all that `wanted` asks for. */
export function coversScopes(given: readonly string[], wanted: readonly string[]): boolean {
  const scopes = given.map(parseScope)
  return wanted.map(parseScope).every(({ resource, actions }) => {
    const allowed = scopes.filter((scope) => scope.resource === resource)
    return (
      allowed.length > 0 && actions.every((action) => allowed.some((scope) => scope.actions.includes(action)))
    )
  })
}

/** The resource may hold colons, the actions never do. */
function parseScope(text: string): Scope {
  const end = text.lastIndexOf(':')
  if (end === text.indexOf(':')) return { resource: text, actions: [] }
  const actions = text
    .slice(end + 1)
    .split(',')
    .filter((action) => action !== '')
  return { resource: text.slice(0, end), actions }
}
