import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EverthawError } from '../../domain/errors.js';
import { exitOf, spawnTethered, tailOf } from '../../disks/program.js';
import type { SourceProgram } from '../../disks/sourceProgram.js';
import { until } from '../../disks/until.js';

export interface CommandOptions {
  readonly stdin?: string;
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
const INTO_DIRECTORY =
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

/** `destination` as ssh takes it: `user@host`. */
export function sshShell(destination: string, port: number | undefined): HostShell {
  const options = [
    ...['-o', 'BatchMode=yes', '-o', 'ConnectTimeout=15', '-o', 'ServerAliveInterval=15'],
    ...(port === undefined ? [] : ['-p', String(port)]),
  ];
  const remote = (program: string, args: readonly string[]): string[] => [
    ...options,
    '--',
    destination,
    [program, ...args].map(quoted).join(' '),
  ];
  return {
    where: destination,
    async run(program, args, given) {
      const result = await runHere('ssh', remote(program, args), given);
      // ssh's own exit code for what went wrong before the program ran.
      if (result.exit === 255) throw unreachable(destination, result.stderr);
      return result;
    },
    command: (program, args, what, stdin) => ({
      program: 'ssh',
      args: remote(program, args),
      what,
      ...(stdin === undefined ? {} : { stdin }),
    }),
    upload: (file, { directory, name }, what) => ({
      program: 'ssh',
      args: remote('sh', ['-c', `${INTO_DIRECTORY} exec cat > "$1/$2"`, 'everthaw', directory, name]),
      stdinFile: file,
      what,
    }),
    forward: (socket) => tunnel(destination, options, socket),
  };
}

async function runHere(
  program: string,
  args: readonly string[],
  { stdin = '', signal, timeoutMs = PATIENCE_MS }: CommandOptions = {},
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
        what: `run ${program} ${args[0] ?? ''}`,
        why: `it did not end within ${timeoutMs / 1000} s`,
        hint: 'see that the hypervisor answers: virsh list',
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

async function tunnel(
  destination: string,
  options: readonly string[],
  socket: string,
): Promise<ForwardedSocket> {
  const directory = await mkdtemp(join(tmpdir(), 'everthaw-'));
  const local = join(directory, 'nbd.sock');
  const child = spawnTethered(
    'ssh',
    [...options, ...['-N', '-o', 'ExitOnForwardFailure=yes', '-L', `${local}:${socket}`, '--', destination]],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const tail = tailOf(child);
  const process = { hasEnded: false };
  const ended = exitOf(child)
    .catch(() => 1)
    .finally(() => (process.hasEnded = true));
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    await rm(directory, { recursive: true, force: true });
  };
  await until(
    async () =>
      process.hasEnded ||
      (await stat(local).then(
        () => true,
        () => false,
      )),
    AbortSignal.timeout(PATIENCE_MS),
  );
  if (process.hasEnded) {
    await close();
    throw unreachable(destination, tail());
  }
  return { socket: local, close };
}

function unreachable(destination: string, said: string): EverthawError {
  return new EverthawError({
    code: 'HostUnreachable',
    what: `run a command on "${destination}" over ssh`,
    why: said.trim() === '' ? 'ssh could not connect' : said.trim(),
    hint: `see that ssh ${destination} works without a password, for the user that the worker runs as`,
    retry: 'again',
  });
}

function quoted(argument: string): string {
  return `'${argument.replaceAll("'", "'\\''")}'`;
}
