import { createMemoryStore } from '@varve/cache-store'
import { createRegistryClient, type RegistryClient } from '@varve/registry'
import { createRegistryHandler, listen } from '@varve/registry/server'
import t from 'tap'
import { accessRegistries } from '../src/build/registry-access.ts'

const { refs } = createMemoryStore()

t.test('a client of its own is made when it is asked for, and once', async (t) => {
  const server = await listen(createRegistryHandler(createMemoryStore()))
  t.teardown(() => server.close())
  let asked = 0
  const registryOptions = async (): Promise<{ retries: number }> => {
    asked += 1
    return { retries: 0 }
  }
  const access = accessRegistries({ registryOptions }, refs)
  t.equal(asked, 0)
  const [one, other] = await Promise.all([access.open(), access.open()])
  t.equal(one, other)
  t.equal(asked, 1)
  const repository = one.repository(`127.0.0.1:${server.port}/team/app`)
  await t.rejects(repository.resolve('v1'), { code: 'ERR_REGISTRY_NOT_FOUND' })
  await access.close()
  await t.rejects(repository.resolve('v1'), 'it is closed')
})

t.test('one that was never needed has nothing to close', async (t) => {
  let asked = false
  const access = accessRegistries({ registryOptions: async () => ((asked = true), {}) }, refs)
  await access.close()
  t.notOk(asked)
})

t.test('what is wrong with the options is said by who needs them', async (t) => {
  const failure = new Error('no such directory')
  const access = accessRegistries({ registryOptions: () => Promise.reject(failure) }, refs)
  await t.rejects(access.open(), failure)
  await access.close()
})

t.test('a client of the caller stays open', async (t) => {
  const client: RegistryClient = createRegistryClient({ retries: 0 })
  t.teardown(() => client.close())
  let closed = false
  const registry = { ...client, close: async () => void (closed = true) }
  const access = accessRegistries({ registry }, refs)
  t.equal(await access.open(), registry)
  await access.close()
  t.notOk(closed)
})
