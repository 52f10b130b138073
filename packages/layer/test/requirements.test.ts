/**
 * The table in docs/requirements.md names a test for every row of the requirements, and the tests are there.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const range = (letter: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`)

/** What image-spec requires (T); escapes (A); malformed input (B); exhaustion (C); semantics (D). */
const ROWS: readonly string[] = [
  ...range('T', 40),
  ...range('A', 11),
  'A11b',
  ...range('A', 18).slice(11),
  ...range('B', 24),
  ...range('C', 8),
  ...range('D', 24),
]

const directory = new URL('.', import.meta.url)
const sources = new Map(
  readdirSync(directory)
    .filter((name) => name.endsWith('.ts') && name !== 'requirements.test.ts')
    .map((name) => [name, unescaped(readFileSync(new URL(name, directory), 'utf8'))]),
)
const table = readFileSync(new URL('../docs/requirements.md', import.meta.url), 'utf8')

/** Literals as they read; a quote within one is written with a backslash. */
function unescaped(source: string): string {
  return source.replaceAll(/\\(['"`])/g, '$1')
}

interface Row {
  readonly id: string
  readonly held: string
}

/** Lines of a table: the first cell is the row, the last what holds it. */
function rows(markdown: string): Row[] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
    .map((line) => line.split(' | '))
    .map((cells) => ({ id: cells[0]!.slice(2).trim(), held: cells.at(-1)!.replace(/\s*\|\s*$/, '') }))
    .filter(({ id }) => id !== 'row' && id !== 'feature')
}

/** `file`: `title`, as often as needed. */
function tests({ held }: Row): { readonly file: string; readonly title: string }[] {
  return [...held.matchAll(/`([\w.-]+\.ts)`: `([^`]+)`/g)].map(([, file, title]) => ({
    file: file!,
    title: title!,
  }))
}

const found = rows(table)

t.test('every row has one line in the table', async (t) => {
  const ids = found.map(({ id }) => id)
  t.strictSame(
    ids.filter((id) => /^[TABCD]\d/.test(id)),
    ROWS,
  )
  t.equal(new Set(ids).size, ids.length, 'and every feature')
})

t.test('every line names a test that is there, or says why there is none', async (t) => {
  for (const row of found) {
    const named = tests(row)
    if (named.length === 0) t.match(row.held, /^Not held: .{20}/, row.id)
    for (const { file, title } of named) {
      const source = sources.get(file) ?? ''
      // The whole of a literal: of a title, or of what an assertion says.
      const there = [`'${title}'`, `"${title}"`, `\`${title}\``].some((literal) => source.includes(literal))
      t.ok(there, `${row.id}: ${file}: ${title}`)
    }
  }
})

t.test('tests name no rows that do not exist', async (t) => {
  for (const [file, source] of sources) {
    for (const [, names] of source.matchAll(
      /['"`]((?:[TABCD]\d+b?(?:, | to )?)+)(?: (?:CVE|GHSA)-[\w-]+)?: /g,
    )) {
      for (const id of names!.match(/[TABCD]\d+b?/g) ?? []) t.ok(ROWS.includes(id), `${file}: ${id}`)
    }
  }
})
