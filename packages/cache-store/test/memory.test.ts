import t from 'tap'
import { FLIGHT_TABLE_CHECKS, STORE_CHECKS } from '../src/conformance.ts'
import { createMemoryFlightTable, createMemoryStore } from '../src/index.ts'

for (const check of STORE_CHECKS) t.test(`D13: ${check.name}`, () => check.run(createMemoryStore()))
for (const check of FLIGHT_TABLE_CHECKS)
  t.test(`flights: ${check.name}`, () => check.run(createMemoryFlightTable()))
