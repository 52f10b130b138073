/**
 * A store in a bucket of S3, or of a server like it, shared by any number of machines. Needs `@aws-sdk/client-s3`.
 *
 * @module
 */
export type { S3Capabilities, S3Credentials, S3Options } from './s3/options.ts'
export type { S3ClientLike } from './s3/sdk.ts'
export { createS3Store, type S3Store } from './s3/store.ts'
