import t from 'tap'
import { chompHeredoc, findHeredocs, parseHeredocMarker, splitRawWords } from '../src/dockerfile/heredoc.ts'
import type { CopyInstruction, RunInstruction } from '../src/dockerfile/instruction.ts'
import { parseDockerfile, parseInstruction } from '../src/dockerfile/parse.ts'

function parseOnly(text: string): CopyInstruction | RunInstruction {
  return parseInstruction(text) as CopyInstruction | RunInstruction
}

const plain = { expand: true, chomp: false, fd: 0 }

/** Data of TestParseExtractsHeredoc in BuildKit's frontend/dockerfile/parser/parser_heredoc_test.go. */
const RUNS: ReadonlyArray<readonly [text: string, heredocs: readonly object[]]> = [
  ['RUN <<EMPTY\nEMPTY', [{ ...plain, name: 'EMPTY', data: '' }]],
  ['RUN 3<<EMPTY2\nEMPTY2', [{ ...plain, name: 'EMPTY2', data: '', fd: 3 }]],
  ['RUN "<<NOHEREDOC"', []],
  ['RUN <<INDENT\n\tfoo\n\tbar\nINDENT', [{ ...plain, name: 'INDENT', data: '\tfoo\n\tbar\n' }]],
  ['RUN <<-UN\n\tbaz\n\tquux\nUN', [{ ...plain, name: 'UN', data: '\tbaz\n\tquux\n', chomp: true }]],
  ['RUN <<-UN\n\tbaz\n\tquux\n\tUN', [{ ...plain, name: 'UN', data: '\tbaz\n\tquux\n', chomp: true }]],
  [
    'RUN <<-EXPAND\n\texpand $NAME\nEXPAND',
    [{ ...plain, name: 'EXPAND', data: '\texpand $NAME\n', chomp: true }],
  ],
  [
    "RUN <<-'NO'\n\tdon't $NAME\nNO",
    [{ name: 'NO', data: "\tdon't $NAME\n", expand: false, chomp: true, fd: 0 }],
  ],
  [
    'RUN <<COPY\necho hello world\necho foo bar\nCOPY',
    [{ ...plain, name: 'COPY', data: 'echo hello world\necho foo bar\n' }],
  ],
  [
    'RUN <<C\n# internal comment\necho # trailing\nC',
    [{ ...plain, name: 'C', data: '# internal comment\necho # trailing\n' }],
  ],
  ['RUN --mount=type=cache,target=/foo <<M\necho hello\nM', [{ ...plain, name: 'M', data: 'echo hello\n' }]],
  [
    "RUN <<COMPLEX python3\nprint('hello world')\nCOMPLEX",
    [{ ...plain, name: 'COMPLEX', data: "print('hello world')\n" }],
  ],
  ["RUN <<eo'f'\necho foo\neof", [{ ...plain, name: 'eof', data: 'echo foo\n', expand: false }]],
  ["RUN <<eo\\'f\necho foo\neo'f", [{ ...plain, name: "eo'f", data: 'echo foo\n' }]],
  ["RUN <<'e'o\\'f\necho foo\neo'f", [{ ...plain, name: "eo'f", data: 'echo foo\n', expand: false }]],
  ["RUN <<'one two'\necho bar\none two", [{ ...plain, name: 'one two', data: 'echo bar\n', expand: false }]],
  ['RUN <<$EOF\n$EOF', [{ ...plain, name: '$EOF', data: '' }]],
  ['RUN <<  EOF\nEOF', [{ ...plain, name: 'EOF', data: '' }]],
  ['RUN <<  EOF  > foo\nEOF', [{ ...plain, name: 'EOF', data: '' }]],
  ['RUN ls', []],
  ['RUN ["whoami"]', []],
  ['RUN ["<<EOF"]', []],
  ['RUN ["<<\'EOF\'"]', []],
]

t.test('the heredocs of RUN are those BuildKit finds', (t) => {
  for (const [text, heredocs] of RUNS) {
    t.same((parseOnly(text) as RunInstruction).heredocs, heredocs, JSON.stringify(text))
  }
  t.end()
})

