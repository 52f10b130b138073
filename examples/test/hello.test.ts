import t from 'tap'
import { hello } from '../src/hello.ts'

// Golden values: the same on every machine, run and supported Node. A change of one is a change of bytes for every
// user, and needs a new compatibility number.
const GOLDEN = {
  manifest: 'sha256:ea5917b14f2c25c4fe2b8a8c48d8d0fa2a2b57e6d00a3041346c94fb38fd70db',
  imageId: 'sha256:50581df0a68b4483e71732b01e48268281008175beb5ef6c6e72cd4c87985974',
  diffIDs: [
    'sha256:8b6da3bd28008659e694315022ffb9c31aa31b5840b77e8f6197872538b9473a',
    'sha256:e0baad9c3461bf6fb203a35a51bb273c13684c5ffb5145a5e4d7b7660a7a9564',
    'sha256:ac1fa2694a3e70aaeaae6a670f6917e1b16e418a3fd75c0cb89949112e4c3ecf',
    'sha256:dab1afb80164b7543fd21c947c902beabb29f025123af77c6f9dfa6c08a1ee41',
    'sha256:efbc8215be5735a5676178e58a3963cbf074fcc7433c45bbb59b5992fa7a4ec9',
  ],
}

t.test('the main job gives the same image everywhere, the second time from cache', async (t) => {
  const lines: string[] = []
  const result = await hello({
    directory: t.testdir(),
    platform: { os: 'linux', architecture: 'amd64' },
    print: (line) => void lines.push(line),
  })
  t.strictSame(result, GOLDEN)
  t.equal(lines.filter((line) => line.startsWith('  cached ')).length, 8, 'every step of the second build')
  t.ok(
    lines.some((line) => line.includes('/app/public/index.html')),
    'files are listed',
  )
  t.notOk(
    lines.some((line) => line.includes('notes') || line.includes('scratch.tmp')),
    'ignored files are not there',
  )
})
