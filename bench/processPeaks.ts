import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 20;

/** Most resident memory (VmHWM, MiB) of a process and of each program below it, by the program's name. */
export type Peaks = ReadonlyMap<string, number>;

/** Watches a process and its descendants while `work` runs. A program that lives for less than a look is not seen. */
export async function peaksDuring(pid: number, root: string, work: () => Promise<unknown>): Promise<Peaks> {
  const peaks = new Map<string, number>();
  let isDone = false;
  const watching = (async () => {
    while (!isDone) {
      await look(pid, root, peaks);
      await sleep(LOOK_MS);
    }
  })();
  try {
    await work();
  } finally {
    isDone = true;
    await watching;
  }
  await look(pid, root, peaks);
  return peaks;
}

async function look(pid: number, name: string, peaks: Map<string, number>): Promise<void> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const peakMiB = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
  peaks.set(name, Math.max(peaks.get(name) ?? 0, peakMiB));
  for (const child of await childrenOf(pid)) await look(child, await nameOf(child), peaks);
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const children: number[] = [];
  for (const thread of await readdir(`/proc/${pid}/task`).catch(() => [])) {
    const text = await readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '');
    children.push(...text.split(' ').filter(Boolean).map(Number));
  }
  return children;
}

/** The program's name; of our own process for copying, what it is. */
async function nameOf(pid: number): Promise<string> {
  const [program = '', ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split(
    '\0',
  );
  if (args[0]?.endsWith('copierProcess.js') === true) return 'copier';
  return program.split('/').at(-1) ?? '';
}
