import { isAlive, processIdentity } from './processIdentity.js';

const PATTERN = /^([a-z]+)\.(\d+)\.(\d+)$/;

/** A name that only this process has, for what it borrows: whether it is dead can be told from the name alone. */
export async function processName(what: string): Promise<string> {
  const { pid, startTime } = await processIdentity(process.pid);
  return `${what}.${pid}.${startTime}`;
}

/** Whether a name is that of a process which is no more; any other name is not. */
export async function isOfDeadProcess(name: string): Promise<boolean> {
  const [, , pid, startTime] = PATTERN.exec(name) ?? [];
  if (pid === undefined || startTime === undefined) return false;
  return !(await isAlive({ pid: Number(pid), startTime }));
}

/** Whether a name is that of a process, dead or alive. */
export function isProcessName(name: string): boolean {
  return PATTERN.test(name);
}
