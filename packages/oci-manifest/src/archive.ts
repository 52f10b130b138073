/**
 * Image archives: a layout in a tar file. Node only.
 *
 * @module
 */
export { type ArchiveRoot, writeArchive, type WriteArchiveOptions } from './archive/write.ts'
export { type ImageArchive, readArchive, type ReadArchiveOptions } from './archive/read.ts'