t.test('only RUN, COPY and ADD have heredocs', (t) => {
  t.throws(() => parseDockerfile('FROM a\nUSER <<INVALID\nINVALID\n'), {
    message: 'Dockerfile:3: unknown instruction: "INVALID"',
  })
  t.end()
})

t.test('words are markers as in the helper tests of BuildKit', (t) => {
  // Data of TestParseHeredocHelpers and TestHeredocsFromLine in the same file.
  for (const word of [
    '<<EOF',
    "<<'EOF'",
    '<<"EOF"',
    '<<-EOF',
    "<<-'EOF'",
    '<<-"EOF"',
    '<<EO"F"',
    '<< EOF',
    '<<- EOF',
  ]) {
    t.equal(parseHeredocMarker(word)?.name, 'EOF', word)
  }
  for (const word of [
    '',
    'EOF',
    '<<',
    '<<-',
    '<EOF',
    '<<<EOF',
    '<<EOF sh',
    "<<'EOF",
    '<<"EOF',
    "<<EOF'",
    '<<EOF"',
  ]) {
    t.equal(parseHeredocMarker(word), undefined, word)
  }
  for (const [line, names] of [
    ['<<EOF', ['EOF']],
    ['<<- EOF', ['EOF']],
    ['<< -EOF', ['-EOF']],
    ['4<<EOF', ['EOF']],
    ['<<EOF <<EOF2', ['EOF', 'EOF2']],
    ["'<<EOF'", []],
    ['"<<EOF"', []],
    ["echo '<<EOF'", []],
    ['echo $((1<<2))', []],
    ["it's <<EOF", []],
    ['cat <<< EOF', []],
    ['a\\ <<EOF', []],
    ['echo \\" <<EOF', ['EOF']],
    ['<<', []],
    ['<<-', []],
    ['<<  ', []],
  ] as const) {
    t.same(
      findHeredocs(line).map(({ name }) => name),
      names,
      line,
    )
  }
  t.match(parseHeredocMarker('<<"a\\"b\\c"'), { name: 'a"b\\c', expand: false })
  t.same(splitRawWords('a "b c" \\ d <<-  \'E F\' e'), ['a', '"b c"', '\\ d', "<<-  'E F'", 'e'])
  t.end()
})

t.test('chomping removes leading tabs only', (t) => {
  t.equal(chompHeredoc('\thello\n\tworld\n'), 'hello\nworld\n')
  t.equal(chompHeredoc('\t\ta\tb\n  \tc\n\n\td'), 'a\tb\n  \tc\n\nd')
  t.end()
})

/** Data of TestCopyHeredoc in BuildKit's frontend/dockerfile/instructions/parse_heredoc_test.go. */
const COPIES: ReadonlyArray<readonly [text: string, sources: readonly string[], inline: readonly object[]]> =
  [
    ['COPY /foo /bar', ['/foo'], []],
    ['COPY <<EOF /bar\nEOF', [], [{ name: 'EOF', data: '', expand: true }]],
    ['COPY <<EOF /bar\nTESTING\nEOF', [], [{ name: 'EOF', data: 'TESTING\n', expand: true }]],
    ['COPY <<-EOF /bar\n\tTESTING\nEOF', [], [{ name: 'EOF', data: 'TESTING\n', expand: true }]],
    ["COPY <<'EOF' /bar\nTESTING\nEOF", [], [{ name: 'EOF', data: 'TESTING\n', expand: false }]],
    [
      'COPY <<EOF1 <<EOF2 /bar\nthis is the first file\nEOF1\nthis is the second file\nEOF2',
      [],
      [
        { name: 'EOF1', data: 'this is the first file\n', expand: true },
        { name: 'EOF2', data: 'this is the second file\n', expand: true },
      ],
    ],
    [
      'COPY <<EOF foo.txt /bar\nthis is inline\nEOF',
      ['foo.txt'],
      [{ name: 'EOF', data: 'this is inline\n', expand: true }],
    ],
    ['COPY <<EOF /bar\n"quotes"\nEOF', [], [{ name: 'EOF', data: '"quotes"\n', expand: true }]],
    [
      'COPY <<X <<Y /bar\nY\nX\nX\nY',
      [],
      [
        { name: 'X', data: 'Y\n', expand: true },
        { name: 'Y', data: 'X\n', expand: true },
      ],
    ],
    [
      'ADD <<file.txt /bar\nhello world\nfile.txt',
      [],
      [{ name: 'file.txt', data: 'hello world\n', expand: true }],
    ],
    ['COPY <<  EOF /bar\na\nEOF', [], [{ name: 'EOF', data: 'a\n', expand: true }]],
    ['COPY <<"one two" /bar\na\none two', [], [{ name: 'one two', data: 'a\n', expand: false }]],
    ['COPY --chmod=755 <<EOF /bar\na\nEOF', [], [{ name: 'EOF', data: 'a\n', expand: true }]],
    [
      'COPY <<EOF <<EOF /bar\n1\nEOF\n2\nEOF',
      [],
      [
        { name: 'EOF', data: '1\n', expand: true },
        { name: 'EOF', data: '2\n', expand: true },
      ],
    ],
  ]

