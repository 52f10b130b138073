import * as fc from 'fast-check'
import t from 'tap'
import {
  type JsonInput,
  JsonNumber,
  type JsonValue,
  OciManifestError,
  parseJson,
  sortedMap,
  writeJson,
} from '../src/index.ts'
import { utf8 } from './fixtures/content.ts'

const INVALID = 'ERR_OCI_MANIFEST_INVALID'
const LIMIT = 'ERR_OCI_MANIFEST_LIMIT'

t.test('parseJson gives maps, raw numbers and everything else as it is', async (t) => {
  const value = parseJson(
    utf8(' {"b":[1e3,-0.5,null,true,false,"\\u00e9\\ud83d\\ude00\\/"],"2":{},"1":[]}\r\n\t'),
  )
  t.strictSame(
    value,
    new Map<string, JsonValue>([
      ['b', [new JsonNumber('1e3'), new JsonNumber('-0.5'), null, true, false, 'é😀/']],
      ['2', new Map()],
      ['1', []],
    ]),
  )
  t.strictSame(
    [...(value as Map<string, unknown>).keys()],
    ['b', '2', '1'],
    'integer-like keys stay in place',
  )
})

t.test('S10 S12 N10 N11 parseJson refuses what has two readings, or is none', async (t) => {
  const rejected: readonly (readonly [why: string, input: string | Uint8Array, code: string, at?: string])[] =
    [
      ['nothing', '', INVALID, ''],
      ['only space', ' \n', INVALID],
      ['a byte order mark', '\ufeff{}', INVALID],
      ['trailing bytes', '{} {}', INVALID],
      ['a trailing NUL', '{}\0', INVALID],
      ['bad UTF-8', new Uint8Array([0x22, 0xff, 0x22]), INVALID],
      ['overlong UTF-8', new Uint8Array([0x22, 0xc0, 0xaf, 0x22]), INVALID],
      ['UTF-16', new Uint8Array([0xff, 0xfe, 0x7b, 0, 0x7d, 0]), INVALID],
      ['half a surrogate pair', '{"a":"\\ud800"}', INVALID, 'a'],
      ['a duplicate key', '{"a":{"layers":1,"layers":2}}', INVALID, 'a.layers'],
      ['a duplicate key, once escaped', '{"a":1,"\\u0061":2}', INVALID, 'a'],
      ['a duplicate __proto__', '{"__proto__":1,"__proto__":2}', INVALID],
      ['a trailing comma', '[1,]', INVALID],
      ['a trailing comma in an object', '{"a":1,}', INVALID],
      ['a missing comma', '[1 2]', INVALID],
      ['a missing colon', '{"a" 1}', INVALID],
      ['an unquoted key', '{a:1}', INVALID],
      ['a comment', '/**/{}', INVALID],
      ['an open string', '"a', INVALID],
      ['an open escape', '"\\', INVALID],
      ['a bad escape', '"\\x41"', INVALID],
      ['a short escape', '"\\u12"', INVALID],
      ['a line break in a string', '"a\nb"', INVALID],
      ['an open array', '[', INVALID],
      ['an open object', '{"a":1', INVALID],
      ['a leading zero', '01', INVALID],
      ['a plus sign', '+1', INVALID],
      ['a bare fraction', '.5', INVALID],
      ['a fraction without digits', '1.', INVALID],
      ['NaN', 'NaN', INVALID],
      ['a wrong literal', 'nul', INVALID],
      ['an endless number', '1'.repeat(300), INVALID],
      ['too deep', '['.repeat(65) + ']'.repeat(65), LIMIT],
      ['deep enough to overflow a stack', '['.repeat(1_000_000), LIMIT],
      ['a place in an array', '{"a":[0,{"b c":nope}]}', INVALID, 'a[1]["b c"]'],
    ]
  for (const [why, input, code, at] of rejected) {
    const bytes = typeof input === 'string' ? utf8(input) : input
    t.throws(
      () => parseJson(bytes),
      { name: 'OciManifestError', code, ...(at === undefined ? {} : { at }) },
      why,
    )
  }
  try {
    parseJson(utf8(`{"${'k'.repeat(1_000_000)}":nope}`))
    t.fail('is refused')
  } catch (error) {
    t.ok((error as Error).message.length < 200, 'whatever a key is like, the message is short')
  }
  t.throws(() => parseJson(utf8('[1,2]'), { maxBytes: 4 }), { code: LIMIT }, 'a document over the limit')
  t.throws(
    () => parseJson(new Uint8Array(8 * 1024 * 1024 + 1)),
    { code: LIMIT },
    'the default limit is 8 MiB',
  )
})

