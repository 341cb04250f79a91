import { EverthawError } from '../domain/errors.js';
import { exitOf, spawnTethered, tailOf } from '../system/program.js';

/** What is started here, and the Debian package that holds it. */
const PACKAGES = {
  'qemu-storage-daemon': 'qemu-system-common',
  blkid: 'util-linux',
  partx: 'util-linux',
  mount: 'mount',
  umount: 'mount',
  fuse2fs: 'fuse2fs',
  'ntfs-3g': 'ntfs-3g',
  'grub-mount': 'grub-common',
  hivexget: 'libhivex-bin',
  find: 'findutils',
  rsync: 'rsync',
} as const;

export type ToolName = keyof typeof PACKAGES;

export interface ToolRun {
  readonly program: ToolName;
  readonly args: readonly string[];
  /** For errors: `mount volume scsi0:0/2`. */
  readonly what: string;
  readonly around?: Surroundings;
  /** It is killed after that long; without it, it takes what time it takes. */
  readonly timeoutMs?: number;
  readonly onOutput?: (text: string) => void;
  /** Standard error, line by line. */
  readonly onComplaint?: (text: string) => void;
}

export interface ToolEnd {
  readonly exit: number | string;
  /** What it said last on standard error. */
  readonly tail: string;
}

/** What sh ends with where there is no such program. */
export const NOT_FOUND = 127;

const SURROUNDINGS = 'export LC_ALL=C.UTF-8 PATH="$PATH:/usr/sbin:/sbin"; exec "$@"';

/**
 * Where a program runs that reads what a guest wrote: in namespaces that are `its own` already, or among all others of this machine, where it is
 * given no network: nothing that a guest's file system might do to its reader gets far.
 */
export type Surroundings = 'its own' | 'the machine';

/**
 * The words that start a program: with messages in no language but this, so that they can be read, names of files in UTF-8,
 * and programs found that are on the path of root only.
 */
export function inPlainWords(
  program: ToolName,
  args: readonly string[],
  around: Surroundings = 'its own',
): { readonly program: string; readonly args: readonly string[] } {
  const words = ['-c', SURROUNDINGS, 'sh', program, ...args];
  return around === 'its own'
    ? { program: 'sh', args: words }
    : { program: 'unshare', args: ['--net', '--ipc', '--', 'sh', ...words] };
}

/** Runs a program to its end, which a broken file system must not keep from coming. @throws EverthawError ProgramMissing; ProgramFailed when its time is over */
export async function endOfTool(run: ToolRun): Promise<ToolEnd> {
  const { program, args, what, around, timeoutMs, onOutput, onComplaint } = run;
  const command = inPlainWords(program, args, around);
  const child = spawnTethered(command.program, command.args, {
    stdio: ['ignore', onOutput === undefined ? 'ignore' : 'pipe', 'pipe'],
  });
  const tail = tailOf(child);
  if (onOutput !== undefined) child.stdout?.setEncoding('utf8').on('data', onOutput);
  if (onComplaint !== undefined) child.stderr?.on('data', onComplaint);
  const late = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const kill = (): void => void child.kill('SIGKILL');
  late?.addEventListener('abort', kill, { once: true });
  try {
    const exit = await exitOf(child);
    if (late?.aborted === true)
      throw toolFailed(run, `${program} was not done after ${(timeoutMs ?? 0) / 1000} s`);
    if (exit === NOT_FOUND) throw toolMissing(program, what);
    return { exit, tail: tail() };
  } finally {
    late?.removeEventListener('abort', kill);
  }
}

/** As {@link endOfTool}. @throws EverthawError ProgramFailed with what it said, where it fails */
export async function runTool(run: ToolRun): Promise<void> {
  const { exit, tail } = await endOfTool(run);
  if (exit !== 0) throw toolFailed(run, saidBy(run.program, exit, tail));
}

export function saidBy(program: ToolName, exit: number | string, tail: string): string {
  return `${program} ended with ${exit}${tail === '' ? '' : ` (${tail})`}`;
}

export function toolFailed({ what }: Pick<ToolRun, 'what'>, why: string): EverthawError {
  return new EverthawError({
    code: 'ProgramFailed',
    what,
    why,
    hint: 'it may be damaged within the guest: restore the VM, and look at it there (docs/files.md)',
  });
}

export function toolMissing(program: ToolName, what: string): EverthawError {
  return new EverthawError({
    code: 'ProgramMissing',
    what,
    why: `there is no ${program} on this machine`,
    hint: `install it (Debian: apt install ${PACKAGES[program]})`,
  });
}

/** The reason of what went wrong with a guest's files, without our own paths. */
export function reasonOf(error: unknown): string {
  if (error instanceof EverthawError) return error.why;
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
