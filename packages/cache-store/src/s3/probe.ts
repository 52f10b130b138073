/**
 * What a server does, found out by trying: the same words of the protocol mean other things to other servers.
 *
 * @module
 */
import { withSignal } from '@varve/digest'
import { newNonce } from '../flight/mark.ts'
import { kindOf } from './failure.ts'
import type { Keys } from './keys.ts'
import type { Condition, Objects } from './objects.ts'
import type { S3Capabilities } from './options.ts'
import { bodyOf, readSmall } from './small.ts'

/** Where the probe works. Conditions are sent as `form` says at the time. */
export interface ProbeSettings {
  readonly objects: Objects
  readonly keys: Keys
  /** Sets how the tag of a condition is sent. */
  readonly setForm: (form: S3Capabilities['ifMatch']) => void
  readonly signal?: AbortSignal | undefined
}

/** Creates at once: a server that looks first and writes then is caught by fewer. */
const CREATORS = 32

/** The same for replacing. */
const REPLACERS = 8

/** How often a race is run again in which a request failed for reasons of its own. */
const RACES = 3

/**
 * Finds what the server can do; some sixty small requests, most of them at once. What it writes it removes.
 *
 * @throws {CacheStoreError} if the server cannot be asked.
 */
export async function probe(settings: ProbeSettings): Promise<S3Capabilities> {
  const { objects, keys } = settings
  const at = (name: string): string => `${keys.probe(id)}-${name}`
  const id = newNonce()
  const written = ['create', 'canary', 'match', 'delete', 'sum', 'part'].map(at)
  try {
    const [atomicCreate, matching, canary] = await Promise.all([
      probeCreate(settings, at('create')),
      probeMatch(settings, at('match'), at('absent')),
      probeCanary(settings, at('canary'), at('nothing')),
    ])
    settings.setForm(matching)
    const [conditionalDelete, conditionalMultipart, checksPayload] = await Promise.all([
      matching !== false && probeDelete(settings, at('delete')),
      probeMultipart(settings, at('canary')),
      probeChecksum(settings, at('sum')),
    ])
    return {
      atomicCreate,
      ifMatch: matching,
      conditionalDelete,
      conditionalMultipart,
      checksPayload,
      ...canary,
    }
  } finally {
    await Promise.allSettled(written.map((key) => objects.remove(key, undefined, { once: true })))
  }
}

/** Whether of many creates at once exactly one succeeds, and one afterwards does not. */
async function probeCreate(settings: ProbeSettings, key: string): Promise<boolean> {
  for (let round = 0; round < RACES; round += 1) {
    if (round > 0) await settings.objects.remove(key, undefined, withSignal(settings.signal))
    const outcome = await race(settings, key, CREATORS, 'absent')
    if (outcome !== 'unclear') return outcome === 'one' && (await race(settings, key, 1, 'absent')) === 'none'
  }
  return false
}

/** How a tag has to be written so that of many replacements at once exactly one succeeds. */
async function probeMatch(
  settings: ProbeSettings,
  key: string,
  absent: string,
): Promise<S3Capabilities['ifMatch']> {
  const { objects, setForm, signal } = settings
  for (const form of Array.from({ length: RACES }, () => ['quoted', 'unquoted'] as const).flat()) {
    const tag = await objects.write(key, bodyOf(random()), undefined, withSignal(signal))
    if (tag === undefined) return false
    setForm(form)
    const outcome = await race(settings, key, REPLACERS, { tag })
    // None: the tag is not understood so.
    if (outcome === 'none' || outcome === 'unclear') continue
    const isKept = outcome === 'one' && (await race(settings, key, 1, { tag })) === 'none'
    const isNoCreate = (await race(settings, absent, 1, { tag })) === 'none'
    if (!isNoCreate) await objects.remove(absent, undefined, withSignal(signal))
    return isKept && isNoCreate ? form : false
  }
  return false
}

/** Whether what was written can be read and is listed, and what is told of a key that is not there. */
async function probeCanary(
  { objects, keys, signal }: ProbeSettings,
  key: string,
  absent: string,
): Promise<Pick<S3Capabilities, 'list' | 'tellsAbsence'>> {
  const options = withSignal(signal)
  await objects.write(key, bodyOf(random()), undefined, options)
  // Not by `head` of objects, to which what is denied is not there.
  await objects.send({ operation: 'HeadObject', input: { Bucket: objects.bucket, Key: key } }, options)
  const [list, tellsAbsence] = await Promise.all([
    supported(async () => {
      const page = await objects.list(keys.probe(''), key.slice(0, -1), options)
      return page.objects.some((object) => object.key === key)
    }),
    isAbsent(objects, absent, options),
  ])
  return { list, tellsAbsence }
}

