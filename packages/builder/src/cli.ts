#!/usr/bin/env node
/**
 * The command `varve`.
 *
 * @module
 */
import { run } from './cli/run.ts'

process.exitCode = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
})
