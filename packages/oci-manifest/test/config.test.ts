import * as fc from 'fast-check'
import t from 'tap'
import {
  MEDIA_TYPE_DOCKER_CONFIG,
  MEDIA_TYPE_OCI_CONFIG,
  MEDIA_TYPE_OCI_EMPTY,
  OciManifestError,
  parseConfig,
} from '../src/index.ts'
import { utf8 } from './fixtures/content.ts'

const DIFF_ID = `sha256:${'c'.repeat(64)}`
const INVALID = 'ERR_OCI_MANIFEST_INVALID'
const MINIMAL = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [DIFF_ID] } }

const parse = (object: object): ReturnType<typeof parseConfig> => parseConfig(utf8(JSON.stringify(object)))

const FULL = {
  created: '2015-10-31T22:22:56.015925234Z',
  author: 'Alyssa P. Hacker',
  architecture: 'arm64',
  os: 'linux',
  'os.version': '1',
  'os.features': ['x'],
  variant: 'v8',
  config: {
    User: 'alice',
    ExposedPorts: { '8080/tcp': {}, 80: {} },
    Env: ['PATH=/bin'],
    Entrypoint: ['/bin/app'],
    Cmd: ['--foreground'],
    Volumes: { '/var/log': {} },
    WorkingDir: '/home/alice',
    Labels: { 'com.example.key': 'value' },
    StopSignal: 'SIGKILL',
    ArgsEscaped: true,
    Healthcheck: {
      Test: ['CMD', 'true'],
      Interval: 1,
      Timeout: 2,
      StartPeriod: 3,
      StartInterval: 4,
      Retries: 5,
    },
    Shell: ['/bin/sh', '-c'],
    OnBuild: ['RUN true'],
  },
  rootfs: { type: 'layers', diff_ids: [DIFF_ID] },
  history: [
    {
      created: '2015-10-31T22:22:54+01:00',
      created_by: 'ADD',
      author: 'a',
      comment: 'c',
      empty_layer: false,
    },
    { created_by: 'CMD', empty_layer: true },
  ],
}

t.test('every field of the specification, and Docker’s, is in the view', async (t) => {
  const parsed = parse({ ...FULL, container: 'gone', config: { ...FULL.config, Hostname: '' } })
  t.same(parsed.value, FULL)
  t.equal(parsed.descriptor.mediaType, MEDIA_TYPE_OCI_CONFIG)
  t.equal(
    parseConfig(parsed.bytes, { mediaType: MEDIA_TYPE_DOCKER_CONFIG }).descriptor.mediaType,
    MEDIA_TYPE_DOCKER_CONFIG,
  )
})

t.test('optional fields may be null, and then are absent', async (t) => {
  const nulls = Object.fromEntries(Object.keys(FULL).map((key) => [key, null]))
  t.same(parse({ ...nulls, ...MINIMAL }).value, MINIMAL)
  const config = Object.fromEntries(Object.keys(FULL.config).map((key) => [key, null]))
  t.same(parse({ ...MINIMAL, config }).value.config, {})
  t.same(parse({ ...MINIMAL, config: { Labels: { a: null }, Volumes: { '/a': null } } }).value.config, {
    Labels: { a: '' },
    Volumes: { '/a': {} },
  })
})

t.test('an image without layers may leave out diff_ids', async (t) => {
  for (const rootfs of [
    { type: 'layers' },
    { type: 'layers', diff_ids: null },
    { type: 'layers', diff_ids: [] },
  ]) {
    t.same(parse({ ...MINIMAL, rootfs }).value.rootfs, { type: 'layers', diff_ids: [] })
  }
})

