/** Programs of others, and real layers for them. */
import { digestOf } from '@varve/digest'
import { findProgram } from '@varve/testing/peers'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import {
  type AssembledImage,
  type AssembleImageOptions,
  assembleImage,
  type ImageLayer,
  MEDIA_TYPE_OCI_LAYER_GZIP,
} from '../../src/index.ts'
import { EPOCH, type MemoryContent } from '../../test/fixtures/content.ts'
import { putDocument } from '../../test/fixtures/documents.ts'

const start = promisify(execFile)

/** Runs a program that must succeed; gives its standard output. */
export async function succeed(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await start(findProgram(program) ?? program, [...args], { timeout: 120_000 })
  return stdout
}

/** Skopeo without a policy, and without TLS. */
export function skopeo(command: string, ...args: readonly string[]): Promise<string> {
  return succeed('skopeo', '--insecure-policy', command, ...args)
}

/** A tar of one file. */
export async function tarOf(name: string, text: string): Promise<Uint8Array> {
  const tar = pack()
  tar.entry({ name, mtime: new Date(0) }, text)
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return new Uint8Array(Buffer.concat(chunks))
}

/** A layer of one file, stored. */
export async function tarLayer(content: MemoryContent, name: string, text: string): Promise<ImageLayer> {
  const tar = await tarOf(name, text)
  const packed = new Uint8Array(gzipSync(tar))
  return { descriptor: content.put(MEDIA_TYPE_OCI_LAYER_GZIP, packed), diffID: digestOf(tar) }
}

/** An image that programs can unpack, stored. */
export async function tarImage(
  content: MemoryContent,
  name: string,
  options: Partial<AssembleImageOptions> = {},
): Promise<AssembledImage> {
  const image = assembleImage({
    platform: { os: 'linux', architecture: 'amd64' },
    config: { Cmd: [`/${name}`], Env: ['PATH=/bin', 'A=1'], Labels: { name } },
    layers: [await tarLayer(content, `${name}-1`, 'one'), await tarLayer(content, `${name}-2`, 'two')],
    history: [
      { created_by: `ADD ${name}-1` },
      { created_by: 'ENV A=1', empty_layer: true },
      { created_by: `ADD ${name}-2` },
    ],
    created: EPOCH,
    ...options,
  })
  putDocument(content, image.config)
  putDocument(content, image.manifest)
  return image
}
