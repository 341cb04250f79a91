import { readlinkSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { readJson } from './jsonFile.js';

/** A process, told apart from a later one that got the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks since boot at its start. */
  readonly startTime: string;
}

/** This process as /proc counts: within a process namespace of its own it takes itself for the first. */
export function ownPid(): number {
  return Number(readlinkSync('/proc/self'));
}

export async function processIdentity(pid: number): Promise<ProcessIdentity> {
  return { pid, startTime: (await startTimeOf(pid)) ?? '' };
}

/** Notes a process in a file, for whoever is to end it when its parent is gone. */
export async function noteProcess(file: string, identity: ProcessIdentity): Promise<void> {
  await writeFile(file, JSON.stringify(identity), { mode: 0o600 });
}

/** The process that a file notes, if it notes one. */
export function notedProcess(file: string): Promise<ProcessIdentity | undefined> {
  return readJson<ProcessIdentity>(file);
}

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return identity.startTime !== '' && (await startTimeOf(identity.pid)) === identity.startTime;
}

/** Kills a process and returns when it is gone; never a later one of the same number. */
export async function killProcess(identity: ProcessIdentity): Promise<void> {
  while (await isAlive(identity)) {
    try {
      process.kill(identity.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
      throw error;
    }
    await sleep(10);
  }
}

/** A zombie counts as gone, once none of its threads is left that may be in the middle of a write. */
async function startTimeOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The program's name, in parentheses, may hold blanks.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  const isGone = fields?.[0] === 'Z' && Number(fields[17]) <= 1;
  return isGone ? undefined : fields?.[19];
}
