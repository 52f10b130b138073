import t from 'tap'
import { STORE_CHECKS } from '../src/conformance.ts'
import { createMemoryStore } from '../src/index.ts'

for (const check of STORE_CHECKS) t.test(check.name, () => check.run(createMemoryStore()))
