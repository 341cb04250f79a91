import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { renewCookie } from '../disks/nbdServer.js';
import { EverthawError } from '../domain/errors.js';
import { readJson } from '../system/jsonFile.js';
import { isAlive, killProcess, notedProcess } from '../system/processIdentity.js';
import { exitOf } from '../system/program.js';
import type { KeeperOrder, KeeperReport, KeeperTask, KeptVolumes } from './keeperOrder.js';
import { unmountBelow } from './mountTable.js';

const PROCESS = fileURLToPath(new URL('./keeperProcess.js', import.meta.url));

/** What lies in a keeper's directory. */
export function keeperFiles(directory: string) {
  return {
    process: join(directory, 'process.json'),
    /** A {@link KeptVolumes}, once all is mounted. */
    kept: join(directory, 'kept.json'),
    log: join(directory, 'log'),
  };
}

/** A keeper that has opened a VM's disks and waits to be told where to mount them. */
export interface WaitingKeeper {
  /** How many. */
  readonly volumes: number;
  /** Mounts them below a directory; from then on the keeper needs nobody. @throws EverthawError */
  mount(to: string): Promise<KeptVolumes>;
}

/**
 * Starts the process that keeps volumes mounted (keeperProcess.ts). Until they are mounted it ends with this process; `signal` ends it.
 *
 * @throws EverthawError
 */
export async function startKeeper(order: KeeperOrder, signal: AbortSignal): Promise<WaitingKeeper> {
  const { directory } = order;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const log = await open(keeperFiles(directory).log, 'a', 0o600);
  const child = spawn('unshare', ['--pid', '--fork', '--kill-child', '--', process.execPath, PROCESS], {
    detached: true,
    stdio: ['ignore', 'ignore', log.fd, 'ipc'],
  });
  await log.close();
  const ended = exitOf(child);
  ended.catch(() => undefined);
  const kill = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  const answer = async (task: KeeperTask): Promise<KeeperReport> => {
    const told = new Promise<KeeperReport>((resolve) => {
      child.once('message', (message) => {
        resolve(message as KeeperReport);
      });
    });
    child.send(task, () => undefined);
    const report = await Promise.race([told, ended.catch(String)]);
    signal.throwIfAborted();
    if (typeof report !== 'object') throw await endedEarly(directory, report);
    if (report.kind === 'failed') throw new EverthawError(report.error);
    return report;
  };
  const opened = await answer({ kind: 'open', order });
  if (opened.kind !== 'found') throw new Error(`the keeper said ${opened.kind}`);
  return {
    volumes: opened.volumes,
    mount: async (to) => {
      const report = await answer({ kind: 'mount', to });
      if (report.kind !== 'mounted') throw new Error(`the keeper said ${report.kind}`);
      signal.removeEventListener('abort', kill);
      child.disconnect();
      child.unref();
      return report.kept;
    },
  };
}

async function endedEarly(directory: string, exit: string | number): Promise<EverthawError> {
  return new EverthawError({
    code: 'ProgramFailed',
    what: 'mount the volumes',
    why: `the process that mounts them ended with ${exit}: ${await lastWords(directory)}`,
    hint: 'it is tried again; see that unshare and /dev/fuse are there, and that this is root',
    retry: 'again',
  });
}

/** Why the keeper of a directory ended. */
export async function lastWords(directory: string): Promise<string> {
  const said = await readFile(keeperFiles(directory).log, 'utf8').catch(() => '');
  return said.trim().split('\n').at(-1) ?? '';
}

/** What a living keeper keeps mounted; undefined where there is none, or where it is not done yet. */
export async function keptBy(directory: string): Promise<KeptVolumes | undefined> {
  return (await isKeeperAlive(directory)) ? readJson<KeptVolumes>(keeperFiles(directory).kept) : undefined;
}

/**
 * Hands the servers of a keeper the cookie of the session that the worker is in now. Not the keeper's to do: while its layers wait for a new
 * session, none of its threads may be free.
 */
export async function renewCookies(directory: string, cookie: string): Promise<void> {
  const names = await readdir(directory).catch((): readonly string[] => []);
  for (const name of names.filter((each) => /^\d+$/.test(each)))
    await renewCookie(join(directory, name), cookie);
}

export async function isKeeperAlive(directory: string): Promise<boolean> {
  const identity = await notedProcess(keeperFiles(directory).process);
  return identity !== undefined && (await isAlive(identity));
}

/** Ends the keeper of a directory with all its layers, takes away what it mounted for itself, and removes the directory. */
export async function endKeeper(directory: string): Promise<void> {
  const identity = await notedProcess(keeperFiles(directory).process);
  if (identity !== undefined) await killProcess(identity);
  await unmountBelow(directory);
  await rm(directory, { recursive: true, force: true });
}
