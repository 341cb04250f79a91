import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { open } from 'node:fs/promises';
import { EverthawError } from '../domain/errors.js';
import { SSH_FAILED, sshFault } from './sshFault.js';
import type { SourceProgram } from './sourceProgram.js';

const TAIL_BYTES = 2000;

/** Starts a native program that the kernel kills when this process dies, however it dies: no child outlives its worker. */
export function spawnTethered(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], options);
}

/** Keeps the end of what a child says on standard error, for the message if it fails. */
export function tailOf(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-TAIL_BYTES);
  });
  return () => tail.trim();
}

/** Resolves with a child's exit code, or with the signal's name that ended it. */
export function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve(code ?? signal ?? 'no exit code');
    });
  });
}

/**
 * Runs a program to its end. `started` is told its process id.
 *
 * @throws EverthawError with what it said, when it fails; the signal's reason when cancelled
 */
export async function runProgram(
  source: SourceProgram,
  signal?: AbortSignal,
  started?: (pid: number) => void,
  onOutput?: (text: string) => void,
): Promise<void> {
  const input = source.stdinFile === undefined ? undefined : await open(source.stdinFile);
  const child = spawnTethered(source.program, source.args, {
    stdio: [input?.fd ?? 'pipe', onOutput === undefined ? 'ignore' : 'pipe', 'pipe'],
  });
  if (onOutput !== undefined) child.stdout?.setEncoding('utf8').on('data', onOutput);
  const tail = tailOf(child);
  const kill = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });
  try {
    child.stdin?.on('error', () => undefined).end(source.stdin ?? '');
    if (child.pid !== undefined) started?.(child.pid);
    const exit = await exitOf(child);
    signal?.throwIfAborted();
    if (exit !== 0) throw programFailed(source, exit, tail());
  } finally {
    signal?.removeEventListener('abort', kill);
    await input?.close();
  }
}

/** What a program prints. @throws as {@link runProgram} */
export async function runForOutput(source: SourceProgram, signal: AbortSignal): Promise<string> {
  const printed: string[] = [];
  await runProgram(source, signal, undefined, (text) => printed.push(text));
  return printed.join('');
}

const CURL_MEANINGS: Readonly<Record<number, { why: string; hint: string; code?: EverthawError['code'] }>> = {
  6: {
    why: 'the host’s name cannot be resolved',
    hint: 'check the name service of this proxy',
    code: 'HostUnreachable',
  },
  7: {
    why: 'the host refuses the connection',
    hint: 'see that it is up and the port is open',
    code: 'HostUnreachable',
  },
  18: {
    why: 'the stream ended before it was whole',
    hint: 'the host or the network broke it off: run it again',
    code: 'StreamTorn',
  },
  22: { why: 'the host refused the transfer', hint: 'the lease or the session has ended: run it again' },
  28: {
    why: 'no byte came for a minute',
    hint: 'look at the network and the host’s load',
    code: 'HostUnreachable',
  },
  52: {
    why: 'the host closed the connection without an answer',
    hint: 'see that the host is up',
    code: 'HostUnreachable',
  },
  55: {
    why: 'the host closed the connection in mid-transfer',
    hint: 'see that the host is up',
    code: 'HostUnreachable',
  },
  56: {
    why: 'the connection broke in mid-transfer',
    hint: 'the host or the network broke it off: run it again',
    code: 'StreamTorn',
  },
  60: {
    why: 'the certificate is not vouched for',
    hint: 'give the CA or the thumbprint of this host, and see that the proxy’s clock is right',
    code: 'CertificateRefused',
  },
  90: {
    why: 'the public key is not the one that the thumbprint vouched for',
    hint: 'somebody is in between, or the certificate changed',
    code: 'CertificateRefused',
  },
};

/** The error of a native program that ended badly, in the words of whoever knows its exit codes. */
export function programFailed(
  source: Pick<SourceProgram, 'program' | 'what'>,
  exit: number | string,
  tail: string,
): EverthawError {
  if (source.program === 'ssh' && exit === SSH_FAILED) return sshFault(`transfer ${source.what}`, tail);
  const known = source.program === 'curl' && typeof exit === 'number' ? CURL_MEANINGS[exit] : undefined;
  const said = tail === '' ? '' : ` (${tail})`;
  return new EverthawError({
    code: known?.code ?? 'ProgramFailed',
    what: `transfer ${source.what}`,
    why: known === undefined ? `${source.program} ended with ${exit}${said}` : `${known.why}${said}`,
    hint: known?.hint ?? `try it again; if it stays, run ${source.program} by hand`,
    retry: 'again',
  });
}
