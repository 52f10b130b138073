/**
 * A registry of one's own, over a directory, which everybody may read and one user may write.
 *
 * @module
 */
import { createLocalStore } from '@varve/cache-store/local'
import { basicAuthorizer, createRegistryHandler, listen, type RegistryServer } from '@varve/registry/server'

export async function embed(directory: string, user: string, password: string): Promise<RegistryServer> {
  const { blobs, refs, pins } = await createLocalStore({ directory })
  const authorize = basicAuthorizer({
    async verify(credentials, { action }) {
      if (credentials?.username === user && credentials.password === password) return 'allow'
      return credentials === undefined && action === 'pull' ? 'allow' : 'challenge'
    },
  })
  return listen(createRegistryHandler({ blobs, refs, pins, authorize, allowDelete: true }))
}
