import t from 'tap'
import { hello } from '../src/hello.ts'

// Golden values: the same on every machine, run and supported Node. A change of one is a change of bytes for every
// user, and needs a new compatibility number.
const GOLDEN = {
  manifest: 'sha256:99bd5ca111f70998aa3236ec14b30c441f7465970ee07d7afb9b1487db197abf',
  imageId: 'sha256:c3b091a053613f76d9ac32a1389b2180eaca8c27288c79bc95a52992e13ea7ed',
  diffIDs: [
    'sha256:8ca9e26b1739b49724751176850a987a5289037cc1159f550b0ff6a2857a3f7c',
    'sha256:7f572227c8be20710f702ffd70b4c687461d29ac0545de9b998f4a65ec90f7b2',
    'sha256:26ef0b2e6148b3d1ee92cf4aff1f285d6a9827756fc4b1d2f70ae844a9e159e5',
    'sha256:6c5c690179411c972fe197ea7197f92a6a86d9bdd407c21984593fa834e6f50a',
    'sha256:0a3ef25ba63bdebc174511af80a694b84f56a15024c98df40d7f3689cd99e4bd',
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
  t.ok(lines.some((line) => line.includes('/app/public/index.html')), 'files are listed')
  t.notOk(lines.some((line) => line.includes('notes') || line.includes('scratch.tmp')), 'ignored files are not there')
})
