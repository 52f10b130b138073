/**
 * The commands below `varve cache`: names and options. What they do is loaded when they are run.
 *
 * @module
 */
import { Command } from 'commander'
import type { CommandContext } from '../console.ts'
import type { DuFlags } from './du-command.ts'
import type { PruneFlags } from './prune-command.ts'
import type { VerifyFlags } from './verify-command.ts'

/** Makes the command `cache`. */
export function defineCache(context: CommandContext): Command {
  const cache = new Command('cache').description('Measure, prune and verify the store')
  for (const define of [defineDu, definePrune, defineVerify]) cache.addCommand(define(context))
  return cache
}

function defineDu(context: CommandContext): Command {
  return withStore(new Command('du'))
    .description('Show what the store takes on the disk')
    .action(async (flags: DuFlags) => (await import('./du-command.ts')).runDu(context, flags))
}

function definePrune(context: CommandContext): Command {
  return withStore(new Command('prune'))
    .description('Remove what was used longest ago; images with names stay, and what running builds use')
    .option('--max-bytes <size>', 'how much may stay, such as 20GiB (default: the limit of the store)')
    .option('--min-free <size>', 'how much of the disk is to be free')
    .option('--max-age <time>', 'remove what was not used for so long, such as 30d')
    .option('--grace <time>', 'keep what was used more recently (default: 2h)')
    .option('--dry-run', 'tell what would go, and what keeps the rest', false)
    .action(async (flags: PruneFlags) => (await import('./prune-command.ts')).runPrune(context, flags))
}

function defineVerify(context: CommandContext): Command {
  return withStore(new Command('verify'))
    .description('Read everything in the store, and take out what is damaged')
    .action(async (flags: VerifyFlags) => (await import('./verify-command.ts')).runVerify(context, flags))
}

function withStore(command: Command): Command {
  return command
    .option('--cache-dir <path>', 'the store (default: VARVE_CACHE_DIR or the XDG cache directory)')
    .option('--json', 'print one JSON object', false)
}
