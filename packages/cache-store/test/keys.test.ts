import fc from 'fast-check'
import t from 'tap'
import {
  decodeKeyDocument,
  encodeKeyDocument,
  explainKeys,
  formatDifference,
  type KeyContent,
  type KeyDocument,
  keyOf,
  type KeyValue,
} from '../src/index.ts'
import { bytesOfText, textOfBytes } from '../src/text-bytes.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

// Any UTF-16, lone surrogates too.
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.array(fc.integer({ min: 0xd7ff, max: 0xe000 })).map((units) => String.fromCharCode(...units)),
  fc.constantFrom('', '__proto__', 'constructor', 'é', '\u{dcc3}\u{dca9}', '\u{feff}', '\u{10000}'),
)
const { value } = fc.letrec<{ value: KeyValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text, tie('value'), { maxKeys: 4, noNullPrototype: false }),
  ),
}))
const content = fc
  .tuple(text, fc.dictionary(text, value, { maxKeys: 5 }))
  .map(([kind, fields]): KeyContent => ({ kv: 1, kind, fields }))

const document: KeyDocument = {
  kv: 1,
  step: 'Dockerfile:5 RUN',
  kind: 'run',
  fields: { env: { FOO: '1', BAR: '2' }, args: ['sh', '-c', 'make'], user: '' },
}

t.test('the encoding is bencode with sorted names, without the step', async (t) => {
  const bytes = encodeKeyDocument(document)
  t.equal(
    new TextDecoder().decode(bytes),
    'd6:fieldsd4:argsl2:sh2:-c4:makee3:envd3:BAR1:23:FOO1:1e4:user0:e4:kind3:run2:kvi1ee',
  )
  t.equal(keyOf(document), 'sha256:45530c4527bb6e3c1868dee3e9efec041914751b7fbc6a1c09bd763a75320879')
  t.equal(keyOf({ ...document, step: 'another' } as KeyContent), keyOf(document))
})

t.test('decode is the inverse of encode', async (t) => {
  fc.assert(
    fc.property(content, (content) => {
      const decoded = decodeKeyDocument(encodeKeyDocument(content))
      t.equal(fc.stringify(plain(decoded)), fc.stringify(plain(content)))
    }),
  )
})

t.test('different documents have different encodings', async (t) => {
  fc.assert(
    fc.property(content, content, (a, b) => {
      const same = fc.stringify(plain(a)) === fc.stringify(plain(b))
      t.equal(keyOf(a) === keyOf(b), same)
    }),
  )
})

t.test('bytes moved from one field into another change the key', async (t) => {
  fc.assert(
    fc.property(text, text, text, (a, b, c) => {
      const of = (fields: KeyContent['fields']): string => keyOf({ kv: 1, kind: 'copy', fields })
      const keys = [
        of({ x: a + b, y: c }),
        ...(b === '' ? [] : [of({ x: a, y: b + c })]),
        of({ x: [a, b, c] }),
        of({ x: [[a, b], c] }),
        of({ x: [a, [b, c]] }),
        of({ x: { y: a, z: b }, zz: c }),
        of({ x: { y: a }, z: b, zz: c }),
      ]
      t.equal(new Set(keys).size, keys.length)
    }),
  )
  // BuildKit's unframed header hashes these two alike.
  const attributes = (xattrs: KeyValue): string => keyOf({ kv: 1, kind: 'copy', fields: { xattrs } })
  t.not(attributes({ 'user.a': 'b' }), attributes({ 'user.ab': '' }))
})

t.test('the order in which members were added is no part of the key', async (t) => {
  t.equal(
    keyOf({ kv: 1, kind: 'x', fields: { b: '1', a: '2', '10': '3', '9': '4' } }),
    keyOf({ kv: 1, kind: 'x', fields: { '9': '4', a: '2', '10': '3', b: '1' } }),
  )
  // By bytes, not by UTF-16 units: U+FFFF is before U+10000.
  const bytes = encodeKeyDocument({ kv: 1, kind: 'x', fields: { '\u{10000}': '', '\u{ffff}': '' } })
  t.ok(Buffer.from(bytes).indexOf('\u{ffff}') < Buffer.from(bytes).indexOf('\u{10000}'))
})

t.test('strings and bytes are one to one', async (t) => {
  fc.assert(fc.property(text, (text) => textOfBytes(bytesOfText(text)) === text))
  fc.assert(
    fc.property(text, text, (a, b) => (a === b) === Buffer.from(bytesOfText(a)).equals(bytesOfText(b))),
  )
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      try {
        return Buffer.from(bytesOfText(textOfBytes(bytes))).equals(bytes)
      } catch (error) {
        return error instanceof TypeError
      }
    }),
  )
  t.strictSame([...bytesOfText('a\u{dc80}é')], [0x61, 0xed, 0xb2, 0x80, 0xc3, 0xa9])
  t.throws(
    () => textOfBytes(Uint8Array.of(0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80)),
    TypeError,
    'a pair in six bytes',
  )
  t.throws(() => textOfBytes(Uint8Array.of(0xff)), TypeError)
  t.throws(() => textOfBytes(Uint8Array.of(0xed, 0xa0)), TypeError)
})

