/**
 * The tree of commands: names, arguments, options.
 *
 * What a command does is loaded when it is run, so that `--help` and `--version` cost no more than Node itself.
 *
 * @module
 */
import { Command, Option } from 'commander'
import { collect } from './arguments.ts'
import { VERSION } from '../version.ts'
import type { BuildFlags } from './build-command.ts'
import type { CopyFlags } from './copy-command.ts'
import type { DigestFlags } from './digest-command.ts'
import type { InspectFlags } from './inspect-command.ts'
import type { PullFlags } from './pull-command.ts'
import type { PushFlags } from './push-command.ts'
import type { ServeFlags } from './serve-command.ts'
import type { CommandContext } from './console.ts'
import { defineCache } from './cache/program.ts'
import { defineLayer } from './layer/program.ts'

/** Makes the command `varve`. */
export function createProgram(context: CommandContext): Command {
  const program = new Command('varve')
    .description('Builds container images without a daemon, reproducibly, from a cache that explains itself.')
    .version(VERSION)
    .showHelpAfterError('(varve --help tells more)')
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
    })
    .exitOverride()
  for (const define of [
    defineBuild,
    defineInspect,
    definePush,
    definePull,
    defineCopy,
    defineServe,
    defineCache,
    defineLayer,
    defineDigest,
  ]) {
    program.addCommand(inherit(define(context), program))
  }
  return program
}

/** Gives a command, and those below it, the settings of the one above. */
function inherit(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent)
  for (const child of command.commands) inherit(child, command)
  return command
}

function defineBuild(context: CommandContext): Command {
  return new Command('build')
    .description('Build an image from a Dockerfile')
    .argument('[path]', 'build context', '.')
    .option('-f, --file <path>', 'Dockerfile (default: PATH/Dockerfile)')
    .option('-t, --tag <name>', 'name of the image; repeatable', collect, [])
    .option('--target <stage>', 'stage to build, by name or number')
    .option(
      '--build-arg <name=value>',
      'value of an ARG; without a value, that of the environment',
      collect,
      [],
    )
    .option('--build-context <name=source>', 'a directory, or oci-layout://DIR[:TAG]', collect, [])
    .option('--label <name=value>', 'label of the image', collect, [])
    .option('--platform <list>', 'such as linux/amd64,linux/arm64', collect, [])
    .option('-o, --output <spec>', 'type=oci,dest=PATH (directory, .tar, or -) or type=registry', collect, [])
    .option('--push', 'push to the registries that the names say', false)
    .option('--cache-from <spec>', 'look results up in it too: type=s3|http|local,…; repeatable', collect, [])
    .option('--cache-to <spec>', 'write results to it too; the same forms', collect, [])
    .option('--no-cache', 'run every step')
    .option('--max-age <time>', 'run a RUN again whose result is older, such as 7d or 12h')
    .addOption(
      new Option('--context-modes <how>', 'modes of context files: as they are, or as git keeps them')
        .choices(['exact', 'git'])
        .default('exact'),
    )
    .option('--pull', 'look for newer base images', false)
    .addOption(
      new Option('--runner <name>', 'who runs RUN')
        .choices(['auto', 'bwrap', 'unshare', 'none'])
        .default('auto'),
    )
    .option('--cache-dir <path>', 'the store (default: VARVE_CACHE_DIR or the XDG cache directory)')
    .addOption(insecureOption())
    .addOption(mirrorOption())
    .addOption(
      new Option('--progress <style>', 'how to show what goes on')
        .choices(['auto', 'tty', 'plain', 'json', 'quiet'])
        .default('auto'),
    )
    .option('--json', 'print the result as one JSON object', false)
    .action(async (path: string, flags: BuildFlags) =>
      (await import('./build-command.ts')).runBuild(context, path, flags),
    )
}

function insecureOption(): Option {
  return new Option('--insecure-registry <host>', 'speak plain HTTP to it; loopback always is')
    .argParser(collect)
    .default([])
}

function mirrorOption(): Option {
  return new Option('--registry-mirror <host=location>', 'ask a mirror first when pulling; repeatable')
    .argParser(collect)
    .default([])
}

