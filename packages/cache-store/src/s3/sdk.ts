/**
 * The part of the AWS SDK that this driver uses, by shape, so that its types are needed by nobody who does not use it.
 *
 * @module
 */
import { CacheStoreError } from '../errors.ts'

/** Any `S3Client` of `@aws-sdk/client-s3`, version 3. */
export interface S3ClientLike {
  send(command: never, options?: never): Promise<unknown>
  destroy(): void
  readonly middlewareStack: { clone(): unknown }
}

/** What passes through a middleware of the steps `build` and `deserialize`. */
export interface MiddlewareArguments {
  readonly request: { readonly headers: Record<string, string> }
}

/** An answer, of which nothing was read yet. */
export interface SdkResponse {
  readonly statusCode: number
  readonly headers: Record<string, string>
  body: unknown
}

/** What comes back through one. */
export interface MiddlewareResult {
  readonly response: SdkResponse
}

/** A middleware. */
export type Middleware = (
  next: (argument: MiddlewareArguments) => Promise<MiddlewareResult>,
) => (argument: MiddlewareArguments) => Promise<MiddlewareResult>

/** Where a middleware goes. */
export interface MiddlewareOptions {
  readonly step: 'build' | 'finalizeRequest' | 'deserialize'
  readonly name: string
  readonly priority?: 'high' | 'low'
}

/** A stack of them, as far as we change it. */
export interface MiddlewareStack {
  add(middleware: Middleware, options: MiddlewareOptions): void
  remove(name: string): boolean
  clone(): MiddlewareStack
}

/** A request that was not sent yet. */
export interface SdkCommand {
  readonly middlewareStack: MiddlewareStack
}

/** A client as we call it. */
export interface SdkClient {
  send(command: SdkCommand, options: { readonly abortSignal: AbortSignal }): Promise<unknown>
  destroy(): void
  readonly middlewareStack: MiddlewareStack
  readonly config: object
}

/** Operations that are called, by their names in the API of S3. */
export type Operation =
  | 'AbortMultipartUpload'
  | 'CompleteMultipartUpload'
  | 'CopyObject'
  | 'CreateMultipartUpload'
  | 'DeleteObject'
  | 'GetObject'
  | 'HeadObject'
  | 'ListMultipartUploads'
  | 'ListObjectsV2'
  | 'PutObject'
  | 'UploadPart'

/** The module. */
export type Sdk = { readonly S3Client: new (config: object) => SdkClient } & Readonly<
  Record<`${Operation}Command`, new (input: object) => SdkCommand>
>

/**
 * Imports `@aws-sdk/client-s3`.
 *
 * @throws {CacheStoreError} `ERR_CACHE_STORE_DEPENDENCY` if it is not installed.
 */
export async function loadSdk(
  load: () => Promise<unknown> = () => import('@aws-sdk/client-s3'),
): Promise<Sdk> {
  try {
    return (await load()) as Sdk
  } catch (cause) {
    throw new CacheStoreError(
      'ERR_CACHE_STORE_DEPENDENCY',
      'The S3 driver needs the package "@aws-sdk/client-s3"',
      {
        cause,
        hint: 'Install it next to @varve/cache-store: npm install @aws-sdk/client-s3',
      },
    )
  }
}
