import { bytesSource, type Descriptor, digestOf, streamSource } from '@varve/digest'
import t from 'tap'
import { createEntry } from '../src/entry.ts'
import { LAYER_MEDIA_TYPES, openLayer, packLayer, type PackLayerOptions } from '../src/layer.ts'
import { Tree } from '../src/tree.ts'
import { collect, lines } from './compression-samples.ts'

const CONTENT = lines(5 * 1024 * 1024)
const TREE = Tree.from([
  createEntry({
    path: 'file',
    type: 'file',
    mode: 0o644,
    size: CONTENT.length,
    content: bytesSource(CONTENT),
  }),
])

async function make(
  options: PackLayerOptions,
): Promise<{ blob: Buffer; made: Awaited<ReturnType<typeof packLayer>> }> {
  const chunks: Uint8Array[] = []
  const made = await packLayer(TREE, { write: (chunk) => void chunks.push(Buffer.from(chunk)) }, options)
  return { blob: Buffer.concat(chunks), made }
}

t.test('every kind of compression makes a layer of the same diffID', async (t) => {
  const plain = await make({ compression: 'none' })
  t.equal(plain.made.encoder, 'none')
  const kinds: readonly (readonly [options: PackLayerOptions, encoder: RegExp])[] = [
    [{}, /^gzip level=6 member=1048576 zlib=/],
    [{ encoder: 'portable', level: 1 }, /^gzip level=1 member=1048576 fflate=/],
    [{ single: true }, /^gzip level=6 single=1048576 zlib=/],
    [{ compression: 'zstd' }, /^zstd level=3 frame=4194304 zstd/],
    [{ compression: 'zstd', encoder: 'portable', single: true }, /^zstd level=3 single=1048576 zstd-codec=/],
  ]
  for (const [options, encoder] of kinds) {
    const { made, blob } = await make(options)
    const { compression = 'gzip' } = options
    t.match(made.encoder, encoder)
    t.equal(made.descriptor.mediaType, LAYER_MEDIA_TYPES[compression])
    t.equal(made.diffID, plain.made.diffID)
    t.equal(made.descriptor.digest, digestOf(blob))
    const again = await make({ ...options, inFlight: 1 })
    t.ok(again.blob.equals(blob), `${made.encoder}: the bytes do not depend on how many are in flight`)
    const layer = openLayer(made.descriptor, made.diffID, bytesSource(blob))
    t.ok((await collect(layer.uncompressed.open())).equals(plain.blob))
  }
  t.equal(LAYER_MEDIA_TYPES.zstd, 'application/vnd.oci.image.layer.v1.tar+zstd')
  await t.rejects(make({ compression: 'zstd', level: 23 }), TypeError)
})

t.test(
  'C4: the size of the descriptor bounds the compressed bytes, whatever they decompress to',
  async (t) => {
    for (const compression of ['gzip', 'zstd', 'none'] as const) {
      const { made, blob } = await make({ compression })
      let taken = 0
      const endless = streamSource(async function* () {
        yield blob
        for (;;) {
          taken++
          yield new Uint8Array(1000)
        }
      })
      const read = (descriptor: Descriptor, source = bytesSource(blob)): Promise<Buffer> =>
        collect(openLayer(descriptor, made.diffID, source).uncompressed.open())
      const error = { code: 'ERR_DIGEST_SIZE' }
      await t.rejects(
        read({ ...made.descriptor, size: made.descriptor.size - 1 }),
        error,
        `${compression}: less`,
      )
      await t.rejects(read(made.descriptor, endless), error, 'more')
      t.equal(taken, 1, 'and reading stops there')
      await t.rejects(
        read({ ...made.descriptor, size: made.descriptor.size + 1 }),
        `${compression}: too short`,
      )
    }
  },
)
