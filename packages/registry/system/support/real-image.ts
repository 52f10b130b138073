/**
 * An image that every program can unpack: two layers with a file each.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { digestOf } from '@varve/digest'
import { content, type Image, json, OCI_MANIFEST } from '../../test/server-fixtures.ts'

const CREATED = '2020-01-01T00:00:00Z'

/** Makes one; `text` is in its files, so that images with other texts have other layers. Needs `tar`. */
export function realImage(directory: string, text: string): Image {
  const tars = ['first', 'second'].map((name) => tarOf(join(directory, text), name, text))
  const layers = tars.map((tar) => content(gzipSync(tar), 'application/vnd.oci.image.layer.v1.tar+gzip'))
  const config = content(
    json({
      created: CREATED,
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/first'], Labels: { text } },
      rootfs: { type: 'layers', diff_ids: tars.map((tar) => digestOf(tar)) },
      history: tars.map((_, at) => ({ created: CREATED, created_by: `layer ${at}` })),
    }),
    'application/vnd.oci.image.config.v1+json',
  )
  const blobs = [config, ...layers]
  const manifest = json({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
  })
  return { ...content(manifest, OCI_MANIFEST), blobs }
}

function tarOf(directory: string, name: string, text: string): Buffer {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, name), `${text} ${name}\n`.repeat(1000))
  const normal = ['--owner=0', '--group=0', '--numeric-owner', '--mtime=2020-01-01']
  return execFileSync('tar', [...normal, '-C', directory, '-cf', '-', name])
}
