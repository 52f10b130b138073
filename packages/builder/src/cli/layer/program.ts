/**
 * The commands below `varve layer`: names, arguments, options. What they do is loaded when they are run.
 *
 * @module
 */
import { Command, Option } from 'commander'
import { collect, parseCount } from '../arguments.ts'
import type { CommandContext } from '../console.ts'
import type { ApplyFlags } from './apply-command.ts'
import type { DiffFlags } from './diff-command.ts'
import type { EfficiencyFlags } from './efficiency-command.ts'
import type { FlattenFlags } from './flatten-command.ts'
import type { LsFlags } from './ls-command.ts'
import type { PackFlags } from './pack-command.ts'

/** Makes the command `layer`. */
export function defineLayer(context: CommandContext): Command {
  const layer = new Command('layer').description('Make, compare, apply and question layers')
  for (const define of [definePack, defineDiff, defineApply, defineLs, defineFlatten, defineEfficiency]) {
    layer.addCommand(define(context))
  }
  return layer
}

function definePack(context: CommandContext): Command {
  return withLayerOutput(new Command('pack'))
    .description('Pack a directory; SOURCE_DATE_EPOCH bounds its times')
    .argument('<directory>')
    .option('--owner <uid:gid>', 'owner of everything')
    .option('--exclude <pattern>', 'leave out, such as "**/*.log"; repeatable', collect, [])
    .option('--xattrs', 'read extended attributes, by getfattr', false)
    .action(async (directory: string, flags: PackFlags) =>
      (await import('./pack-command.ts')).runPack(context, directory, flags),
    )
}

function defineDiff(context: CommandContext): Command {
  return withLayerOutput(new Command('diff'))
    .description('Make the layer that turns one directory or layer into another')
    .argument('<lower>', 'directory or layer')
    .argument('<upper>', 'directory or layer')
    .option('--list', 'list the changes instead', false)
    .addOption(
      new Option('--content <when>', 'when files of equal size and time are read')
        .choices(['stat', 'racy', 'always'])
        .default('racy'),
    )
    .action(async (lower: string, upper: string, flags: DiffFlags) =>
      (await import('./diff-command.ts')).runDiff(context, lower, upper, flags),
    )
}

function defineApply(context: CommandContext): Command {
  return new Command('apply')
    .description('Apply layers to a directory; one that is not there appears whole or not at all')
    .argument('<root>')
    .argument('[layers...]', 'in order; standard input by default')
    .option('--diff-id <digest>', 'what the layer must be; repeatable, in order', collect, [])
    .option('--owner <rule>', 'keep (default for root), ignore, or UID:GID for everything')
    .option('--strict', 'fail for what cannot be set, instead of telling', false)
    .option('--json', 'print one object for each layer', false)
    .action(async (root: string, layers: string[], flags: ApplyFlags) =>
      (await import('./apply-command.ts')).runApply(context, root, layers, flags),
    )
}

function defineLs(context: CommandContext): Command {
  return new Command('ls')
    .description('List the members of layers as they are stored')
    .argument('[layers...]', 'standard input by default')
    .option('--strict', 'refuse what archivers disagree about', false)
    .option('--json', 'print one object for each member', false)
    .action(async (layers: string[], flags: LsFlags) =>
      (await import('./ls-command.ts')).runLs(context, layers, flags),
    )
}

function defineFlatten(context: CommandContext): Command {
  return withLayerOutput(new Command('flatten'))
    .description('Make one layer of several')
    .argument('<layers...>', 'in order, base first')
    .option('--keep <count>', 'layers that stay below the new one, and are not part of it', parseCount, 0)
    .action(async (layers: string[], flags: FlattenFlags) =>
      (await import('./flatten-command.ts')).runFlatten(context, layers, flags),
    )
}

function defineEfficiency(context: CommandContext): Command {
  return new Command('efficiency')
    .description('Show what layers ship and nobody sees')
    .argument('<layers...>', 'in order, base first')
    .option('--limit <count>', 'paths to list', parseCount, 20)
    .option('--json', 'print one object', false)
    .action(async (layers: string[], flags: EfficiencyFlags) =>
      (await import('./efficiency-command.ts')).runEfficiency(context, layers, flags),
    )
}

/** Options of `LayerOutputFlags`. */
function withLayerOutput(command: Command): Command {
  return command
    .option('-o, --output <file>', 'where the layer goes; - is standard output', '-')
    .addOption(
      new Option('-c, --compression <name>', 'how it is compressed')
        .choices(['none', 'gzip', 'zstd', 'estargz', 'zstd:chunked'])
        .default('none'),
    )
    .option('--level <number>', 'of the compression', parseCount)
    .addOption(
      new Option(
        '--encoder <name>',
        'of gzip: the runtime, or one that gives the same bytes everywhere',
      ).choices(['native', 'portable']),
    )
    .option('--single', 'one gzip member or zstd frame', false)
    .option('--json', 'print the result as one object', false)
}
