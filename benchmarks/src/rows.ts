/**
 * All benchmarks, in the order they run.
 *
 * @module
 */
import type { Benchmark } from './contest.ts'
import { REGISTRY_ROWS } from './rows/registry.ts'
import { applyTar, applyTarStream, applyUmoci } from './rows/apply.ts'
import {
  cacheCollect,
  cacheFile,
  cacheGetLarge,
  cacheGetSmall,
  cacheLookupCold,
  cacheLookupWarm,
  cacheMissing,
  cachePutLarge,
  cachePutSmall,
} from './rows/cache.ts'
import { gzipMembers, gzipSize, zstdFrames } from './rows/compress.ts'
import { sha256LargeFile, sha256SmallFiles } from './rows/digest.ts'
import { growthEntries, growthLayers } from './rows/growth.ts'
import { layerGzip, layerRandom, layerUmoci, layerZstd } from './rows/layer.ts'
import { listEntries, listTarStream } from './rows/list.ts'
import { memoryOfApply, memoryOfLayer, memoryOfPack } from './rows/memory.ts'
import { packDiffId, packLargeFiles, packSmallFiles, packTarStream } from './rows/pack.ts'
import { s3Download, s3Rclone, s3Upload } from './rows/s3.ts'
import { startCachedBuild, startVersion } from './rows/start.ts'
import { diffNothing, walkEntries } from './rows/walk.ts'

/** Every row of the table. */
export const BENCHMARKS: readonly Benchmark[] = [
  startVersion,
  startCachedBuild,
  sha256LargeFile,
  sha256SmallFiles,
  walkEntries,
  diffNothing,
  packSmallFiles,
  packTarStream,
  packDiffId,
  packLargeFiles,
  listEntries,
  listTarStream,
  applyTar,
  applyUmoci,
  applyTarStream,
  gzipMembers,
  gzipSize,
  zstdFrames,
  layerGzip,
  layerUmoci,
  layerZstd,
  layerRandom,
  cachePutSmall,
  cacheGetSmall,
  cachePutLarge,
  cacheGetLarge,
  cacheFile,
  cacheMissing,
  cacheLookupCold,
  cacheLookupWarm,
  cacheCollect,
  s3Upload,
  s3Download,
  s3Rclone,
  ...REGISTRY_ROWS,
  memoryOfPack,
  memoryOfLayer,
  memoryOfApply,
  growthEntries,
  growthLayers,
]
