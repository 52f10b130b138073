/**
 * Images that every program can unpack, and the programs.
 *
 * @module
 */
import { digestOf } from '@varve/digest'
import { findProgram, SYSTEM_PATH } from '@varve/testing/peers'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import {
  type AssembledImage,
  type AssembleImageOptions,
  type ImageLayer,
  MEDIA_TYPE_OCI_LAYER,
  MEDIA_TYPE_OCI_LAYER_GZIP,
} from '../../src/index.ts'
import { EPOCH, makeImage, type MemoryContent, utf8 } from '../../test/fixtures/content.ts'
import { makeTar } from '../../test/fixtures/tar.ts'

const execute = promisify(execFile)

/** Runs a program and gives what it prints. */
export async function run(program: string, ...args: readonly string[]): Promise<string> {
  const env = { ...process.env, PATH: SYSTEM_PATH }
  const { stdout } = await execute(findProgram(program) ?? program, args, { env, maxBuffer: 1 << 26 })
  return stdout.trim()
}

/** Runs skopeo, which wants to be told that a signature is not needed. */
export function skopeo(...args: readonly string[]): Promise<string> {
  return run('skopeo', '--insecure-policy', ...args)
}

/** A layer with one file in it. */
export async function tarLayer(
  content: MemoryContent,
  text: string,
  compression: 'gzip' | 'none' = 'gzip',
): Promise<ImageLayer> {
  const tar = await makeTar([[`${text}.txt`, utf8(text.repeat(1000))]])
  const isGzip = compression === 'gzip'
  const bytes = isGzip ? new Uint8Array(gzipSync(tar)) : tar
  return {
    descriptor: content.put(isGzip ? MEDIA_TYPE_OCI_LAYER_GZIP : MEDIA_TYPE_OCI_LAYER, bytes),
    diffID: digestOf(tar),
  }
}

/** An image with a compressed layer, a plain one, and the first once more. */
export async function realImage(
  content: MemoryContent,
  text: string,
  options: Partial<AssembleImageOptions> = {},
): Promise<AssembledImage> {
  const first = await tarLayer(content, `${text}-first`)
  const layers = [first, await tarLayer(content, `${text}-second`, 'none'), first]
  return makeImage(content, text, {
    layers,
    history: layers.map((_, number) => ({ created: EPOCH, created_by: `layer ${number}` })),
    config: { Cmd: ['/none'], Labels: { text } },
    ...options,
  })
}
