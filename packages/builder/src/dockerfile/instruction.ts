/**
 * The typed form of a Dockerfile's instructions.
 *
 * Words are as written, with quotes, escapes and variables still in them; the lexer expands them. What JSON form
 * gives is literal, but goes through the lexer too, as in BuildKit.
 *
 * @module
 */
import type { SourceLocation } from '../errors.ts'
import type { Heredoc } from './heredoc.ts'
import type { NameOptionalValue, NameValue } from './words.ts'

/** What every instruction has. */
export interface InstructionSource {
  readonly location: SourceLocation
  /** Last line, heredoc bodies included. */
  readonly endLine: number
  /** Text as written, continuation lines included, for error messages. */
  readonly original: string
  /** Text on one line, without comments, for the history. */
  readonly text: string
}

/** `FROM [--platform=…] image [AS name]` */
export interface FromInstruction extends InstructionSource {
  readonly kind: 'from'
  readonly image: string
  readonly platform?: string
  /** In lower case. */
  readonly name?: string
}

/** `ARG name[=default] …` */
export interface ArgInstruction extends InstructionSource {
  readonly kind: 'arg'
  readonly pairs: readonly NameOptionalValue[]
}

/** `ENV name=value …` */
export interface EnvInstruction extends InstructionSource {
  readonly kind: 'env'
  readonly pairs: readonly NameValue[]
}

/** `LABEL name=value …` */
export interface LabelInstruction extends InstructionSource {
  readonly kind: 'label'
  readonly pairs: readonly NameValue[]
}

/** A file whose content is in the Dockerfile. */
export interface InlineSource {
  readonly name: string
  /** Its content, leading tabs already removed if `<<-` asked for it. */
  readonly data: string
  /** Whether variables in `data` are to be expanded, quotes being kept. */
  readonly expand: boolean
}

/** `COPY` and `ADD`. Flags that only one of the two has are absent or false on the other. */
export interface CopyInstruction extends InstructionSource {
  readonly kind: 'copy' | 'add'
  readonly sources: readonly string[]
  readonly destination: string
  /** Heredoc sources, in order. */
  readonly inline: readonly InlineSource[]
  /** Stage, context or image to copy from; holds no variables. */
  readonly from?: string
  readonly chown?: string
  readonly chmod?: string
  readonly link: boolean
  readonly parents: boolean
  readonly exclude: readonly string[]
  readonly checksum?: string
  /** Absent: unpack what is an archive and local. */
  readonly unpack?: boolean
  readonly keepGitDir?: boolean
}

/** What RUN, CMD and ENTRYPOINT take: in shell form one string for a shell, in exec form an argument vector. */
export interface CommandLine {
  readonly form: 'shell' | 'exec'
  readonly command: readonly string[]
}

/** `RUN` */
export interface RunInstruction extends InstructionSource, CommandLine {
  readonly kind: 'run'
  /** Bodies as written: `<<-` still has its tabs, for the shell to remove, or `chompHeredoc`. */
  readonly heredocs: readonly Heredoc[]
  /** Values of `--mount`, unparsed and unexpanded. */
  readonly mounts: readonly string[]
  /** Values of `--device`, unparsed and unexpanded. */
  readonly devices: readonly string[]
  readonly network?: string
  readonly security?: string
}

/** `CMD` */
export interface CmdInstruction extends InstructionSource, CommandLine {
  readonly kind: 'cmd'
}

/** `ENTRYPOINT` */
export interface EntrypointInstruction extends InstructionSource, CommandLine {
  readonly kind: 'entrypoint'
}

/** `SHELL`, in JSON form only. */
export interface ShellInstruction extends InstructionSource {
  readonly kind: 'shell'
  readonly command: readonly string[]
}

/** `WORKDIR` */
export interface WorkdirInstruction extends InstructionSource {
  readonly kind: 'workdir'
  readonly path: string
}

/** `USER` */
export interface UserInstruction extends InstructionSource {
  readonly kind: 'user'
  readonly user: string
}

/** `EXPOSE` */
export interface ExposeInstruction extends InstructionSource {
  readonly kind: 'expose'
  readonly ports: readonly string[]
}

/** `VOLUME` */
export interface VolumeInstruction extends InstructionSource {
  readonly kind: 'volume'
  readonly paths: readonly string[]
}

/** `STOPSIGNAL` */
export interface StopsignalInstruction extends InstructionSource {
  readonly kind: 'stopsignal'
  readonly signal: string
}

/** `HEALTHCHECK`. Durations that are absent or zero are left to the runtime. */
export interface HealthcheckInstruction extends InstructionSource {
  readonly kind: 'healthcheck'
  /** Whether it switches off what the base image checks. */
  readonly none: boolean
  /** `NONE`, or `CMD` or `CMD-SHELL` before the command: what the image configuration holds. */
  readonly test: readonly string[]
  readonly intervalNs?: number
  readonly timeoutNs?: number
  readonly startPeriodNs?: number
  readonly startIntervalNs?: number
  readonly retries?: number
}

/** `ONBUILD` */
export interface OnbuildInstruction extends InstructionSource {
  readonly kind: 'onbuild'
  readonly instruction: Instruction
  /** Source of `instruction`, heredoc bodies included: what the image configuration holds. */
  readonly trigger: string
}

/** `MAINTAINER`, deprecated. */
export interface MaintainerInstruction extends InstructionSource {
  readonly kind: 'maintainer'
  readonly name: string
}

/** Any instruction; `kind` is its name in lower case. */
export type Instruction =
  | FromInstruction
  | ArgInstruction
  | EnvInstruction
  | LabelInstruction
  | CopyInstruction
  | RunInstruction
  | CmdInstruction
  | EntrypointInstruction
  | ShellInstruction
  | WorkdirInstruction
  | UserInstruction
  | ExposeInstruction
  | VolumeInstruction
  | StopsignalInstruction
  | HealthcheckInstruction
  | OnbuildInstruction
  | MaintainerInstruction
