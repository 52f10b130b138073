/**
 * Mounts: distribution-spec, "Mounting a blob from another repository".
 *
 * A registry that cannot, or does not want to, begins an upload instead, which is then used. Some refuse the question
 * itself; then nothing has happened.
 *
 * @module
 */
import type { Descriptor } from '@varve/digest'
import { type Endpoint, sendTo } from '../endpoint.ts'
import { RegistryError } from '../errors.ts'
import { isRepositoryName } from '../repository-name.ts'
import { cancelSession, newSession, type UploadSession } from './session.ts'

/** Mounts that are tried for one blob: each costs a request. */
const MAX_CANDIDATES = 3

/** What came of it. */
export interface MountOutcome {
  /** The repository that had the blob; `undefined` if it has to be sent. */
  readonly from: string | undefined
  /** Begun in place of the mount. */
  readonly session: UploadSession | undefined
}

/** Mounts a blob from one of the repositories of the same registry that may have it, the given ones first. */
export async function mountBlob(
  endpoint: Endpoint,
  descriptor: Descriptor,
  given: readonly string[],
  signal: AbortSignal | undefined,
): Promise<MountOutcome> {
  const { host, locations, repository } = endpoint
  const known = (await locations?.repositoriesOf(descriptor.digest, host.name)) ?? []
  const candidates = new Set(
    [...given, ...known].filter((each) => each !== repository && isRepositoryName(each)),
  )
  let session: UploadSession | undefined
  const cancel = async (): Promise<void> => {
    if (session !== undefined) await cancelSession(endpoint, session)
  }
  for (const from of [...candidates].slice(0, MAX_CANDIDATES)) {
    let answer: 'mounted' | Refusal
    try {
      answer = await ask(endpoint, descriptor, from, signal)
    } catch (error) {
      await cancel()
      throw error
    }
    // A new session takes the place of the one before.
    if (answer === 'mounted' || answer.session !== undefined) await cancel()
    if (answer === 'mounted') return { from, session: undefined }
    session = answer.session ?? session
    if (answer.isFinal) await locations?.drop(descriptor.digest, { registry: host.name, repository: from })
  }
  return { from: undefined, session }
}

interface Refusal {
  readonly session?: UploadSession
  /** Whether asking again would be in vain. */
  readonly isFinal: boolean
}

async function ask(
  endpoint: Endpoint,
  { digest }: Descriptor,
  from: string,
  signal: AbortSignal | undefined,
): Promise<'mounted' | Refusal> {
  try {
    const response = await sendTo(endpoint, {
      method: 'POST',
      target: `blobs/uploads/?mount=${digest}&from=${encodeURIComponent(from)}`,
      access: 'push',
      from,
      expect: [201, 202],
      retry: false,
      signal,
    })
    await response.discard()
    if (response.status === 201) return 'mounted'
    return { session: newSession(endpoint, response), isFinal: true }
  } catch (error) {
    signal?.throwIfAborted()
    // A guard that has stopped us stops the push, too.
    if (!(error instanceof RegistryError) || error.code === 'ERR_REGISTRY_REFUSED') throw error
    const { status = 0 } = error
    return { isFinal: status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status) }
  }
}
