/**
 * Keeps the public types of every package in `packages/NAME/api.d.ts`, so that a review shows what a change does to
 * them. Reads the built declarations: run `pnpm build` first.
 *
 *     node scripts/api-snapshot.mjs [--check] [--package NAME]...
 *
 * With `--check` nothing is written; a difference is printed and the exit code is 1.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import ts from 'typescript'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PACKAGES = join(ROOT, 'packages')
const HEADER = '/* oxlint-disable */\n// Public types, written by scripts/api-snapshot.mjs. Do not edit.\n'

const { values } = parseArgs({
  options: { check: { type: 'boolean' }, package: { type: 'string', multiple: true } },
})

let changed = 0
for (const name of values.package ?? readdirSync(PACKAGES).toSorted()) {
  const path = join(PACKAGES, name, 'api.d.ts')
  const wanted = snapshot(join(PACKAGES, name))
  if (existsSync(path) && readFileSync(path, 'utf8') === wanted) continue
  changed++
  if (values.check) printDifference(path, wanted)
  else writeFileSync(path, wanted)
}
if (values.check && changed > 0) {
  process.stdout.write('\nPublic types changed. If that is meant, run "pnpm api" and commit the result.\n')
  process.exitCode = 1
}

/** All entry points of a package, in the order of its exports map. */
function snapshot(directory) {
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  const entries = Object.entries(manifest.exports).flatMap(([subpath, target]) =>
    target.types === undefined ? [] : [{ subpath, path: join(directory, target.types) }],
  )
  for (const { path } of entries) {
    if (!existsSync(path)) throw new Error(`${path} is missing: run the build first`)
  }
  const program = ts.createProgram({
    rootNames: entries.map((entry) => entry.path),
    options: {
      module: ts.ModuleKind.NodeNext,
      target: ts.ScriptTarget.ES2023,
      noEmit: true,
      skipLibCheck: true,
      strict: true,
      types: ['node'],
      typeRoots: [join(directory, 'node_modules', '@types')],
    },
  })
  const dist = join(directory, 'dist') + sep
  const known = new Map()
  const parts = entries.map(({ subpath, path }) => {
    const specifier = manifest.name + subpath.slice(1)
    return `// ---- ${specifier}\n\n${entryTypes(program, program.getSourceFile(path), { specifier, dist, known })}`
  })
  return [HEADER, ...parts].join('\n')
}

/**
 * What one entry point exports by name, then what these types need and the package keeps to itself. `known` collects
 * which specifier exported a symbol first.
 */
function entryTypes(program, file, { specifier, dist, known }) {
  const checker = program.getTypeChecker()
  const entry = checker.getSymbolAtLocation(file)
  // A file that exports nothing is not a module and has no symbol.
  const exported = new Map(
    (entry === undefined ? [] : checker.getExportsOfModule(entry)).map((symbol) => [
      resolve(checker, symbol),
      symbol.name,
    ]),
  )
  for (const symbol of exported.keys()) if (!known.has(symbol)) known.set(symbol, specifier)
  const imports = new Map()
  const printed = new Map()
  const queue = [...exported.keys()]
  for (let symbol = queue.shift(); symbol !== undefined; symbol = queue.shift()) {
    if (printed.has(symbol)) continue
    const declarations = (symbol.declarations ?? []).map(statementOf)
    printed.set(symbol, declarations.map(print).join('\n'))
    for (const declaration of declarations) visit(declaration)
  }

  const names = (symbols) => symbols.toSorted((a, b) => compare(nameOf(a), nameOf(b)))
  const all = [...printed.keys()]
  const own = names(all.filter((symbol) => exported.has(symbol)))
  const hidden = names(all.filter((symbol) => !exported.has(symbol)))
  const sections = [
    [...imports].map(importLine).toSorted(compare).join('\n'),
    ...own.map((symbol) => printed.get(symbol)),
    hidden.length > 0 ? '// not exported, but part of the types above' : '',
    ...hidden.map((symbol) => printed.get(symbol)),
  ]
  return sections.filter((section) => section !== '').join('\n\n') + '\n'

  function nameOf(symbol) {
    return exported.get(symbol) ?? symbol.name
  }

  /** Follows every name that a declaration mentions. */
  function visit(node) {
    if (ts.isIdentifier(node)) {
      const symbol = checker.getSymbolAtLocation(node)
      if (symbol !== undefined) follow(symbol)
    }
    ts.forEachChild(node, visit)
  }

  function follow(symbol) {
    const from = symbol.declarations?.map(importOf).find((name) => name !== undefined)
    const target = resolve(checker, symbol)
    const owner = from === undefined || from.startsWith('.') ? known.get(target) : from
    if (owner !== undefined && owner !== specifier) {
      if (!exported.has(target)) imports.set(owner, (imports.get(owner) ?? new Set()).add(symbol.name))
      return
    }
    const [declaration] = target.declarations ?? []
    if (declaration === undefined || !declaration.getSourceFile().fileName.startsWith(dist)) return
    if (statementOf(declaration).parent.kind === ts.SyntaxKind.SourceFile) queue.push(target)
  }
}

function resolve(checker, symbol) {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
}

/** A variable's declaration is only a part of its statement. */
function statementOf(declaration) {
  return ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration
}

function importOf(declaration) {
  for (let node = declaration; node !== undefined; node = node.parent) {
    if (ts.isImportDeclaration(node)) return node.moduleSpecifier.text
    if (ts.isSourceFile(node)) return undefined
  }
  return undefined
}

function print(node) {
  const printer = ts.createPrinter({ removeComments: true, newLine: ts.NewLineKind.LineFeed })
  return printer.printNode(ts.EmitHint.Unspecified, node, node.getSourceFile()).replaceAll('    ', '  ')
}

function importLine([specifier, names]) {
  return `import { ${[...names].toSorted(compare).join(', ')} } from '${specifier}'`
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0
}

function printDifference(path, wanted) {
  const directory = mkdtempSync(join(tmpdir(), 'varve-api-'))
  try {
    const next = join(directory, 'api.d.ts')
    writeFileSync(next, wanted)
    const before = existsSync(path) ? path : '/dev/null'
    spawnSync('git', ['--no-pager', 'diff', '--no-index', '--no-color', before, next], { stdio: 'inherit' })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
