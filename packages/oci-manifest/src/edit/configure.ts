/**
 * Edits of the config of an image: how it runs and what it says of itself.
 *
 * @module
 */
import type { AssembledImage } from '../assemble.ts'
import { type HistoryEntry, RUNTIME_KEYS, type RuntimeConfig } from '../config.ts'
import { runtimeMembers } from '../config-writer.ts'
import { invalid } from '../errors.ts'
import { countLayers } from '../history.ts'
import type { MemberChanges } from '../rewrite/members.ts'
import { closeImage, type EditOptions, openImage } from './edit-image.ts'
import { nameOf } from './merge-runtime.ts'

/** What to change. What is left out stays; `null` removes. */
export interface ConfigureImageOptions extends EditOptions {
  /** Whole fields of the runtime section. */
  readonly config?: { readonly [K in keyof RuntimeConfig]?: RuntimeConfig[K] | null }
  /** Variables by name, on top of those that are there or in `config`. */
  readonly env?: Readonly<Record<string, string | null>>
  /** Labels by key, likewise. */
  readonly labels?: Readonly<Record<string, string | null>>
  readonly author?: string | null
  /** What was done: entries without a layer. */
  readonly history?: readonly HistoryEntry[]
}

/**
 * Changes the config. Fields that are not known here stay as they were written, except Docker's record of the container
 * that the image was made from.
 *
 * @throws {OciManifestError} `ERR_OCI_MANIFEST_INVALID` if an entry of the history has a layer, a variable has no valid
 *   name, or a time is not RFC 3339.
 */
export function configureImage(image: AssembledImage, options: ConfigureImageOptions): AssembledImage {
  const opened = openImage(image, options)
  const { author, created, history = [] } = options
  if (countLayers(history) > 0) throw invalid('history', 'An entry with a layer, but none is added')
  const before = opened.image.config.value.config ?? {}
  return closeImage(opened, {
    created,
    history: [...opened.history, ...history],
    runtime: runtimeChanges(before, options),
    members: author === undefined ? {} : { author: author ?? undefined },
  })
}

function runtimeChanges(before: RuntimeConfig, options: ConfigureImageOptions): MemberChanges {
  const { config = {}, env, labels } = options
  const fields = { ...config }
  if (env !== undefined)
    fields.Env = withVariables((config.Env === undefined ? before.Env : config.Env) ?? [], env)
  if (labels !== undefined) {
    const own = config.Labels === undefined ? before.Labels : config.Labels
    const left = Object.entries({ ...own, ...labels }).filter((entry) => entry[1] !== null)
    fields.Labels = Object.fromEntries(left) as Readonly<Record<string, string>>
  }
  const set = Object.entries(fields).filter(([, value]) => value !== null)
  const members = new Map(runtimeMembers(Object.fromEntries(set) as RuntimeConfig))
  const changed = RUNTIME_KEYS.filter((key) => fields[key] !== undefined)
  return Object.fromEntries(changed.map((key) => [key, members.get(key)]))
}

/** A variable that is there keeps its place; Docker takes the last of several with one name, and so they all go. */
function withVariables(
  before: readonly string[],
  changes: Readonly<Record<string, string | null>>,
): readonly string[] {
  const left = new Map(Object.entries(changes))
  const variables: string[] = []
  for (const variable of before) {
    const name = nameOf(variable)
    if (!Object.hasOwn(changes, name)) {
      variables.push(variable)
      continue
    }
    const value = left.get(name)
    left.delete(name)
    if (typeof value === 'string') variables.push(`${name}=${value}`)
  }
  for (const [name, value] of left) {
    if (name === '' || name.includes('=')) throw invalid('config.Env', `Not a name: ${JSON.stringify(name)}`)
    if (value !== null) variables.push(`${name}=${value}`)
  }
  return variables
}
