/**
 * Archives made by hand, byte by byte, so that tests can say what no writer would.
 *
 * @module
 */
import {
  createEntry,
  type DecodeOptions,
  decodeTar,
  encodeMember,
  type Entry,
  pack,
  Tree,
} from '../src/index.ts'

/** A header field as text, or as the very bytes. */
type Raw = string | Uint8Array

/** One member; numbers are written in octal. */
export interface RawMember {
  readonly name?: Raw
  readonly type?: string
  readonly mode?: number | Raw
  readonly uid?: number | Raw
  readonly gid?: number | Raw
  readonly size?: number | Raw
  readonly mtime?: number | Raw
  readonly linkname?: Raw
  readonly magic?: string
  readonly prefix?: Raw
  readonly devMajor?: number | Raw
  readonly devMinor?: number | Raw
  /** What stands at any other offset of the header. */
  readonly patch?: readonly (readonly [at: number, bytes: Raw])[]
  readonly body?: Raw
}

export const END: Buffer = Buffer.alloc(1024)

export function bytes(raw: Raw): Buffer {
  return typeof raw === 'string' ? Buffer.from(raw) : Buffer.from(raw)
}

/** Header and padded body; the size is that of the body unless it is given. */
export function member(raw: RawMember): Buffer {
  const body = bytes(raw.body ?? '')
  const block = Buffer.alloc(512)
  const put = (at: number, length: number, value: number | Raw): void => {
    const field = typeof value === 'number' ? `${value.toString(8).padStart(length - 1, '0')}\0` : value
    bytes(field).copy(block, at, 0, length)
  }
  put(0, 100, raw.name ?? 'name')
  put(100, 8, raw.mode ?? 0o644)
  put(108, 8, raw.uid ?? 0)
  put(116, 8, raw.gid ?? 0)
  put(124, 12, raw.size ?? body.length)
  put(136, 12, raw.mtime ?? 0)
  put(156, 1, raw.type ?? '0')
  put(157, 100, raw.linkname ?? '')
  put(257, 8, raw.magic ?? 'ustar\x0000')
  put(329, 8, raw.devMajor ?? 0)
  put(337, 8, raw.devMinor ?? 0)
  put(345, 155, raw.prefix ?? '')
  for (const [at, value] of raw.patch ?? []) put(at, 512 - at, value)
  put(148, 8, ' '.repeat(8))
  let sum = 0
  for (const byte of block) sum += byte
  put(148, 8, `${sum.toString(8).padStart(6, '0')}\0 `)
  return Buffer.concat([block, body, Buffer.alloc((512 - (body.length % 512)) % 512)])
}

export function record(key: Raw, value: Raw): Buffer {
  const rest = bytes(key).length + bytes(value).length + 3
  let length = rest + String(rest).length
  while (String(length).length + rest !== length) length = String(length).length + rest
  return Buffer.concat([bytes(`${length} `), bytes(key), bytes('='), bytes(value), bytes('\n')])
}

/** A PAX extended header. */
export function pax(records: readonly (readonly [Raw, Raw])[], raw: RawMember = {}): Buffer {
  const body = Buffer.concat(records.map(([key, value]) => record(key, value)))
  return member({ name: 'PaxHeader', type: 'x', body, ...raw })
}

/** A GNU long name (`L`) or long link (`K`). */
export function gnuLong(type: 'L' | 'K', name: Raw): Buffer {
  return member({ name: '././@LongLink', type, body: Buffer.concat([bytes(name), Buffer.alloc(1)]) })
}

/** A base-256 field: a sign bit and big-endian two's complement. */
export function base256(value: bigint, length: number): Buffer {
  const field = Buffer.alloc(length)
  let rest = BigInt.asUintN(length * 8, value)
  for (let at = length - 1; at >= 0; at--) {
    field[at] = Number(rest & 0xffn)
    rest >>= 8n
  }
  field[0] = field[0]! | 0x80
  return field
}

export function archive(...parts: Uint8Array[]): Buffer {
  return Buffer.concat([...parts, END])
}

/** A member with its body read. */
export interface Read {
  readonly entry: Entry
  readonly body: string
}

export async function readMembers(
  source: Uint8Array | Iterable<Uint8Array>,
  options?: DecodeOptions,
): Promise<Read[]> {
  const found: Read[] = []
  for await (const { entry, body } of decodeTar(source instanceof Uint8Array ? [source] : source, options)) {
    found.push({ entry, body: (await collect(body)).toString('latin1') })
  }
  return found
}

export async function collect(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

/** Cuts into pieces of so many bytes. */
export function* pieces(all: Uint8Array, size: number): Generator<Uint8Array, void, void> {
  for (let at = 0; at < all.byteLength; at += size) yield all.subarray(at, at + size)
}

/** A whole file: entry and content. */
export function file(path: string, content: string = path, fields: Partial<Entry> = {}): Entry {
  const body = Buffer.from(content)
  return createEntry({
    path,
    type: 'file',
    size: body.length,
    ...(body.length === 0
      ? {}
      : {
          content: {
            size: body.length,
            async *open({ start = 0, end = body.length } = {}) {
              yield body.subarray(start, end)
            },
          },
        }),
    ...fields,
  })
}

export function directory(path: string, fields: Partial<Entry> = {}): Entry {
  return createEntry({ path, type: 'directory', ...fields })
}

export function symlink(path: string, linkname: string, fields: Partial<Entry> = {}): Entry {
  return createEntry({ path, type: 'symlink', linkname, ...fields })
}

export function hardlink(path: string, linkname: string, fields: Partial<Entry> = {}): Entry {
  return createEntry({ path, type: 'hardlink', linkname, ...fields })
}

/** A whiteout, or an opaque marker. */
export function marker(path: string): Entry {
  return createEntry({ path, type: 'file', mode: 0 })
}

export async function packed(entries: Iterable<Entry>): Promise<Buffer> {
  return collect(pack(Tree.from(entries)))
}

/** Members in exactly this order, as no tree would have them. */
export async function inOrder(entries: readonly Entry[]): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for (const entry of entries) {
    const body = entry.content === undefined ? Buffer.alloc(0) : await collect(entry.content.open())
    parts.push(encodeMember(entry), body, Buffer.alloc((512 - (body.length % 512)) % 512))
  }
  return archive(...parts)
}
