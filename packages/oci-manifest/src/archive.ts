/**
 * Image archives: a layout in a tar file, or what `docker save` writes. Node only.
 *
 * @module
 */
export { type ArchiveRoot, writeArchive, type WriteArchiveOptions } from './archive/write.ts'
export { writeDockerArchive } from './archive/write-docker.ts'
export { writeArchiveFile } from './archive/write-file.ts'
export { type ImageArchive, readArchive, type ReadArchiveOptions } from './archive/read.ts'
export type { ResolveOptions } from './roots.ts'
