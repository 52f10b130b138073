import t from 'tap'
import { STORE_CHECKS } from '../src/conformance.ts'
import { createLocalStore } from '../src/local.ts'

for (const check of STORE_CHECKS) {
  t.test(check.name, async (t) => check.run(await createLocalStore({ directory: t.testdir() })))
}
