/**
 * Proves that every requirement has a test: checks each `packages/*\/docs/requirements.md`.
 *
 *     node scripts/requirements.mjs
 *
 * A document names its rows in a line that begins with "Rows:", such as "Rows: R1-R29, A1-A11, A11b", and has a table
 * whose first cell is a row or a feature and whose last names what holds it, as `file.test.ts`: `title`, any number of
 * times; or says "Not held:" and why. Files are those of the package's `test`; `system/file.test.ts` is one of its
 * `system`, and a test of another workspace is named from the top, as `packages/builder/test/build.test.ts`.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const problems = []
let rows = 0

for (const name of readdirSync(join(ROOT, 'packages'))) {
  const directory = join(ROOT, 'packages', name)
  const document = join(directory, 'docs', 'requirements.md')
  if (existsSync(document)) check(name, directory, readFileSync(document, 'utf8'))
}
process.stdout.write(`${rows} requirements, ${problems.length} problems\n`)
for (const problem of problems) process.stdout.write(`${problem}\n`)
process.exitCode = problems.length === 0 && rows > 0 ? 0 : 1

function check(name, directory, markdown) {
  const [, list = ''] = /^Rows: ([^\n]+?)\.?$/m.exec(markdown) ?? []
  const wanted = list.split(/,\s*/).flatMap(expand)
  const table = rowsOf(markdown)
  const known = table.map(({ id }) => id)
  rows += table.length
  const say = (text) => problems.push(`${name}: ${text}`)

  for (const id of wanted) if (!known.includes(id)) say(`${id} has no line`)
  for (const id of new Set(known))
    if (known.filter((each) => each === id).length > 1) say(`${id} has two lines`)

  const sources = sourcesOf(directory)
  for (const { id, held } of table) {
    const tests = [...held.matchAll(/`([\w./-]+\.ts)`: `([^`]+)`/g)]
    if (tests.length === 0 && !/^Not held: .{20}/.test(held)) say(`${id} names no test, and no reason`)
    for (const [, file, title] of tests) {
      const source = sources.get(file) ?? read(join(ROOT, file))
      // The whole of a literal: of a title, or of what an assertion says.
      const isThere = [`'${title}'`, `"${title}"`, `\`${title}\``].some((literal) => source.includes(literal))
      if (!isThere) say(`${id}: ${file} has no ${JSON.stringify(title)}`)
    }
  }

  const letters = [...new Set(wanted.map((id) => id[0]))].join('')
  if (letters === '') return
  const row = `[${letters}]\\d+b?`
  const named = new RegExp(`['"\`]((?:${row}(?:, | to )?)+)(?: (?:CVE|GHSA)-[\\w-]+)?: `, 'g')
  for (const [file, source] of sources) {
    for (const [, names] of source.matchAll(named)) {
      for (const [id] of names.matchAll(new RegExp(row, 'g'))) {
        if (!wanted.includes(id)) say(`${file} names ${id}, which is no requirement`)
      }
    }
  }
}

/** `A1-A3` to `A1`, `A2`, `A3`. */
function expand(range) {
  const [, letter, first, last] = /^([A-Z])(\d+)-\1(\d+)$/.exec(range) ?? []
  if (letter === undefined) return range === '' ? [] : [range]
  return Array.from(
    { length: Number(last) - Number(first) + 1 },
    (_, index) => `${letter}${Number(first) + index}`,
  )
}

/** Lines of tables: the first cell is the row, the last what holds it. */
function rowsOf(markdown) {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (?:---|row |feature )/.test(line))
    .map((line) => line.split(' | '))
    .map((cells) => ({ id: cells[0].slice(2).trim(), held: cells.at(-1).replace(/\s*\|\s*$/, '') }))
}

function sourcesOf(directory) {
  const found = new Map()
  for (const folder of ['test', 'system']) {
    const path = join(directory, folder)
    if (!existsSync(path)) continue
    for (const file of readdirSync(path)) {
      if (file.endsWith('.ts'))
        found.set(folder === 'test' ? file : `${folder}/${file}`, read(join(path, file)))
    }
  }
  return found
}

/** Literals as they read; a quote within one is written with a backslash. */
function read(path) {
  return existsSync(path) ? readFileSync(path, 'utf8').replaceAll(/\\(['"`])/g, '$1') : ''
}
