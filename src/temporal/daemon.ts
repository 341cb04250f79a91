import { spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EverthawError } from '../domain/errors.js';
import { readJson } from '../system/jsonFile.js';
import { isAlive, notedProcess, type ProcessIdentity } from '../system/processIdentity.js';
import { until } from '../system/until.js';

/** What a daemon writes when server and worker are up. */
export interface DaemonState {
  readonly process: ProcessIdentity;
  readonly address: string;
  readonly namespace: string;
  readonly uiUrl: string;
  readonly logFile: string;
}

const DAEMON = fileURLToPath(new URL('../cli/daemon.js', import.meta.url));
const START_TIMEOUT_MS = 60_000;
/** flock's exit code for "somebody else holds it". */
const LOCK_HELD = 75;

export function daemonFiles(directory: string) {
  return {
    lock: join(directory, 'lock'),
    process: join(directory, 'process.json'),
    state: join(directory, 'daemon.json'),
    log: join(directory, 'daemon.log'),
  };
}

/** The daemon of this state directory, if one is up. */
export async function findDaemon(directory: string): Promise<DaemonState | undefined> {
  const state = await readJson<DaemonState>(daemonFiles(directory).state);
  return state !== undefined && (await isAlive(state.process)) ? state : undefined;
}

/**
 * The daemon of this state directory, started if there is none: one detached process that keeps a Temporal server and a worker
 * running. The kernel's lock on a file decides who is it, so that two starts at once make one, and a killed one leaves none.
 *
 * @param environment what the daemon is to run with
 */
export async function ensureDaemon(directory: string, environment: NodeJS.ProcessEnv): Promise<DaemonState> {
  const found = await findDaemon(directory);
  if (found !== undefined) return found;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { lock, log } = daemonFiles(directory);
  const output = await open(log, 'a', 0o600);
  const child = spawn(
    'flock',
    ['--nonblock', '--no-fork', '--conflict-exit-code', String(LOCK_HELD), lock, process.execPath, DAEMON],
    {
      detached: true,
      stdio: ['ignore', output.fd, output.fd],
      env: environment,
    },
  );
  child.unref();
  await output.close();
  let exit: number | undefined;
  child.once('exit', (code) => (exit = code ?? -1));
  let state: DaemonState | undefined;
  try {
    await until(async () => {
      state = await findDaemon(directory);
      return state !== undefined || (exit !== undefined && exit !== LOCK_HELD);
    }, AbortSignal.timeout(START_TIMEOUT_MS));
  } catch {
    // Told below, with the log's end.
  }
  if (state !== undefined) return state;
  throw new EverthawError({
    code: 'ProgramFailed',
    what: 'start the Everthaw daemon',
    why:
      exit === undefined
        ? `it was not up within ${START_TIMEOUT_MS / 1000} s`
        : `it ended with ${exit}: ${await lastLine(log)}`,
    hint: `look into ${log}`,
  });
}

/** Ends the daemon of a state directory, also one that is not up yet; its runs go on when it is started again. */
export async function stopDaemon(directory: string): Promise<boolean> {
  const identity = await notedProcess(daemonFiles(directory).process);
  if (identity === undefined || !(await isAlive(identity))) return false;
  process.kill(identity.pid, 'SIGTERM');
  await until(async () => !(await isAlive(identity)), AbortSignal.timeout(30_000));
  return true;
}

async function lastLine(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trim().split('\n').at(-1) ?? '';
}
