// Names each failed assertion of a log of TAP, with its place and how what it found differs:
//
//   node scripts/failures.mjs LOG
//
// turbo mixes the lines of several packages, each with a prefix. A test around a failed assertion fails too; it is named
// only if nothing in it was.
import { readFileSync } from 'node:fs'

const MOST_FAILURES = 12
const MOST_DIFF_LINES = 10

/** The last failure of each package. Its `inDiff` is how deep its diff stands while that goes on, else -1. */
const open = new Map()
const failures = []

for (const raw of readFileSync(process.argv[2], 'utf8').split('\n')) {
  const [, task, indent, text] = /^(\S+:test\S*: |)( *)([^]*)$/.exec(raw)
  const failed = /^not ok \d+(?: - )?(.*)$/.exec(text)
  const last = open.get(task)
  if (failed !== null) {
    if (/# (?:skip|todo)\b/i.test(text)) continue
    const next = {
      depth: indent.length,
      title: task + failed[1].slice(0, 160),
      place: [],
      diff: [],
      inDiff: -1,
    }
    open.set(task, next)
    if (last === undefined || next.depth >= last.depth) failures.push(next)
  } else if (last !== undefined) {
    if (indent.length <= last.inDiff && text !== '') last.inDiff = -1
    const place = /^(?:fileName|lineNumber): (.*)$/.exec(text)
    if (place !== null && last.place.length < 2) last.place.push(place[1])
    else if (text === 'diff: |') last.inDiff = indent.length
    else if (last.inDiff >= 0 && /^[-+] *[^-+ ]/.test(text) && last.diff.length < MOST_DIFF_LINES)
      last.diff.push(`    ${text.slice(0, 160)}`)
  }
}
const named = failures
  .slice(0, MOST_FAILURES)
  .flatMap(({ title, place, diff }) => [`failed: ${title} (${place.join(':')})`, ...diff])
if (failures.length > MOST_FAILURES) named.push(`… and ${failures.length - MOST_FAILURES} more`)
process.stdout.write(named.map((line) => `${line}\n`).join(''))