function defineInspect(context: CommandContext): Command {
  return new Command('inspect')
    .description('Show an image: name or id in the store, layout directory, or archive')
    .argument('<image>', 'such as app:1, 4ba7434e, ./layout:tag, image.tar')
    .option('--platform <platform>', 'which image of an index')
    .option('--files', 'list the files of its root file system', false)
    .option('--cache-dir <path>', 'the store')
    .option('--json', 'print one JSON object', false)
    .action(async (name: string, flags: InspectFlags) =>
      (await import('./inspect-command.ts')).runInspect(context, name, flags),
    )
}

function definePush(context: CommandContext): Command {
  return new Command('push')
    .description('Push an image to a registry')
    .argument('<image>', 'name or id in the store, layout directory, or archive')
    .argument('[name]', 'where to push it (default: its own name)')
    .option('--cache-dir <path>', 'the store')
    .addOption(insecureOption())
    .addOption(mirrorOption())
    .option('--json', 'print one JSON object', false)
    .action(async (image: string, name: string | undefined, flags: PushFlags) =>
      (await import('./push-command.ts')).runPush(context, image, name, flags),
    )
}

function definePull(context: CommandContext): Command {
  return new Command('pull')
    .description('Pull an image into the store')
    .argument('<name>', 'such as localhost:5000/app:1 or docker.io/library/busybox')
    .option('--platform <platform>', 'only the image for this platform')
    .option('--cache-dir <path>', 'the store')
    .addOption(insecureOption())
    .addOption(mirrorOption())
    .option('--json', 'print one JSON object', false)
    .action(async (text: string, flags: PullFlags) =>
      (await import('./pull-command.ts')).runPull(context, text, flags),
    )
}

function defineCopy(context: CommandContext): Command {
  return new Command('copy')
    .description('Copy an image between registries, layouts and archives')
    .argument('<from>', 'name in a registry, layout directory ./DIR[:TAG], or FILE.tar[:NAME]')
    .argument('<to>', 'the same')
    .option('--platform <list>', 'only these images of an index, which is written anew', collect, [])
    .option('--sparse', 'with --platform, leave the index as it is', false)
    .option('--referrers', 'take signatures, attestations and other referrers along', false)
    .addOption(
      new Option('--format <name>', 'of an archive: an image layout, or for docker load')
        .choices(['oci', 'docker'])
        .default('oci'),
    )
    .option('--cache-dir <path>', 'the store, where it is remembered which registry has which blob')
    .addOption(insecureOption())
    .addOption(mirrorOption())
    .option('--json', 'print one JSON object', false)
    .action(async (from: string, to: string, flags: CopyFlags) =>
      (await import('./copy-command.ts')).runCopy(context, from, to, flags),
    )
}

function defineServe(context: CommandContext): Command {
  return new Command('serve')
    .description('Serve a store as a registry')
    .option('--port <number>', '0 chooses a free one', '5000')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option(
      '--store <where>',
      'a directory (default: VARVE_CACHE_DIR or the XDG cache directory), or type=s3,bucket=NAME,…',
    )
    .option('--read-only', 'refuse uploads and deletions', false)
    .option('--allow-delete', 'let clients delete tags, manifests and blobs', false)
    .option('--prune <age>', 'take blobs of no manifest out of repositories, if they are older, such as 1d')
    .option('--quota <size>', 'how much all repositories may hold together, such as 100GiB')
    .option('--repository-quota <size>', 'how much each repository may hold')
    .option('--htpasswd <file>', 'ask for a password of this file, as htpasswd -B writes it')
    .option('--anonymous-pull', 'ask for it only where something is pushed or deleted', false)
    .option('--public-url <url>', 'where clients reach it, if a proxy is in front')
    .option('--tls-cert <file>', 'speak HTTPS: the certificate, as PEM')
    .option('--tls-key <file>', 'its key')
    .option('--tls-client-ca <file>', 'serve only clients with a certificate of this authority')
    .action(async (flags: ServeFlags) => (await import('./serve-command.ts')).runServe(context, flags))
}

function defineDigest(context: CommandContext): Command {
  return new Command('digest')
    .description('Print digests of files, or check them')
    .argument('[files...]', 'standard input by default')
    .addOption(new Option('--algorithm <name>').choices(['sha256', 'sha512', 'blake3']).default('sha256'))
    .option('--check', 'read lists of digests, and check the files they name', false)
    .option('--json', 'print one object for each file', false)
    .action(async (files: string[], flags: DigestFlags) =>
      (await import('./digest-command.ts')).runDigest(context, files, flags),
    )
}