t.test('S7 S10 S12 S14 configs that are wrong are refused', async (t) => {
  const rejected: readonly (readonly [why: string, object: object, at: string])[] = [
    ['no architecture', { ...MINIMAL, architecture: undefined }, 'architecture'],
    ['no os', { ...MINIMAL, os: null }, 'os'],
    ['no rootfs', { ...MINIMAL, rootfs: undefined }, 'rootfs'],
    ['another rootfs', { ...MINIMAL, rootfs: { type: 'layers+base', diff_ids: [] } }, 'rootfs.type'],
    [
      'S8 a bad diffID',
      { ...MINIMAL, rootfs: { type: 'layers', diff_ids: ['sha256:../x'] } },
      'rootfs.diff_ids[0]',
    ],
    ['S7 layers', { ...MINIMAL, layers: [] }, 'layers'],
    ['S7 manifests', { ...MINIMAL, manifests: null }, 'manifests'],
    ['S7 fsLayers', { ...MINIMAL, fsLayers: [] }, 'fsLayers'],
    ['S12 another case', { ...MINIMAL, RootFS: {} }, 'RootFS'],
    ['S12 another case within', { ...MINIMAL, config: { env: [] } }, 'config.env'],
    ['S12 a Kelvin sign', { ...MINIMAL, config: { 'Wor\u212aingDir': '/' } }, 'config["Wor\u212aingDir"]'],
    ['S12 in rootfs', { ...MINIMAL, rootfs: { ...MINIMAL.rootfs, Diff_IDs: [] } }, 'rootfs.Diff_IDs'],
    ['S12 in history', { ...MINIMAL, history: [{ Empty_Layer: true }] }, 'history[0].Empty_Layer'],
    [
      'S12 in a health check',
      { ...MINIMAL, config: { Healthcheck: { test: [] } } },
      'config.Healthcheck.test',
    ],
    [
      'S14 a fraction',
      { ...MINIMAL, config: { Healthcheck: { Interval: 1.5 } } },
      'config.Healthcheck.Interval',
    ],
    [
      'S14 a negative number',
      { ...MINIMAL, config: { Healthcheck: { Retries: -1 } } },
      'config.Healthcheck.Retries',
    ],
    ['Env as an object', { ...MINIMAL, config: { Env: {} } }, 'config.Env'],
    ['Cmd as text', { ...MINIMAL, config: { Cmd: 'sh' } }, 'config.Cmd'],
    ['Env with a null', { ...MINIMAL, config: { Env: [null] } }, 'config.Env[0]'],
    ['Labels as a list', { ...MINIMAL, config: { Labels: ['a'] } }, 'config.Labels'],
    [
      'a port that is text',
      { ...MINIMAL, config: { ExposedPorts: { '80/tcp': 'x' } } },
      'config.ExposedPorts["80/tcp"]',
    ],
    ['User as a number', { ...MINIMAL, config: { User: 0 } }, 'config.User'],
    ['ArgsEscaped as text', { ...MINIMAL, config: { ArgsEscaped: 'true' } }, 'config.ArgsEscaped'],
    ['history as an object', { ...MINIMAL, history: {} }, 'history'],
    ['a history entry that is text', { ...MINIMAL, history: ['x'] }, 'history[0]'],
    ['created that is no time', { ...MINIMAL, created: 'yesterday' }, 'created'],
    ['created of a day that is not', { ...MINIMAL, created: '2023-02-29T00:00:00Z' }, 'created'],
    ['created without a zone', { ...MINIMAL, created: '2024-01-01T00:00:00' }, 'created'],
    ['created at 24:00', { ...MINIMAL, created: '2024-01-01T24:00:00Z' }, 'created'],
    ['created in history', { ...MINIMAL, history: [{ created: '' }] }, 'history[0].created'],
  ]
  for (const [why, object, at] of rejected) {
    t.throws(() => parse(object), { name: 'OciManifestError', code: INVALID, at }, why)
  }
  const duplicate = `{"architecture":"a","os":"b","rootfs":{"type":"layers"},"config":{"Labels":{"x":"1","x":"2"}}}`
  t.throws(
    () => parseConfig(utf8(duplicate)),
    { code: INVALID, at: 'config.Labels.x' },
    'S12 a duplicate label',
  )
  t.throws(
    () => parseConfig(utf8('{}'), { mediaType: MEDIA_TYPE_OCI_EMPTY }),
    { code: INVALID },
    'another type',
  )
  t.throws(
    () => parseConfig(utf8(JSON.stringify({ ...MINIMAL, history: [{}, {}] })), { maxEntries: 1 }),
    { code: 'ERR_OCI_MANIFEST_LIMIT', at: 'history' },
    'S10 too much history',
  )
})

t.test('S12 S13 labels, ports and volumes have free keys', async (t) => {
  const config = {
    Labels: { a: '1', A: '2', env: 'x' },
    ExposedPorts: { '80': {}, '80/TCP': {} },
    Volumes: { '/a': {}, '/A': {} },
  }
  const text = JSON.stringify({ ...MINIMAL, config }).replace('"env"', '"__proto__"')
  const { value } = parseConfig(utf8(text))
  t.strictSame(Object.keys(value.config?.Labels ?? {}), ['a', 'A', '__proto__'])
  t.strictSame(Object.keys(value.config?.Volumes ?? {}), ['/a', '/A'])
})

t.test('parseConfig throws nothing but its own error', async (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.keys(FULL)),
      fc.constantFrom(...Object.keys(FULL.config)),
      fc.jsonValue(),
      (key, inner, value) => {
        for (const object of [
          { ...FULL, [key]: value },
          { ...FULL, config: { ...FULL.config, [inner]: value } },
        ]) {
          try {
            parse(object)
          } catch (error) {
            if (!(error instanceof OciManifestError)) throw error
          }
        }
      },
    ),
    { numRuns: 1000 },
  )
  t.pass()
})