t.test('heredocs are sources of COPY and ADD', (t) => {
  for (const [text, sources, inline] of COPIES) {
    const copy = parseOnly(text) as CopyInstruction
    t.same(copy.sources, sources, JSON.stringify(text))
    t.same(copy.inline, inline, JSON.stringify(text))
    t.equal(copy.destination, '/bar')
  }
  t.end()
})

t.test('a RUN keeps its command line beside its heredocs', (t) => {
  // Data of TestRunHeredoc in the same file.
  for (const [text, form, command] of [
    ['RUN ["ls", "/"]', 'exec', ['ls', '/']],
    ['RUN ["<<EOF"]', 'exec', ['<<EOF']],
    ['RUN ls /', 'shell', ['ls /']],
    ['RUN <<EOF\nls /\nwhoami\nEOF', 'shell', ['<<EOF']],
    ['RUN <<\'EOF\' | python\nprint("hello")\nEOF', 'shell', ["<<'EOF' | python"]],
    ['RUN <<-EOF\n\techo test\nEOF', 'shell', ['<<-EOF']],
  ] as const) {
    const run = parseOnly(text) as RunInstruction
    t.equal(run.form, form, JSON.stringify(text))
    t.same(run.command, command, JSON.stringify(text))
  }
  t.end()
})

t.test('a heredoc is no destination', (t) => {
  t.throws(() => parseOnly('COPY /foo <<EOF\nEOF'), {
    message: /COPY cannot accept a heredoc as a destination/,
  })
  t.end()
})

t.test('a heredoc that does not end is an error at its instruction', (t) => {
  t.throws(() => parseDockerfile('FROM a\n\nRUN <<EOF\necho\n  EOF\n'), {
    code: 'ERR_BUILDER_DOCKERFILE',
    message: 'Dockerfile:3: unterminated heredoc: no line "EOF" follows',
    instruction: 'RUN <<EOF',
  })
  t.end()
})

t.test('bodies keep their line ends, and instructions go on after them', (t) => {
  const { stages } = parseDockerfile('FROM a\r\nRUN <<EOF cat \\\r\n  -\r\nx\r\n\r\nEOF\r\nUSER b\r\n')
  const [run, user] = stages[0]!.instructions
  t.same((run as RunInstruction).heredocs[0]?.data, 'x\r\n\r\n')
  t.same((run as RunInstruction).command, ['<<EOF cat   -'])
  t.equal(run?.endLine, 6)
  t.equal(user?.location.line, 7)
  t.end()
})

t.test('heredocs work through ONBUILD, and the trigger parses again', (t) => {
  const text = 'FROM a\nONBUILD COPY <<A <<-\'B\' /d\n1\nA\n\t2\nB\nONBUILD RUN ["<<X"]\n'
  const [onbuild, second] = parseDockerfile(text).stages[0]!.instructions
  const trigger = "COPY <<A <<-'B' /d\n1\nA\n\t2\nB"
  const inline = [
    { name: 'A', data: '1\n', expand: true },
    { name: 'B', data: '2\n', expand: false },
  ]
  t.match(onbuild, { kind: 'onbuild', trigger, instruction: { kind: 'copy', inline, destination: '/d' } })
  t.match(second, { kind: 'onbuild', trigger: 'RUN ["<<X"]' })
  t.match(parseInstruction(trigger), { kind: 'copy', inline, destination: '/d' })
  t.end()
})
