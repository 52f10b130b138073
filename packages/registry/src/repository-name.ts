/**
 * Repository names: distribution-spec v1.1, "Pulling manifests".
 *
 * @module
 */

const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const MAX_LENGTH = 255

/** Whether `text` names a repository. Such a name needs no escaping in a URL. */
export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_LENGTH && NAME.test(text)
}
