/**
 * All benchmarks, in the order they run.
 *
 * @module
 */
import type { Benchmark } from './contest.ts'
import { sha256LargeFile, sha256SmallFiles } from './rows/digest.ts'
import {
  gzipMembers,
  gzipSize,
  layerGzip,
  listEntries,
  listTarStream,
  packDiffId,
  packSmallFiles,
  packTarStream,
} from './rows/layer.ts'

/** Every row of the table. */
export const BENCHMARKS: readonly Benchmark[] = [
  sha256LargeFile,
  sha256SmallFiles,
  packSmallFiles,
  packTarStream,
  packDiffId,
  layerGzip,
  listEntries,
  listTarStream,
  gzipMembers,
  gzipSize,
]
