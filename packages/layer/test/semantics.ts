/**
 * What layers mean: stacks of layers, and the files that must come of them. Walked by the tests of {@link apply}, on
 * disk, and of {@link fromLayers}, in memory.
 *
 * @module
 */
import type { Entry } from '../src/index.ts'
import { directory, file, hardlink, marker, symlink } from './archive.ts'

export interface SemanticCase {
  readonly id: string
  /** Members of each layer in the order of its archive, base first. */
  readonly layers: readonly (readonly Entry[])[]
  /** `path content`, as `names` in disk.ts has it, without the root. */
  readonly files: readonly string[]
  /** The order of members matters, which a tree does not keep. */
  readonly streamOnly?: boolean
}

const opaque = (path: string): Entry => marker(path === '' ? '.wh..wh..opq' : `${path}/.wh..wh..opq`)
const LOWER = [directory('a'), directory('a/b'), directory('a/b/c'), file('a/b/c/bar'), file('a/keep')]

export const SEMANTICS: readonly SemanticCase[] = [
  {
    id: 'T23: without whiteouts a layer is extracted as it is',
    layers: [[directory('d'), file('d/f'), symlink('d/s', 'f'), hardlink('d/h', 'd/f')]],
    files: ['/d dir', '/d/f "d/f"', '/d/h =/d/f', '/d/s -> f'],
  },
  {
    id: 'T24: a directory over a directory keeps what is in it',
    layers: [[directory('d'), file('d/f')], [directory('d', { mode: 0o700 })]],
    files: ['/d dir', '/d/f "d/f"'],
  },
  {
    id: 'T25: a file over a file breaks the hard link, and the other name keeps the old content',
    layers: [[file('a', 'old'), hardlink('b', 'a')], [file('a', 'new')]],
    files: ['/a "new"', '/b "old"'],
  },
  {
    id: 'T25: a file over a symlink does not write through it',
    layers: [[file('target', 'old'), symlink('l', 'target')], [file('l', 'new')]],
    files: ['/l "new"', '/target "old"'],
  },
  {
    id: 'T25: a file over a directory removes the tree',
    layers: [[directory('d'), directory('d/e'), file('d/e/f'), file('d2')], [file('d')]],
    files: ['/d "d"', '/d2 "d2"'],
  },
  {
    id: 'T25: a directory over a symlink to a directory replaces the symlink',
    layers: [
      [directory('real'), file('real/x'), symlink('l', 'real')],
      [directory('l'), file('l/y')],
    ],
    files: ['/l dir', '/l/y "l/y"', '/real dir', '/real/x "real/x"'],
  },
  {
    id: 'T25: a directory over a file, a symlink over a directory, a symlink over a symlink',
    layers: [
      [file('f'), directory('d'), file('d/x'), symlink('l', 'one')],
      [directory('f'), symlink('d', 'f'), symlink('l', 'two')],
    ],
    files: ['/d -> f', '/f dir', '/l -> two'],
  },
  {
    id: 'T25: a hard link over a directory and over a file',
    layers: [
      [directory('d'), file('d/x'), file('f', 'old'), file('t')],
      [hardlink('d', 't'), hardlink('f', 't')],
    ],
    files: ['/d "t"', '/f =/d', '/t =/d'],
  },
  {
    id: 'T33: the example of the specification',
    layers: [
      [file('file1'), directory('a'), file('a/file2'), directory('b'), file('b/file3')],
      [marker('.wh.file1'), marker('a/.wh.file2'), marker('.wh.b'), file('file4')],
    ],
    files: ['/a dir', '/file4 "file4"'],
  },
  {
    id: 'T31, T32: a whiteout hides lower layers only, before the file and after',
    layers: [
      [file('x', 'old'), file('y', 'old')],
      [marker('.wh.x'), file('x', 'new'), file('y', 'new'), marker('.wh.y')],
    ],
    files: ['/x "new"', '/y "new"'],
  },
  {
    id: 'a whiteout that is a directory is still a whiteout',
    layers: [[file('x')], [directory('.wh.x')]],
    files: [],
  },
  {
    id: '.wh. in a component that is not the last is ordinary',
    layers: [[file('etc/some')], [file('.wh.etc/some')]],
    files: ['/.wh.etc dir', '/.wh.etc/some ".wh.etc/some"', '/etc dir', '/etc/some "etc/some"'],
  },
  {
    id: 'T36: an opaque marker hides all siblings of lower layers',
    layers: [
      [directory('bin'), file('bin/old'), directory('bin/sub'), file('bin/sub/x')],
      [directory('bin'), opaque('bin'), file('bin/new')],
    ],
    files: ['/bin dir', '/bin/new "bin/new"'],
  },
  {
    id: 'T37: the explicit form gives the same',
    layers: [
      [directory('bin'), file('bin/old'), directory('bin/sub'), file('bin/sub/x')],
      [directory('bin'), marker('bin/.wh.old'), marker('bin/.wh.sub'), file('bin/new')],
    ],
    files: ['/bin dir', '/bin/new "bin/new"'],
  },
  {
    id: 'an opaque root',
    layers: [
      [file('x'), directory('d'), file('d/y')],
      [opaque(''), file('d/z')],
    ],
    files: ['/d dir', '/d/z "d/z"'],
  },
  ...(['first', 'last'] as const).flatMap((where) =>
    [true, false].map((parents) => {
      const above = parents ? [directory('a'), directory('a/b'), directory('a/b/c')] : []
      const written = [...above, file('a/b/c/foo')]
      return {
        id: `T39, D2: an opaque a/, its marker ${where}, ${parents ? 'with' : 'without'} the directories between`,
        layers: [LOWER, where === 'first' ? [opaque('a'), ...written] : [...written, opaque('a')]],
        files: ['/a dir', '/a/b dir', '/a/b/c dir', '/a/b/c/foo "a/b/c/foo"'],
      }
    }),
  ),
  {
    id: 'D1: a/x, then a/.wh.x, in one layer',
    layers: [[file('a/x', 'old')], [directory('a'), file('a/x', 'new'), marker('a/.wh.x')]],
    files: ['/a dir', '/a/x "new"'],
  },
  {
    id: 'D3: .wh.foo and foo/.wh.bar',
    layers: [
      [directory('foo'), file('foo/bar')],
      [marker('.wh.foo'), marker('foo/.wh.bar')],
    ],
    files: [],
  },
  {
    id: 'D4: a whiteout in a directory that is absent',
    layers: [[file('a')], [marker('zz/.wh.q')]],
    files: ['/a "a"'],
  },
  { id: 'D4: an opaque marker in one', layers: [[file('a')], [opaque('zz')]], files: ['/a "a"'] },
  {
    id: 'D5: a directory emptied by whiteouts',
    layers: [
      [directory('d'), file('d/x'), file('d/y')],
      [directory('d'), marker('d/.wh.x'), marker('d/.wh.y')],
    ],
    files: ['/d dir'],
  },
  {
    id: 'D6: .wh.foo leaves its neighbours',
    layers: [[directory('foo'), file('foo/x'), file('foo-1'), file('foo.d')], [marker('.wh.foo')]],
    files: ['/foo-1 "foo-1"', '/foo.d "foo.d"'],
  },
  {
    id: 'T32: a whiteout of a directory, and new files in it, in both orders',
    layers: [
      [directory('d'), file('d/x'), directory('e'), file('e/x')],
      [marker('.wh.d'), file('d/new'), file('e/new'), marker('.wh.e')],
    ],
    files: ['/d dir', '/d/new "d/new"', '/e dir', '/e/new "e/new"'],
  },
  {
    id: 'D14: the target of a link is deleted later, or overwritten',
    layers: [
      [file('a', '1'), hardlink('b', 'a'), file('c', '2'), hardlink('d', 'c')],
      [marker('.wh.a'), file('c', 'new')],
    ],
    files: ['/b "1"', '/c "new"', '/d "2"'],
  },
  {
    id: 'D14: a hard link before its target',
    layers: [[hardlink('a', 'z'), hardlink('b', 'a'), file('z', 'content')]],
    files: ['/a "content"', '/b =/a', '/z =/a'],
  },
  {
    id: 'D14: a single layer with an opaque marker',
    layers: [[directory('d'), opaque('d'), file('d/x')]],
    files: ['/d dir', '/d/x "d/x"'],
  },
  {
    id: 'D22: a hard link to a symlink stays a symlink',
    layers: [[symlink('s', 'nowhere'), hardlink('t', 's', { mode: 0o777, mtime: 5 })]],
    files: ['/s -> nowhere', '/t =/s'],
  },
  {
    id: 'a hard link to a file of a lower layer',
    layers: [[file('a')], [hardlink('b', 'a')]],
    files: ['/a "a"', '/b =/a'],
  },
  { id: 'a hard link to itself', layers: [[file('a')], [hardlink('a', 'a')]], files: ['/a "a"'] },
  {
    id: 'A12: names that differ on Linux only',
    layers: [
      [
        directory('a'),
        symlink('A', 'nowhere'),
        file('a/f'),
        file('ﬀ'),
        file('FF'),
        file('\u00E9'),
        file('e\u0301'),
      ],
    ],
    files: [
      '/A -> nowhere',
      '/FF "FF"',
      '/a dir',
      '/a/f "a/f"',
      '/e\u0301 "e\u0301"',
      '/\u00E9 "\u00E9"',
      '/ﬀ "ﬀ"',
    ].map((line) => Buffer.from(line).toString('latin1')),
  },
  {
    id: 'A15: a parent that is an absolute symlink of a lower layer',
    layers: [
      [symlink('var/run', '/run')],
      [file('var/run/x/y'), file('var/run/source'), hardlink('var/run/link', 'var/run/source')],
    ],
    files: [
      '/run dir',
      '/run/link "var/run/source"',
      '/run/source =/run/link',
      '/run/x dir',
      '/run/x/y "var/run/x/y"',
      '/var dir',
      '/var/run -> /run',
    ],
  },
  {
    id: 'A16: a file over a symlink of a lower layer, and an absolute target kept as it is',
    layers: [
      [symlink('usr/bin/env', '/bin/busybox')],
      [file('usr/bin/env'), symlink('etc/awk', '/usr/bin/mawk')],
    ],
    files: [
      '/etc dir',
      '/etc/awk -> /usr/bin/mawk',
      '/usr dir',
      '/usr/bin dir',
      '/usr/bin/env "usr/bin/env"',
    ],
  },
  {
    id: 'D17: an entry whose parents have none',
    layers: [[directory('etc/dnf'), file('etc/dnf/dnf.conf')]],
    files: ['/etc dir', '/etc/dnf dir', '/etc/dnf/dnf.conf "etc/dnf/dnf.conf"'],
  },
  {
    id: 'T25: an entry below a file replaces it by a directory',
    layers: [[file('a'), symlink('l', 'a')], [file('a/x')], [file('l/y')]],
    files: ['/a dir', '/a/x "a/x"', '/a/y "l/y"', '/l -> a'],
  },
  {
    id: 'A3, A4: symlinks that point out are followed inside',
    layers: [
      [symlink('l', '../V'), directory('inner'), symlink('inner/up', '..')],
      [file('l/f'), file('l/new/f'), symlink('inner/up/escape', '../V'), file('inner/up/escape/g')],
    ],
    files: [
      '/V dir',
      '/V/f "l/f"',
      '/V/g "inner/up/escape/g"',
      '/V/new dir',
      '/V/new/f "l/new/f"',
      '/escape -> ../V',
      '/inner dir',
      '/inner/up -> ..',
      '/l -> ../V',
    ],
  },
  {
    id: 'A13: whiteouts below a symlink are scoped inside',
    layers: [
      [symlink('l', '../V'), file('V/f'), file('V/g'), symlink('m', '/W'), file('W/f')],
      [marker('l/.wh.f'), opaque('m')],
    ],
    files: ['/V dir', '/V/g "V/g"', '/W dir', '/l -> ../V', '/m -> /W'],
  },
  {
    id: 'a whiteout removes a symlink and not what it points to',
    layers: [
      [file('f'), symlink('l', 'f'), directory('d'), symlink('e', 'd'), file('d/x')],
      [marker('.wh.l'), marker('.wh.e')],
    ],
    files: ['/d dir', '/d/x "d/x"', '/f "f"'],
  },
  {
    id: 'A11b CVE-2025-47290: a directory replaced by a symlink within a layer',
    layers: [[directory('a'), file('a/x'), symlink('a', '/V'), file('a/y')]],
    files: ['/V dir', '/V/y "a/y"', '/a -> /V'],
    streamOnly: true,
  },
  {
    id: 'A11b: a symlinked parent replaced by a directory within a layer',
    layers: [[directory('r'), symlink('a', 'r'), file('a/x'), directory('a'), file('a/y')]],
    files: ['/a dir', '/a/y "a/y"', '/r dir', '/r/x "a/x"'],
    streamOnly: true,
  },
  {
    id: 'a file written twice, and then hidden',
    layers: [[file('a', '0')], [file('a', '1'), file('a', '2'), marker('.wh.a')]],
    files: ['/a "2"'],
    streamOnly: true,
  },
  {
    id: 'an opaque marker keeps what the layer wrote through a symlink before',
    layers: [
      [directory('d'), file('d/old'), symlink('A', 'd'), directory('d/x', { mode: 0o700 }), file('d/x/old')],
      [file('A/x/y'), marker('d/.wh..wh..opq')],
    ],
    files: ['/A -> d', '/d dir', '/d/x dir', '/d/x/y "A/x/y"'],
  },
  {
    id: 'many markers, above and below each other',
    layers: [
      [file('a/b/c/d'), file('a/b/x'), file('a/y')],
      [
        opaque('a/b/c'),
        file('a/b/c/n'),
        opaque('a'),
        opaque('a/b'),
        marker('.wh.a'),
        marker('a/.wh.y'),
        file('a/z'),
      ],
    ],
    files: ['/a dir', '/a/b dir', '/a/b/c dir', '/a/b/c/n "a/b/c/n"', '/a/z "a/z"'],
  },
]
