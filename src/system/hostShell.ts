import { EverthawError } from '../domain/errors.js';
import { exitOf, spawnTethered } from './program.js';
import type { SourceProgram } from './sourceProgram.js';

export interface CommandOptions {
  readonly stdin?: string | Buffer;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface CommandResult {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A socket of the host, as a socket of this proxy. */
export interface ForwardedSocket {
  readonly socket: string;
  close(): Promise<void>;
}

/**
 * Runs programs on the hypervisor's own machine: here, or over OpenSSH, whose configuration, agent and known hosts are the user's.
 * Arguments never reach a shell unquoted.
 */
export interface HostShell {
  /** For messages: this machine, or the name of the other. */
  readonly where: string;
  /** Runs a program to its end, whatever its exit code. @throws EverthawError HostUnreachable where the machine does not answer */
  run(program: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** A program on the host, to be started by somebody who moves its bytes. */
  command(program: string, args: readonly string[], what: string, stdin?: string): SourceProgram;
  /** A program that copies a file of this proxy into a file of the host's, below a directory that is no link. */
  upload(file: string, to: UploadTarget, what: string): SourceProgram;
  forward(socket: string): Promise<ForwardedSocket>;
}

export interface UploadTarget {
  readonly directory: string;
  readonly name: string;
}

/** What was restored is for the host alone to read. `$1` is the directory, which was resolved before: a link may be a trap. */
export const INTO_DIRECTORY =
  'test "$(realpath -e -- "$1")" = "$1" || { echo "$1 is not where it was" >&2; exit 1; }; umask 077; ';

/** What nobody waits longer for: a host that hangs is as one that does not answer. */
export const PATIENCE_MS = 60_000;
const OUTPUT_BYTES = 64 * 1024 * 1024;

export const localShell: HostShell = {
  where: 'this machine',
  run: (program, args, options) => runHere(program, args, options),
  command: (program, args, what, stdin) => ({
    program,
    args,
    what,
    ...(stdin === undefined ? {} : { stdin }),
  }),
  upload: (file, { directory, name }, what) => ({
    program: 'sh',
    // It has the file open itself, by which its progress is seen.
    args: [
      ...['-c', `${INTO_DIRECTORY} exec cp --sparse=always --reflink=auto -- "$2" "$1/$3"`],
      ...['everthaw', directory, file, name],
    ],
    what,
  }),
  forward: (socket) => Promise.resolve({ socket, close: () => Promise.resolve() }),
};

/** Runs a program on this machine to its end. `what` it is, for errors. */
export async function runHere(
  program: string,
  args: readonly string[],
  { stdin = '', signal, timeoutMs = PATIENCE_MS }: CommandOptions = {},
  what = program,
): Promise<CommandResult> {
  signal?.throwIfAborted();
  const child = spawnTethered(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const kill = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });
  const patience = { isOver: false };
  const timer = setTimeout(() => {
    patience.isOver = true;
    kill();
  }, timeoutMs);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    if (stdout.length < OUTPUT_BYTES) stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < OUTPUT_BYTES) stderr += text;
  });
  try {
    child.stdin?.on('error', () => undefined).end(stdin);
    const exit = await exitOf(child);
    signal?.throwIfAborted();
    if (patience.isOver) {
      throw new EverthawError({
        code: 'HostUnreachable',
        what: `run ${what}`,
        why: `it did not end within ${timeoutMs / 1000} s`,
        hint: 'see that the machine answers, and what it is busy with',
        retry: 'again',
      });
    }
    // 127: setpriv found no such program.
    return { exit: typeof exit === 'number' ? exit : 128, stdout, stderr };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', kill);
  }
}
