/**
 * The transpiler of tests on Node 20: TypeScript's own, each file once.
 *
 * Every test file is a process of its own, and every process transpiled all that it imports: two thirds of the time of
 * the tests of `registry` (measured). What comes of a file is kept under what it depends on, so nothing has to be
 * cleared. Node 22 and later strip types themselves, and do not come here.
 *
 * ts-node calls it, as `tsconfig.base.json` says; the interface is "Third-party transpilers" of its documentation.
 */
const { createHash, randomUUID } = require('node:crypto')
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')
const ts = require('typescript')

const CACHE = join(__dirname, '..', 'node_modules', '.cache', 'transpiled')

/** All of our modules are ES modules. */
exports.create = ({ service }) => {
  const compilerOptions = { ...service.config.options, module: ts.ModuleKind.ESNext }
  const circumstances = JSON.stringify([ts.version, compilerOptions])
  return {
    transpile(input, { fileName }) {
      const key = createHash('sha256')
        .update(JSON.stringify([circumstances, fileName, input]))
        .digest('hex')
      const path = join(CACHE, key)
      const kept = read(path)
      if (kept !== undefined) return kept
      const { outputText, sourceMapText, diagnostics } = ts.transpileModule(input, {
        fileName,
        compilerOptions,
      })
      const output = { outputText, sourceMapText }
      // What is wrong is to be said each time.
      if (diagnostics === undefined || diagnostics.length === 0) write(path, output)
      return { ...output, diagnostics }
    },
  }
}

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    // Not there, or cut off: made again.
    return undefined
  }
}

/** Many processes write the same file. */
function write(path, output) {
  mkdirSync(CACHE, { recursive: true })
  const temporary = `${path}.${randomUUID()}`
  writeFileSync(temporary, JSON.stringify(output))
  renameSync(temporary, path)
}
