/**
 * zstd-codec 0.1.5, an old zstd in WebAssembly, below its own interfaces: those never free memory, print to the
 * console, and give nothing for what they cannot do.
 *
 * Its memory is 16 MiB, fixed. What does not fit aborts an instance, which throws a text.
 *
 * @module
 */
import { createRequire } from 'node:module'

/** An instance of the codec. */
export interface ZstdCodecBinding {
  readonly ZstdDecompressStreamBinding: new () => DecompressStream
}

/** A decoder of one frame; `false` from a method says that it failed. */
export interface DecompressStream {
  begin(): boolean
  /** `output` gets copies. */
  transform(bytes: Uint8Array, output: (bytes: Uint8Array) => void): boolean
  end(output: (bytes: Uint8Array) => void): boolean
  /** Gives its memory back to the instance. */
  delete(): void
}

/** Becomes a {@link ZstdCodecBinding} when it is loaded. */
interface Settings {
  print(text: string): void
  printErr(text: string): void
  onAbort(reason: unknown): void
  onRuntimeInitialized(): void
}

/** The package has no types. */
interface BindingModule {
  readonly default: (settings: Settings) => void
}

const BINDING: string = 'zstd-codec/lib/zstd-codec-binding-wasm.js'

const require = createRequire(import.meta.url)

/** Where {@link loadBinding} gets it from, for threads. */
export function bindingPath(): string {
  return require.resolve(BINDING)
}

/** Version of the zstd-codec that is installed. */
export function zstdCodecVersion(): string {
  return (require('zstd-codec/package.json') as { readonly version: string }).version
}

/** Makes a new instance. It is wrapped, since it looks like a promise and must not be awaited. */
export async function loadBinding(): Promise<{ readonly binding: ZstdCodecBinding }> {
  const { default: load } = (await import(BINDING)) as BindingModule
  return new Promise((resolve, reject) => {
    const settings: Settings = {
      print: () => {},
      printErr: () => {},
      onAbort: reject,
      onRuntimeInitialized: () => resolve({ binding: settings as unknown as ZstdCodecBinding }),
    }
    load(settings)
  })
}
