/**
 * The world as the command line sees it: streams, environment, interruption.
 *
 * @module
 */
import { once } from 'node:events'
import type { WriteStream } from 'node:tty'
import type { Writable } from 'node:stream'

/** Where a command talks, and what it may read. */
export interface Console {
  readonly stdin: AsyncIterable<Uint8Array>
  /** Results, and nothing else. */
  readonly stdout: Writable & Partial<Pick<WriteStream, 'isTTY'>>
  /** Progress, warnings, errors. */
  readonly stderr: Writable & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** A console whose commands can be interrupted. */
export interface CommandContext extends Console {
  readonly signal: AbortSignal
}

/** Writes a line of the result. */
export function say(console: Console, text: string): void {
  console.stdout.write(`${text}\n`)
}

/** Writes a line for people. */
export function tell(console: Console, text: string): void {
  console.stderr.write(`${text}\n`)
}

/** Writes a part of a large result, and waits until the reader keeps up. */
export async function write({ stdout, signal }: CommandContext, chunk: string | Uint8Array): Promise<void> {
  if (!stdout.write(chunk)) await once(stdout, 'drain', { signal })
}