t.test('what encode would not have written is refused', async (t) => {
  const good = 'd6:fieldsd1:a1:b1:cl1:dee4:kind1:k2:kvi1ee'
  t.doesNotThrow(() => decodeKeyDocument(utf8(good)))
  const rejected: ReadonlyArray<readonly [why: string, input: string]> = [
    ['nothing', ''],
    ['another document', '{"kv":1}'],
    ['the next version', good.replace('i1e', 'i2e')],
    ['bytes after the end', `${good}e`],
    ['names out of order', 'd6:fieldsd1:b0:1:a0:e4:kind1:k2:kvi1ee'],
    ['a name twice', 'd6:fieldsd1:a0:1:a0:e4:kind1:k2:kvi1ee'],
    ['a length with a zero before it', 'd6:fieldsd1:a01:be4:kind1:k2:kvi1ee'],
    ['zero in two digits', 'd6:fieldsd1:a00:e4:kind1:k2:kvi1ee'],
    ['no length', 'd6:fieldsd1:a:e4:kind1:k2:kvi1ee'],
    ['a negative length', 'd6:fieldsd1:a-1:be4:kind1:k2:kvi1ee'],
    ['a length beyond the end', 'd6:fieldsd1:a999:be4:kind1:k2:kvi1ee'],
    ['a length beyond all bounds', 'd6:fieldsd1:a99999999999999999999:be4:kind1:k2:kvi1ee'],
    ['a number for a value', 'd6:fieldsd1:ai1ee4:kind1:k2:kvi1ee'],
    ['fields that are a list', 'd6:fieldsl1:ae4:kind1:k2:kvi1ee'],
    ['fields that are a text', 'd6:fields1:a4:kind1:k2:kvi1ee'],
    ['a kind that is a list', 'd6:fieldsde4:kindle2:kvi1ee'],
    ['nesting without end', `d6:fieldsd1:a${'l'.repeat(100_000)}`],
    ['a dictionary without end', 'd6:fieldsd1:a'],
  ]
  for (const [why, input] of rejected) {
    t.throws(
      () => decodeKeyDocument(utf8(input)),
      { name: 'CacheStoreError', code: 'ERR_CACHE_STORE_KEY' },
      why,
    )
  }
  const notText = utf8(good)
  notText[notText.indexOf(0x62)] = 0xff
  t.throws(() => decodeKeyDocument(notText), { code: 'ERR_CACHE_STORE_KEY' }, 'bytes that are not text')
  t.throws(() => decodeKeyDocument(new Uint8Array(64 * 1024 * 1024 + 1)), { code: 'ERR_CACHE_STORE_KEY' })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(good.length), (noise, at) => {
      const bytes = Buffer.concat([utf8(good.slice(0, at)), noise, utf8(good.slice(at))])
      try {
        return Buffer.from(encodeKeyDocument(decodeKeyDocument(bytes))).equals(bytes)
      } catch (error) {
        return (error as { code?: string }).code === 'ERR_CACHE_STORE_KEY'
      }
    }),
  )
})

t.test('what is not a key document is not encoded', async (t) => {
  let deep: KeyValue = ''
  for (let depth = 0; depth < 40; depth += 1) deep = [deep]
  t.throws(() => keyOf({ kv: 1, kind: 'x', fields: { deep } }), { code: 'ERR_CACHE_STORE_KEY' })
  const large = 'x'.repeat(64 * 1024 * 1024)
  t.throws(() => encodeKeyDocument({ kv: 1, kind: 'x', fields: { large } }), { code: 'ERR_CACHE_STORE_KEY' })
  for (const bad of [1, true, null, undefined]) {
    t.throws(() => keyOf({ kv: 1, kind: 'x', fields: { bad: bad as unknown as KeyValue } }), TypeError)
  }
})

t.test('a difference is named as deep as it lies', async (t) => {
  const of = (fields: KeyContent['fields'], kind = 'run'): KeyContent => ({ kv: 1, kind, fields })
  const cases: ReadonlyArray<
    readonly [earlier: KeyContent, missed: KeyContent, sentences: readonly string[]]
  > = [
    [of({ a: '1' }), of({ a: '1' }), []],
    [of({ env: { FOO: '1', BAR: '2' } }), of({ env: { FOO: '2', BAR: '2' } }), ['env.FOO: "1" → "2"']],
    [of({ files: {} }), of({ files: { 'src/a.txt': 'x' } }), ['files.src/a.txt: added']],
    [
      of({ files: { a: 'x', c: 'y' } }),
      of({ files: { b: 'z', c: 'y' } }),
      ['files.a: removed', 'files.b: added'],
    ],
    [of({ args: ['sh', '-c'] }), of({ args: ['sh', '-e', '-c'] }), ['args.1: "-c" → "-e"', 'args.2: added']],
    [of({ args: 'sh' }), of({ args: ['sh'] }), ['args: "sh" → ["sh"]']],
    [of({ args: ['sh'] }), of({ args: { 0: 'sh' } }), ['args: ["sh"] → {"0":"sh"}']],
    [of({}), of({ constructor: 'x' }), ['constructor: added']],
    [of({}), of({}, 'copy'), ['kind: "run" → "copy"']],
    [of({ a: 'x'.repeat(200) }), of({ a: '' }), [`a: "${'x'.repeat(79)}… → ""`]],
  ]
  for (const [earlier, missed, sentences] of cases) {
    t.strictSame(explainKeys(missed, earlier).map(formatDifference), sentences)
  }
  t.strictSame(explainKeys(of({ a: { b: '2' } }), of({ a: { b: '1' } })), [
    { path: ['a', 'b'], before: '1', after: '2' },
  ])
})

t.test('there is a difference exactly where the keys differ', async (t) => {
  fc.assert(
    fc.property(content, content, (a, b) => {
      t.equal(explainKeys(a, b).length === 0, keyOf(a) === keyOf(b))
      t.strictSame(explainKeys(a, decodeKeyDocument(encodeKeyDocument(a))), [])
    }),
  )
})

/** Maps in order of names: comparable whatever the prototype. */
function plain(value: KeyValue | KeyContent): unknown {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return (value as readonly KeyValue[]).map(plain)
  const members = Object.entries(value as Record<string, KeyValue>)
  return members
    .filter(([, member]) => typeof member !== 'number')
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => ({ name, member: plain(member) }))
}