async function isAbsent(objects: Objects, Key: string, options: object): Promise<boolean> {
  try {
    await objects.send({ operation: 'HeadObject', input: { Bucket: objects.bucket, Key } }, options)
    return false
  } catch (error) {
    if (kindOf(error) === 'absent') return true
    if (kindOf(error) === 'denied') return false
    throw error
  }
}

async function probeDelete({ objects, signal }: ProbeSettings, key: string): Promise<boolean> {
  const options = withSignal(signal)
  const first = await objects.write(key, bodyOf(random()), undefined, options)
  const second = await objects.write(key, bodyOf(random()), undefined, options)
  if (first === undefined || second === undefined) return false
  return supported(async () => {
    if (await objects.remove(key, first, options)) return false
    if ((await objects.head(key, options)) === undefined) return false
    return (await objects.remove(key, second, options)) && (await objects.head(key, options)) === undefined
  })
}

/** Over a key that is there, an upload under the condition that it is not must fail. */
async function probeMultipart({ objects, signal }: ProbeSettings, key: string): Promise<boolean> {
  const options = withSignal(signal)
  const place = { Bucket: objects.bucket, Key: key }
  return supported(async () => {
    const { output } = await objects.send({ operation: 'CreateMultipartUpload', input: place }, options)
    const upload = { ...place, UploadId: output['UploadId'] }
    const body = bodyOf(random())
    const part = await objects.send(
      { operation: 'UploadPart', input: { ...upload, PartNumber: 1 }, body },
      options,
    )
    const Parts = [{ PartNumber: 1, ETag: part.output['ETag'] }]
    const input = { ...upload, MultipartUpload: { Parts }, IfNoneMatch: '*' }
    try {
      await objects.send({ operation: 'CompleteMultipartUpload', input }, { ...options, once: true })
      return false
    } catch (error) {
      await objects
        .send({ operation: 'AbortMultipartUpload', input: upload }, { once: true })
        .catch(() => undefined)
      return kindOf(error) === 'condition'
    }
  })
}

async function probeChecksum({ objects, signal }: ProbeSettings, key: string): Promise<boolean> {
  const { sha256 } = bodyOf(random())
  try {
    await objects.write(key, bodyOf(random(), sha256), undefined, { ...withSignal(signal), once: true })
    return false
  } catch (error) {
    signal?.throwIfAborted()
    return kindOf(error) !== undefined
  }
}

/**
 * Writes at once, each other bytes: how many succeed. Some servers answer losers with a failure of their own; if one
 * was told that it won, what is there in the end must be its bytes.
 */
async function race(
  { objects, signal }: ProbeSettings,
  key: string,
  writers: number,
  condition: Condition,
): Promise<'none' | 'one' | 'many' | 'unclear'> {
  const winners: Uint8Array[] = []
  let isClear = true
  const write = async (): Promise<void> => {
    const bytes = random()
    try {
      // Not tried again: the second try would lose to the first.
      const tag = await objects.write(key, bodyOf(bytes), condition, { ...withSignal(signal), once: true })
      if (tag !== undefined) winners.push(bytes)
    } catch (error) {
      const kind = kindOf(error)
      if (kind === 'transient') isClear = false
      // A condition that is refused altogether is not supported: nobody wins.
      else if (kind !== 'conflict' && kind !== 'unsupported' && kind !== 'refused') throw error
    }
  }
  await Promise.all(Array.from({ length: writers }, write))
  const [winner] = winners
  if (winner === undefined) return isClear ? 'none' : 'unclear'
  if (winners.length > 1) return 'many'
  const left = await readSmall(objects, key, winner.byteLength, withSignal(signal))
  return left !== undefined && Buffer.compare(left.bytes, winner) === 0 ? 'one' : 'many'
}

/** What a server does not know, or these credentials may not do, is a capability that is not there. */
async function supported(attempt: () => Promise<boolean>): Promise<boolean> {
  try {
    return await attempt()
  } catch (error) {
    const kind = kindOf(error)
    if (kind === 'unsupported' || kind === 'denied' || kind === 'refused' || kind === 'config') return false
    throw error
  }
}

function random(): Uint8Array {
  return new TextEncoder().encode(newNonce())
}
