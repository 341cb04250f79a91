import { rm, stat } from 'node:fs/promises';
import { exitOf, spawnTethered, tailOf } from './program.js';
import { SSH_FAILED, sshFault } from './sshFault.js';
import { until } from './until.js';
import type { SourceProgram } from './sourceProgram.js';
import { INTO_DIRECTORY, PATIENCE_MS, runHere, type ForwardedSocket, type HostShell } from './hostShell.js';
import type { ProxySockets } from './proxySockets.js';

/** What a user's own configuration may say of sessions that somebody sits at, and for which here is nobody. */
const UNATTENDED = [
  ...['-T', '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=15', '-o', 'ServerAliveInterval=15'],
  ...['-o', 'LogLevel=ERROR', '-o', 'RemoteCommand=none'],
];

/** How long a shared connection is kept for the next command; nothing ends it when its last user was killed. */
const LINGER_SECONDS = 5;

/** Another machine's programs, and such as take bytes there. */
export interface SshShell extends HostShell {
  /** A program that is written to, or read from, on a connection of its own. */
  alone(program: string, args: readonly string[], what: string): SourceProgram;
}

/**
 * Another machine over OpenSSH. A handshake costs more than most commands, so that all commands share one connection:
 * the first of any process of this proxy makes it, and it ends a few seconds after the last. Where a server allows fewer sessions
 * on it than are wanted, ssh makes another by itself. What moves the bytes of disks has connections of its own: they are not to wait
 * for each other, and a thaw is to wait for neither.
 *
 * @param destination as ssh takes it: `user@host`
 */
export function sshShell(destination: string, port: number | undefined, sockets: ProxySockets): SshShell {
  const at = port === undefined ? [] : ['-p', String(port)];
  const shared = [
    ...[...UNATTENDED, ...at, '-o', 'ClearAllForwardings=yes', '-o', 'ControlMaster=auto'],
    ...['-o', `ControlPersist=${LINGER_SECONDS}`, '-S', percentEscaped(sockets.control(destination, port))],
  ];
  // A shared one that the user's configuration names would keep what is forwarded beyond its ssh.
  const alone = [...UNATTENDED, ...at, '-o', 'ControlMaster=no', '-S', 'none'];
  const where = port === undefined ? destination : `${destination}:${port}`;
  const remote = (program: string, args: readonly string[]): string[] => [
    '--',
    destination,
    [program, ...args].map(quoted).join(' '),
  ];
  const byItself = (program: string, args: readonly string[], what: string): SourceProgram => ({
    program: 'ssh',
    args: [...alone, '-o', 'ClearAllForwardings=yes', ...remote(program, args)],
    what: `${what} on ${where}`,
  });
  return {
    where,
    async run(program, args, given) {
      const result = await runHere(
        'ssh',
        [...shared, ...remote(program, args)],
        given,
        `${program} on ${where}`,
      );
      if (result.exit === SSH_FAILED) throw sshFault(`run ${program} on ${where}`, result.stderr);
      return result;
    },
    command: (program, args, what, stdin) => ({
      program: 'ssh',
      args: [...shared, ...remote(program, args)],
      what,
      ...(stdin === undefined ? {} : { stdin }),
    }),
    alone: byItself,
    upload: (file, { directory, name }, what) => ({
      ...byItself('sh', ['-c', `${INTO_DIRECTORY} exec cat > "$1/$2"`, 'everthaw', directory, name], what),
      stdinFile: file,
    }),
    forward: (socket) => tunnel(where, [...alone, '--', destination], sockets.forExport(), socket),
  };
}

async function tunnel(
  where: string,
  args: readonly string[],
  local: string,
  socket: string,
): Promise<ForwardedSocket> {
  const forward = [local, socket].map((path) => percentEscaped(path).replace(/[\\:]/g, '\\$&')).join(':');
  const child = spawnTethered('ssh', ['-N', '-o', 'ExitOnForwardFailure=yes', '-L', forward, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const tail = tailOf(child);
  const process = { hasEnded: false };
  const ended = exitOf(child)
    .catch(() => 1)
    .finally(() => (process.hasEnded = true));
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    await rm(local, { force: true });
  };
  const isThere = (): Promise<boolean> =>
    stat(local).then(
      () => true,
      () => false,
    );
  try {
    await until(async () => process.hasEnded || (await isThere()), AbortSignal.timeout(PATIENCE_MS));
  } catch {
    await close();
    throw sshFault(`open a tunnel to ${where}`, `no connection within ${PATIENCE_MS / 1000} s`);
  }
  if (process.hasEnded) {
    await close();
    throw sshFault(`open a tunnel to ${where}`, tail());
  }
  return { socket: local, close };
}

/** ssh takes a percent sign in a path for one of its own variables. */
function percentEscaped(path: string): string {
  return path.replaceAll('%', '%%');
}

/** As one word for the shell there. */
function quoted(argument: string): string {
  return `'${argument.replaceAll("'", "'\\''")}'`;
}
