/** `certs.d` as Docker and Podman lay it out. */
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readCertsDirectory } from '../src/hosts/certs-directory.ts'

t.test('certificates are found by host', async (t) => {
  const directory = t.testdir({
    'reg.example:5000': {
      'ca.crt': 'CA 1',
      'b.crt': 'CA 2',
      'client.cert': 'C',
      'client.key': 'K',
      README: '',
    },
    'two.example': { '1.cert': 'C1', '1.key': 'K1', '2.cert': 'C2', '2.key': 'K2' },
    'ca.example': { 'ca.crt': 'CA' },
    'empty.example': {},
    'not a host': { 'ca.crt': 'CA' },
    ['__proto__']: { 'ca.crt': 'CA' },
    file: 'which is not a directory',
  })
  const hosts = await readCertsDirectory(directory)
  t.strictSame(
    Object.entries(hosts).filter(([name]) => name !== '__proto__'),
    [
      ['ca.example', { ca: ['CA'] }],
      ['reg.example:5000', { ca: ['CA 2', 'CA 1'], cert: ['C'], key: ['K'] }],
      ['two.example', { cert: ['C1', 'C2'], key: ['K1', 'K2'] }],
    ],
  )
  t.ok(Object.hasOwn(hosts, '__proto__'), 'S13: a host like any other')
  t.strictSame(await readCertsDirectory(join(directory, 'missing')), {}, 'no directory says nothing')
  const reason = new Error('enough')
  await t.rejects(readCertsDirectory(directory, { signal: AbortSignal.abort(reason) }), reason)
})

t.test('a file that cannot be what it should be is named', async (t) => {
  const table = {
    'no key': { 'client.cert': 'secret' },
    'no certificate': { 'client.key': 'secret' },
    'too large': { 'ca.crt': 'secret'.repeat(200_000) },
    'a directory': { 'ca.crt': { a: 'secret' } },
  }
  for (const [why, files] of Object.entries(table)) {
    const directory = t.testdir({ 'reg.example': files })
    const error = (await readCertsDirectory(directory).catch((thrown: unknown) => thrown)) as Error
    t.match(error, { code: 'ERR_REGISTRY_SETTINGS', message: /reg\.example/ }, why)
    t.notMatch(`${error.message} ${String(error.cause)}`, /secret/)
  }
  const directory = t.testdir({ 'reg.example': {} })
  symlinkSync(join(directory, 'gone'), join(directory, 'reg.example', 'ca.crt'))
  await t.rejects(readCertsDirectory(directory), { code: 'ERR_REGISTRY_SETTINGS', cause: { code: 'ENOENT' } })
})
