/**
 * Warnings of one lowering, as the Dockerfile wants them.
 *
 * @module
 */
import type { Dockerfile, Warning } from '../dockerfile/parse.ts'
import { BuilderError } from '../errors.ts'

/** Collects warnings, each once: stages are read again for every platform. */
export class Warnings {
  readonly #dockerfile: Dockerfile
  readonly #warnings = new Map<string, Warning>()

  constructor(dockerfile: Dockerfile) {
    this.#dockerfile = dockerfile
    for (const warning of dockerfile.warnings) this.add(warning)
  }

  add(warning: Warning): void {
    const { rule, message, location } = warning
    this.#warnings.set(`${location.file}:${location.line} ${rule} ${message}`, warning)
  }

  /**
   * What is left of them by `# check=skip=`, in the order of lines.
   *
   * @throws {BuilderError} `ERR_BUILDER_DOCKERFILE` if any is, and `# check=error=true`.
   */
  report(): Warning[] {
    const { checks } = this.#dockerfile
    const skip = checks?.skip ?? []
    const left = [...this.#warnings.values()]
      .filter(({ rule }) => skip !== 'all' && !skip.includes(rule))
      .toSorted((a, b) => a.location.line - b.location.line)
    const [first] = left
    if (checks?.error !== true || first === undefined) return left
    const rules = [...new Set(left.map(({ rule }) => rule))].join(', ')
    throw new BuilderError('ERR_BUILDER_DOCKERFILE', `Lint violation found for rules: ${rules}`, {
      location: first.location,
      hint: first.message,
    })
  }
}