t.test('parseJson agrees with JSON.parse wherever that has one reading', async (t) => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      t.same(plain(parseJson(utf8(text))), JSON.parse(text))
    }),
    { numRuns: 300 },
  )
})

t.test('parseJson throws nothing but its own error', async (t) => {
  const soup = fc.array(fc.constantFrom(...'{}[]",:\\u0aeE+-.1 tfnulrs\n\ud800'.split('')), { maxLength: 40 })
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        soup.map((parts) => utf8(parts.join(''))),
      ),
      (bytes) => {
        try {
          parseJson(bytes)
        } catch (error) {
          if (!(error instanceof OciManifestError)) throw error
        }
      },
    ),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('N10 N12 writeJson keeps the order given, and has no space', async (t) => {
  const cases: readonly (readonly [JsonInput, string])[] = [
    [{ b: 1, a: [null, true, 'é"\n'], skipped: undefined }, '{"b":1,"a":[null,true,"é\\"\\n"]}'],
    [
      new Map([
        ['b', 1],
        ['2', 2],
        ['1', 3],
      ]),
      '{"b":1,"2":2,"1":3}',
    ],
    [sortedMap({ b: 1, 10: 2, 9: 3, B: 4 }), '{"10":2,"9":3,"B":4,"b":1}'],
    [new JsonNumber('1.50e3'), '1.50e3'],
    [[], '[]'],
    [{}, '{}'],
  ]
  for (const [value, text] of cases) t.equal(new TextDecoder().decode(writeJson(value)), text)
})

t.test('writeJson refuses what it cannot write faithfully', async (t) => {
  t.throws(() => writeJson({ 1: 'reordered' }), TypeError, 'an integer-like key of a plain object')
  t.throws(() => writeJson(1.5), TypeError, 'a fraction')
  t.throws(() => writeJson(2 ** 53), TypeError, 'an unsafe integer')
  t.throws(() => writeJson('\ud800'), TypeError, 'half a surrogate pair')
})

t.test('N10 what writeJson wrote, parseJson reads back', async (t) => {
  const leaf = fc.oneof(fc.constant(null), fc.boolean(), fc.string({ unit: 'binary' }), fc.maxSafeInteger())
  const { tree } = fc.letrec<{ tree: JsonInput; map: JsonInput; list: JsonInput }>((tie) => ({
    tree: fc.oneof({ depthSize: 'small' }, leaf, tie('map'), tie('list')),
    map: fc
      .uniqueArray(fc.tuple(fc.oneof(fc.string(), fc.constantFrom('__proto__', '1', '0')), tie('tree')), {
        selector: ([key]) => key,
        maxLength: 4,
      })
      .map((entries) => new Map(entries)),
    list: fc.array(tie('tree'), { maxLength: 4 }),
  }))
  fc.assert(
    fc.property(tree, (value) => {
      const bytes = writeJson(value)
      t.strictSame(writeJson(parseJson(bytes) as JsonInput), bytes)
    }),
    { numRuns: 300 },
  )
})

function plain(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return Number(value.text)
  if (Array.isArray(value)) return value.map((each: JsonValue) => plain(each))
  if (!(value instanceof Map)) return value
  const object: Record<string, unknown> = {}
  for (const [key, each] of value as ReadonlyMap<string, JsonValue>) {
    Object.defineProperty(object, key, {
      value: plain(each),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return object
}
