/** A handler that stops before each of its writes in turn, as a process does that is killed. */
import type { Ingest, RefStore } from '@varve/cache-store'
import { createLocalStore } from '@varve/cache-store/local'
import t from 'tap'
import { createRegistryHandler, type RegistryHandler } from '../src/server.ts'
import { countOpen, findWrong, newKnowledge, newThings, type Send, work } from './crash-scenario.ts'
import { caller } from './server-fixtures.ts'

/** Members that never return from their `last`th call on, so that nothing comes after it. */
function mortal<Target extends object>(
  target: Target,
  names: readonly string[],
  step: () => boolean,
): Target {
  return new Proxy(target, {
    get: (object, name) => {
      const member: unknown = Reflect.get(object, name)
      if (typeof member !== 'function' || !names.includes(String(name))) return member
      return (...args: unknown[]): unknown =>
        step() ? new Promise(() => undefined) : Reflect.apply(member, object, args)
    },
  })
}

/** A handler, and a promise that is rejected when it dies. */
async function open(directory: string, last: number): Promise<readonly [RegistryHandler, Promise<never>]> {
  const { blobs, refs, pins } = await createLocalStore({ directory, durability: 'rename' })
  let left = last
  let die = (): void => undefined
  const dead = new Promise<never>((_, reject) => {
    die = () => reject(new Error('dead'))
  })
  dead.catch(() => undefined)
  const step = (): boolean => {
    left -= 1
    if (left === 0) die()
    return left <= 0
  }
  const ingest = async (...args: Parameters<typeof blobs.ingest>): Promise<Ingest> =>
    mortal(await blobs.ingest(...args), ['write', 'commit', 'abort'], step)
  const handler = createRegistryHandler({
    blobs: mortal({ ...blobs, ingest }, ['put', 'ingest', 'delete'], step),
    refs: mortal<RefStore>(refs, ['update'], step),
    pins,
    allowDelete: true,
  })
  return [handler, dead]
}

const sendTo =
  (handler: RegistryHandler): Send =>
  (method, path, body, headers = {}) =>
    caller(handler).call(method, path, { headers, ...(body && { body }) })

t.test(
  'D9: whichever write a server dies before, nothing is lost, nothing bad is served, and clients go on',
  async (t) => {
    const directory = t.testdir({})
    let [point, resumed] = [0, 0]
    for (let isDead = true; isDead;) {
      point += 1
      const [things, knowledge] = [newThings(), newKnowledge()]
      const [first, dead] = await open(directory, point)
      isDead = await Promise.race([work(sendTo(first), knowledge, things).then(() => false), dead]).catch(
        (error: Error) => {
          if (error.message !== 'dead') throw error
          return true
        },
      )
      const [second] = await open(directory, Infinity)
      t.strictSame(await findWrong(sendTo(second), knowledge, things), [], `killed before write ${point}`)
      resumed += await countOpen(sendTo(second), knowledge)
      await work(sendTo(second), knowledge, things)
      t.strictSame(await findWrong(sendTo(second), knowledge, things), [], 'and all is done in the end')
    }
    t.ok(point > 30, `${point} points`)
    t.ok(resumed > 5, `${resumed} uploads were gone on with`)
  },
)
