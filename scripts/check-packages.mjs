/**
 * Proves that what would be published works: packs every public package, lints the tarballs, installs them in an
 * empty directory with npm, then imports and requires every entry point there and runs every command.
 *
 *     node scripts/check-packages.mjs [--package NAME]...
 *
 * Needs the build, and `pnpm`, `npm` and `npx` on the PATH.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PUBLINT = join(ROOT, 'node_modules', '.bin', 'publint')

const { values } = parseArgs({ options: { package: { type: 'string', multiple: true } } })

const work = mkdtempSync(join(tmpdir(), 'varve-packages-'))
try {
  const names = values.package ?? readdirSync(join(ROOT, 'packages')).toSorted()
  const packages = names
    .map((name) => join(ROOT, 'packages', name))
    .filter((directory) => existsSync(join(directory, 'package.json')))
    .map((directory) => ({ directory, manifest: readJson(join(directory, 'package.json')) }))
    .filter(({ manifest }) => manifest.private !== true)
  const tarballs = packages.map((each) => pack(each))
  for (const tarball of tarballs) lint(tarball)
  install(packages, tarballs)
  process.stdout.write(`\n${packages.length} packages are fit to publish\n`)
} finally {
  rmSync(work, { recursive: true, force: true })
}

function pack({ directory, manifest }) {
  const destination = join(work, 'tarballs', basename(directory))
  mkdirSync(destination, { recursive: true })
  run('pnpm', ['pack', '--pack-destination', destination], directory)
  const [tarball] = readdirSync(destination)
  if (tarball === undefined) throw new Error(`pnpm packed nothing for ${manifest.name}`)
  return join(destination, tarball)
}

function lint(tarball) {
  run(PUBLINT, ['run', '--strict', tarball], ROOT)
  run('npx', ['-y', '@arethetypeswrong/cli@0.18.5', '--profile', 'esm-only', '--no-emoji', tarball], work)
}

function install(packages, tarballs) {
  const project = join(work, 'project')
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n')
  run('npm', ['install', '--no-audit', '--no-fund', ...tarballs], project)
  for (const { manifest } of packages) {
    for (const specifier of specifiers(manifest)) {
      const name = JSON.stringify(specifier)
      const entry = specifier.endsWith('.json') ? `${name}, { with: { type: 'json' } }` : name
      run(process.execPath, ['--input-type=module', '-e', `await import(${entry})`], project)
      run(process.execPath, ['--input-type=commonjs', '-e', `require(${name})`], project)
    }
    for (const command of Object.keys(manifest.bin ?? {})) {
      run('npx', ['--no-install', command, '--version'], project)
    }
  }
}

/** What users may write after `from`. */
function specifiers({ name, publishConfig, exports }) {
  return Object.keys(publishConfig?.exports ?? exports).map((subpath) => name + subpath.slice(1))
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}

/** Runs a command to its end; what it said is shown only if it failed. */
function run(command, args, cwd) {
  const shown = [basename(command), ...args].join(' ').replaceAll(work, '$TMP')
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  process.stdout.write(`${status === 0 ? 'ok    ' : 'FAILED'} ${shown}\n`)
  if (status !== 0) throw new Error(`${shown}\n${stdout ?? ''}${stderr ?? ''}`, { cause: error })
}
